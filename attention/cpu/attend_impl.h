// Included by cpu/kernel_impl.h: attention of a group of 64 query rows, a block of keys at a time.

template <class A>
struct Scratch {
  using Score = typename A::Scores::Acc;
  using Sum = typename A::Acc;
  alignas(64) Score scores[kRowGroup][kKeyVectors];
  alignas(64) int32_t p[kRowGroup][A::kWords];
  alignas(64) Score row_max[kRowGroup];  // over the block's vectors, lanes not yet reduced
  alignas(64) Sum row_sum[kRowGroup];
  alignas(64) float old_scale[kRowGroup], new_scale[kRowGroup], reference[kRowGroup], factor[kRowGroup];
};

inline bool SeesAll(const Group& g, int64_t block) {
  // Rows that only fill up a register tile see nothing.
  const int64_t end = (block + 1) * kKeyBlock, rows = PadTo(g.rows, Isa::kScoreRows);
  for (int64_t r = 0; r < rows; ++r) {
    if (g.visible[r] < end) return false;
  }
  return true;
}

inline F Unseen(F) { return SetAll(kMinusInfinity); }
inline I Unseen(I) { return SetAll(kUnseen); }
inline F StartOf(const Group&, int64_t, F) { return F{}; }
inline I StartOf(const Group& g, int64_t row, I) { return SetAll(g.start[row]); }

// Scores of all rows with one block and, a row, their maximum over the vectors. Rows are padded to a multiple of kRows
// by the driver. With `masked`, keys that a row does not see become Unseen.
template <class A>
inline void ScoreBlock(const Group& g, int64_t block, bool masked, Scratch<A>& s) {
  using S = typename A::Scores;
  using Acc = typename S::Acc;
  constexpr int R = S::kRows, C = S::kColumns;
  const int64_t steps = g.dwords;
  const std::byte* keys = g.keys->blocks + block * steps * kKeyBlock * 4;
  for (int64_t r0 = 0; r0 < g.rows; r0 += R) {
    for (int c0 = 0; c0 < kKeyVectors; c0 += C) {
      Acc acc[R][C];
      Unroll<R>([&](auto r) SPARGE_INLINE {
        const Acc start = StartOf(g, r0 + r, Acc{});
        Unroll<C>([&](auto c) SPARGE_INLINE { acc[r][c] = start; });
      });
      Multiply<S, R, C>(acc, g.q + r0 * g.dwords, g.dwords, keys + c0 * static_cast<int64_t>(sizeof(Acc)), kKeyVectors,
                        steps);
      if (masked) {
        Unroll<R>([&](auto r) SPARGE_INLINE {
          const int64_t seen = g.visible[r0 + r] - block * kKeyBlock - c0 * kLanes;
          const I limit = SetAll(static_cast<int32_t>(seen < 0 ? 0 : seen > kKeyBlock ? kKeyBlock : seen));
          Unroll<C>([&](auto c) SPARGE_INLINE { acc[r][c] = Iota() + c * kLanes < limit ? acc[r][c] : Unseen(Acc{}); });
        });
      }
      Unroll<R>([&](auto r) SPARGE_INLINE {
        Acc most = c0 > 0 ? s.row_max[r0 + r] : acc[r][0];
        Unroll<C>([&](auto c) SPARGE_INLINE {
          Store(&s.scores[r0 + r][c0 + c], acc[r][c]);
          most = Max(most, acc[r][c]);
        });
        Store(&s.row_max[r0 + r], most);
      });
    }
  }
}

inline F AsFloat(F x) { return x; }
inline F AsFloat(I x) { return x == SetAll(kUnseen) ? SetAll(kMinusInfinity) : Isa::ToFloat(x); }

// Maxima of the block in log2 units, a row a lane.
template <class A>
inline F BlockMax(const Group& g, int64_t r0, float key_scale, const Scratch<A>& s) {
  using Acc = typename A::Scores::Acc;
  Acc rows[kLanes];
  Unroll<kLanes>([&](auto i) SPARGE_INLINE { rows[i] = s.row_max[r0 + i]; });
  const F most = AsFloat(ReduceRows(rows, [](Acc a, Acc b) { return Max(a, b); }));
  const F scale = Load<F>(g.row_scale + r0) * SetAll(key_scale);
  return most == SetAll(kMinusInfinity) ? most : most * scale;
}

// Bit k set: a row that sees n keys of the block sees key k.
inline RowMask SeenKeys(int64_t n) { return n <= 0 ? 0 : n >= kKeyBlock ? ~RowMask{0} : (RowMask{1} << n) - 1; }

// The rows that see a key of the block and are NaN if it is computed: they hold a non-finite value, see one in a key,
// or were NaN before.
inline RowMask NaNRows(const Group& g, int64_t block) {
  const RowMask bad_keys = g.keys->non_finite[block], bad_rows = g.non_finite | g.nan_rows;
  if (bad_keys == 0 && bad_rows == 0) return 0;
  RowMask rows = 0;
  for (int64_t r = 0; r < g.rows; ++r) {
    const RowMask seen = SeenKeys(g.visible[r] - block * kKeyBlock);
    if ((seen & bad_keys) != 0 || (seen != 0 && (bad_rows >> r & 1) != 0)) rows |= RowMask{1} << r;
  }
  return rows;
}

// P of one row from its scores: exp2(score·scale − reference) in kTop-ths.
template <class A, bool kMasked>
inline typename A::Acc WeighRow(const Scratch<A>& s, int64_t r, int32_t* p) {
  const F scale = SetAll(s.factor[r]), reference = SetAll(s.reference[r]);
  F weights[kKeyVectors];
  Unroll<kKeyVectors>([&](auto c) SPARGE_INLINE {
    const auto score = s.scores[r][c];
    F y;
    if constexpr (sizeof(typename A::Scores::Element) == 4) {
      y = score * scale - reference;
    } else {
      y = Isa::ToFloat(score) * scale - reference;
    }
    if constexpr (kMasked) y = AsFloat(score) == SetAll(kMinusInfinity) ? SetAll(kMinusInfinity) : y;
    weights[c] = Isa::Exp2<A::kArithmetic == Arithmetic::kFloat32>(y, A::kTop);
  });
  return A::PackRow(weights, p);
}

template <class A, int R, int C>
inline void ValueTile(const Group& g, const Scratch<A>& s, int64_t block, int64_t r0, int64_t column) {
  using Acc = typename A::Acc;
  const int64_t vectors = g.padded_value_dim / kLanes;
  const std::byte* values = g.values->blocks + block * A::kWords * g.padded_value_dim * 4;
  float* out = g.out + r0 * g.padded_value_dim + column;
  Acc acc[R][C];
  Unroll<R>([&](auto r) SPARGE_INLINE {
    const F old_scale = SetAll(s.old_scale[r0 + r]);
    Unroll<C>([&](auto c) SPARGE_INLINE {
      if constexpr (A::kLocalMax) {
        acc[r][c] = Acc{};
      } else {
        acc[r][c] = Load<F>(out + r * g.padded_value_dim + c * kLanes) * old_scale;
      }
    });
  });
  Multiply<A, R, C>(acc, s.p[r0], A::kWords, values + column * 4, vectors, A::kWords);
  Unroll<R>([&](auto r) SPARGE_INLINE {
    const F old_scale = SetAll(s.old_scale[r0 + r]), new_scale = SetAll(s.new_scale[r0 + r]);
    Unroll<C>([&](auto c) SPARGE_INLINE {
      float* to = out + r * g.padded_value_dim + c * kLanes;
      if constexpr (A::kLocalMax) {
        Store(to, Load<F>(to) * old_scale + Isa::ToFloat(acc[r][c]) * new_scale);
      } else {
        Store(to, acc[r][c]);
      }
    });
  });
}

template <class A, int C>
inline void ValueColumns(const Group& g, const Scratch<A>& s, int64_t block, int64_t column) {
  constexpr int R = Isa::kValueRows;
  for (int64_t r0 = 0; r0 < g.rows; r0 += R) ValueTile<A, R, C>(g, s, block, r0, column);
}

// Non-finite values are packed as zeros; rows that see one get the sum of the block's, a channel, in their place.
inline void AddNonFiniteValues(const Group& g, int64_t block) {
  const float* poison = g.values->poison + block * g.padded_value_dim;
  for (int64_t r = 0; r < g.rows; ++r) {
    if ((SeenKeys(g.visible[r] - block * kKeyBlock) & g.values->non_finite[block]) == 0) continue;
    for (int64_t c = 0; c < g.padded_value_dim; ++c) g.out[r * g.padded_value_dim + c] += poison[c];
  }
}

// out = out·old_scale + P·V·new_scale
template <class A>
inline void MultiplyValues(const Group& g, int64_t block, const Scratch<A>& s) {
  constexpr int C = Isa::kValueColumns;
  int64_t column = 0;
  for (; column + C * kLanes <= g.padded_value_dim; column += C * kLanes) ValueColumns<A, C>(g, s, block, column);
  switch ((g.padded_value_dim - column) / kLanes) {
    case 3:
      ValueColumns<A, C >= 3 ? 3 : 1>(g, s, block, column);
      break;
    case 2:
      ValueColumns<A, C >= 2 ? 2 : 1>(g, s, block, column);
      break;
    case 1:
      ValueColumns<A, 1>(g, s, block, column);
      break;
    default:
      break;
  }
  if (g.values->non_finite[block] != 0) AddNonFiniteValues(g, block);
}

template <class A>
void AttendGroup(Group& g) {
  using Sum = typename A::Acc;
  Scratch<A>& s = *reinterpret_cast<Scratch<A>*>(g.scratch);
  for (int64_t i = 0; i < kRowGroup * g.padded_value_dim; ++i) g.out[i] = 0;
  for (int64_t r = 0; r < kRowGroup; ++r) {
    g.max[r] = kMinusInfinity;
    g.sum[r] = 0;
    s.row_max[r] = Unseen(s.row_max[r]);  // rows past the last stay so
    s.row_sum[r] = Sum{};
  }
  g.nan_rows = 0;
  g.skipped = 0;
  for (int64_t n = 0; n < g.num_blocks; ++n) {
    const int64_t block = g.blocks[n];
    const bool masked = !SeesAll(g, block);
    const float key_scale = g.keys->scale[block];
    ScoreBlock<A>(g, block, masked, s);

    F most[kRowGroup / kLanes];
    I keep{};
    for (int64_t i = 0; i < kRowGroup / kLanes; ++i) {
      most[i] = BlockMax<A>(g, i * kLanes, key_scale, s);
      const F so_far = Max(Load<F>(g.max + i * kLanes), most[i]);
      keep |= (most[i] > SetAll(kMinusInfinity)) & ~(most[i] - so_far < SetAll(g.lambda));
    }
    const RowMask nan_rows = NaNRows(g, block);
    if (g.lambda < 0 && nan_rows == 0) {
      int32_t any = 0;
      for (int l = 0; l < kLanes; ++l) any |= keep[l];
      if (any == 0) {
        ++g.skipped;
        continue;
      }
    }
    g.nan_rows |= nan_rows;

    for (int64_t i = 0; i < kRowGroup / kLanes; ++i) {
      const int64_t r = i * kLanes;
      const F none = SetAll(kMinusInfinity), before = Load<F>(g.max + r);
      const F after = Max(before, most[i]);
      // Where nothing was seen before, the old output is zero; where nothing is seen yet, all is.
      const F old_scale = before == none ? F{} : Isa::Exp2<true>(before - after, 1.f);
      F reference = after, new_scale = SetAll(1.f);
      if constexpr (A::kLocalMax) {
        reference = most[i];
        new_scale = most[i] == none ? F{} : Isa::Exp2<true>(most[i] - after, 1.f);
      }
      Store(g.max + r, after);
      Store(s.reference + r, reference == none ? F{} : reference);
      Store(s.old_scale + r, old_scale);
      Store(s.new_scale + r, new_scale);
      Store(s.factor + r, Load<F>(g.row_scale + r) * SetAll(key_scale));
    }
    if (masked) {
      for (int64_t r = 0; r < g.rows; ++r) s.row_sum[r] = WeighRow<A, true>(s, r, s.p[r]);
    } else {
      for (int64_t r = 0; r < g.rows; ++r) s.row_sum[r] = WeighRow<A, false>(s, r, s.p[r]);
    }
    for (int64_t i = 0; i < kRowGroup / kLanes; ++i) {
      const int64_t r = i * kLanes;
      Sum rows[kLanes];
      Unroll<kLanes>([&](auto l) SPARGE_INLINE { rows[l] = s.row_sum[r + l]; });
      const F sum = AsFloat(ReduceRows(rows, [](Sum a, Sum b) { return a + b; }));
      Store(g.sum + r, Load<F>(g.sum + r) * Load<F>(s.old_scale + r) + sum * Load<F>(s.new_scale + r));
    }
    MultiplyValues<A>(g, block, s);
  }
}

template <class A>
void Scores(const Group& g, int64_t block, int32_t* out) {
  Scratch<A>& s = *reinterpret_cast<Scratch<A>*>(g.scratch);
  ScoreBlock<A>(g, block, /*masked=*/false, s);
  __builtin_memcpy(out, s.scores, static_cast<size_t>(g.rows * kKeyBlock * 4));
}
