// The body of a CPU kernel. Included inside the unnamed namespace of one translation unit an instruction set, after
// `struct Isa` (see cpu/avx512/isa.h for what it has); MakeKernel<Arithmetic> at the end gives the table of functions.
//
// One inner loop does all products: an operand A of rows of 32-bit words, each word the `kGroup` elements that a lane's
// dot product takes at once, against an operand B packed [step][column][kGroup], a column a lane.

using F = Isa::F;
using I = Isa::I;
constexpr int kLanes = Isa::kLanes;
constexpr int kKeyVectors = static_cast<int>(kKeyBlock) / kLanes;
constexpr int32_t kUnseen = INT32_MIN;  // an integer score that no product can be
constexpr float kMinusInfinity = -__builtin_inff();

template <class V>
inline V Load(const void* p) {
  V value;
  __builtin_memcpy(&value, p, sizeof(V));
  return value;
}
template <class V>
inline void Store(void* p, const V& value) {
  __builtin_memcpy(p, &value, sizeof(V));
}
// fn(0), fn(1) … fn(N − 1) with constants, written out: register tiles are arrays that only constants index, or gcc
// keeps them in memory.
template <int value>
struct Constant {
  constexpr operator int() const { return value; }
};
template <int... i, class Fn>
__attribute__((always_inline)) inline void UnrollIndices(std::integer_sequence<int, i...>, Fn fn) {
  (fn(Constant<i>{}), ...);
}
template <int N, class Fn>
__attribute__((always_inline)) inline void Unroll(Fn fn) {
  UnrollIndices(std::make_integer_sequence<int, N>{}, fn);
}
#define SPARGE_INLINE __attribute__((always_inline))
#if defined(__x86_64__)
#define SPARGE_HIDE(vector) asm volatile("" : "+x"(vector))
#else
#define SPARGE_HIDE(vector) asm volatile("" : "+w"(vector))
#endif

inline F SetAll(float x) { return x - F{}; }
inline I SetAll(int32_t x) { return x - I{}; }
inline I Iota() {
  I lanes;
  for (int i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}
inline F Max(F a, F b) { return a > b ? a : b; }
inline I Max(I a, I b) { return a > b ? a : b; }

// ---- Reductions across lanes ---------------------------------------------------------------------------------------

// Lane i of the result is the reduction of all lanes of rows[i]. A butterfly: at distance s, lanes with bit s clear go
// on with row i, the others with row i + s.
template <int S, class V, class Op>
SPARGE_INLINE inline void ReduceHalf(V (&rows)[kLanes], Op op) {
  I own, other;
  for (int l = 0; l < kLanes; ++l) {
    own[l] = (l & S) != 0 ? kLanes + l : l;
    other[l] = (l & S) != 0 ? kLanes + (l ^ S) : (l ^ S);
  }
  Unroll<S>([&](auto i) SPARGE_INLINE {
    rows[i] = op(__builtin_shuffle(rows[i], rows[i + S], own), __builtin_shuffle(rows[i], rows[i + S], other));
  });
  if constexpr (S > 1) ReduceHalf<S / 2>(rows, op);
}
template <class V, class Op>
SPARGE_INLINE inline V ReduceRows(V (&rows)[kLanes], Op op) {
  ReduceHalf<kLanes / 2>(rows, op);
  return rows[0];
}

// The reduction of all lanes of one vector.
template <int S = kLanes / 2, class V, class Op>
SPARGE_INLINE inline auto ReduceLanes(V v, Op op) {
  I other;
  for (int l = 0; l < kLanes; ++l) other[l] = l ^ S;
  v = op(v, __builtin_shuffle(v, other));
  if constexpr (S > 1) {
    return ReduceLanes<S / 2>(v, op);
  } else {
    return v[0];
  }
}

#include "attention/quant/rows.h"

// ---- The products of each arithmetic -------------------------------------------------------------------------------

struct IntegerScores {
  using Acc = I;
  using Word = I;
  using Element = Isa::Element;
  static constexpr int kGroup = Isa::kGroup;
  static constexpr int kRows = Isa::kScoreRows, kColumns = Isa::kScoreColumns;
  static inline void Dot(I& acc, I q, I k) { Isa::DotScores(acc, q, k); }
  static inline I Broadcast(const int32_t* p) { return SetAll(*p); }
};
struct FloatScores {
  using Acc = F;
  using Word = F;
  using Element = float;
  static constexpr int kGroup = 1;
  static constexpr int kRows = Isa::kScoreRows, kColumns = Isa::kScoreColumns;
  static inline void Dot(F& acc, F q, F k) { acc += q * k; }
  static inline F Broadcast(const int32_t* p) { return SetAll(FromBits(static_cast<uint32_t>(*p))); }
};

// P as 255 levels of the row's maximum within the block, V as int8 with a scale a channel.
struct U8S8 {
  using Scores = IntegerScores;
  using Acc = I;
  using Word = I;
  static constexpr Arithmetic kArithmetic = Arithmetic::kU8S8;
  static constexpr bool kLocalMax = true;
  static constexpr int kGroup = Isa::kGroup;
  static constexpr int kWords = static_cast<int>(kKeyBlock) / kGroup;  // of a row of P
  // The group of successive keys that word `t` of a row of P holds (packing narrows vectors in 128-bit lanes).
  static int KeyGroup(int t) { return Isa::PackedKeyGroup(t); }
  static inline void Dot(I& acc, I p, I v) { Isa::DotValues(acc, p, v); }
  static inline I Broadcast(const int32_t* p) { return SetAll(*p); }
  static inline I PackRow(const F (&p)[kKeyVectors], int32_t* out) {
    I levels[kKeyVectors];
    for (int i = 0; i < kKeyVectors; ++i) levels[i] = Isa::ToInt(p[i]);
    return Isa::PackLevels(levels, out);
  }
  static constexpr float kTop = 255.f;  // what a weight of 1 is stored as
};
struct Float32 {
  using Scores = FloatScores;
  using Acc = F;
  using Word = F;
  static constexpr Arithmetic kArithmetic = Arithmetic::kFloat32;
  static constexpr bool kLocalMax = false;
  static constexpr int kGroup = 1;
  static constexpr int kWords = static_cast<int>(kKeyBlock);
  static int KeyGroup(int t) { return t; }
  static inline void Dot(F& acc, F p, F v) { acc += p * v; }
  static inline F Broadcast(const int32_t* p) { return FloatScores::Broadcast(p); }
  static inline F PackRow(const F (&p)[kKeyVectors], int32_t* out) {
    F sum{};
    for (int i = 0; i < kKeyVectors; ++i) {
      Store(out + i * kLanes, p[i]);
      sum += p[i];
    }
    return sum;
  }
  static constexpr float kTop = 1.f;
};
#ifdef SPARGE_ISA_BF16
struct BFloat16 {
  using Scores = IntegerScores;
  using Acc = F;
  using Word = I;
  static constexpr Arithmetic kArithmetic = Arithmetic::kBFloat16;
  static constexpr bool kLocalMax = false;
  static constexpr int kGroup = 2;
  static constexpr int kWords = static_cast<int>(kKeyBlock) / 2;
  static int KeyGroup(int t) { return t; }
  static inline void Dot(F& acc, I p, I v) { Isa::DotBFloat16(acc, p, v); }
  static inline I Broadcast(const int32_t* p) { return SetAll(*p); }
  static inline F PackRow(const F (&p)[kKeyVectors], int32_t* out) { return Isa::PackBFloat16(p, out); }
  static constexpr float kTop = 1.f;
};
#endif

// acc[r][c] += Σ_t dot(a[r][t], b[t][c]); `b_stride` counts vectors.
template <class Product, int R, int C>
SPARGE_INLINE inline void Multiply(typename Product::Acc (&result)[R][C], const int32_t* a, int64_t a_stride,
                                   const std::byte* b, int64_t b_stride, int64_t steps) {
  using Word = typename Product::Word;
  typename Product::Acc acc[R][C];  // of its own, or gcc stores the caller's array in every step
  Unroll<R>([&](auto r) SPARGE_INLINE { Unroll<C>([&](auto c) SPARGE_INLINE { acc[r][c] = result[r][c]; }); });
  for (int64_t t = 0; t < steps; ++t) {
    Word columns[C];
    Unroll<C>([&](auto c) SPARGE_INLINE { columns[c] = Load<Word>(b + c * static_cast<int64_t>(sizeof(Word))); });
    Unroll<R>([&](auto r) SPARGE_INLINE {
      const Word row = Product::Broadcast(a + r * a_stride);
      Unroll<C>([&](auto c) SPARGE_INLINE { Product::Dot(acc[r][c], row, columns[c]); });
    });
    a += 1;
    b += b_stride * static_cast<int64_t>(sizeof(Word));
  }
  Unroll<R>([&](auto r) SPARGE_INLINE { Unroll<C>([&](auto c) SPARGE_INLINE { result[r][c] = acc[r][c]; }); });
}

// ---- One block of keys for a group of 64 query rows ----------------------------------------------------------------

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

// ---- Packing -------------------------------------------------------------------------------------------------------

template <class A>
int64_t QueryWords(int64_t head_dim) {
  return PadTo(head_dim, A::Scores::kGroup) / A::Scores::kGroup;
}

RowMask SumRows(const Rows& rows, double* sums, float* scratch) {
  const int64_t padded = PadTo(rows.width, kRowPad);
  float magnitudes[kKeyBlock];
  RowMask non_finite = 0;
  for (int64_t r = 0; r < rows.count; ++r) {
    LoadRow(rows, r, scratch + r * padded, padded);
    magnitudes[r] = MaxMagnitude(scratch + r * padded, padded);
    if (!IsFinite(magnitudes[r])) non_finite |= RowMask{1} << r;
  }
  for (int64_t c = 0; c < padded; c += kLanes) {
    D low{}, high{};
    for (int64_t r = 0; r < rows.count; ++r) {
      if (!IsFinite(magnitudes[r])) continue;
      low += Isa::LoadDoubles(scratch + r * padded + c);
      high += Isa::LoadDoubles(scratch + r * padded + c + kHalf);
    }
    Store(sums + c, low);
    Store(sums + c + kHalf, high);
  }
  return non_finite;
}

void MaxRows(const Rows& rows, float* maxima, float* scratch) {
  const int64_t padded = PadTo(rows.width, kRowPad);
  for (int64_t r = 0; r < rows.count; ++r) {
    LoadRow(rows, r, scratch, padded);
    if (!IsFinite(MaxMagnitude(scratch, padded))) continue;
    for (int64_t c = 0; c < padded; c += kLanes) {
      Store(maxima + c, Max(Load<I>(maxima + c), Load<I>(scratch + c) & kMagnitudeBits));
    }
  }
}

template <class A>
void PackKeys(const Rows& rows, const float* mean, RowMask non_finite, std::byte* packed, float* scale,
              BlockDigest* digest, float* scratch) {
  using Element = typename A::Scores::Element;
  constexpr int64_t kPerWord = static_cast<int64_t>(4 / sizeof(Element));
  const int64_t width = rows.width, padded = PadTo(width, kRowPad);
  float magnitudes[kKeyBlock], largest = 0;
  for (int64_t r = 0; r < kKeyBlock; ++r) {
    float* row = scratch + r * padded;
    magnitudes[r] = __builtin_inff();
    if (r >= rows.count || (non_finite >> r & 1) != 0) {
      for (int64_t c = 0; c < padded; c += kLanes) Store(row + c, F{});
      continue;
    }
    LoadRow(rows, r, row, padded);
    for (int64_t c = 0; c < padded; c += kLanes) Store(row + c, Load<F>(row + c) - Load<F>(mean + c));
    magnitudes[r] = MaxMagnitude(row, padded);
    largest = largest > magnitudes[r] ? largest : magnitudes[r];
  }
  if (digest != nullptr) Digest(scratch, 0, rows.count, width, padded, magnitudes, *digest);
  const int64_t words = QueryWords<A>(width);
  if constexpr (sizeof(Element) == 4) {
    *scale = 1;
    Interleave(reinterpret_cast<const int32_t*>(scratch), padded, words, 0, packed);
  } else {
    *scale = largest / 127.f;
    const int64_t stride = PadTo(padded, kPerWord * kLanes);
    alignas(64) Element levels[kKeyBlock * kWidestHead];
    for (int64_t r = 0; r < kKeyBlock; ++r) QuantizeRow(scratch + r * padded, *scale, padded, levels + r * stride);
    // Unsigned keys: adding 128 is flipping the sign bit.
    constexpr int32_t kFlip = Isa::kKeyOffset == 128 ? static_cast<int32_t>(0x80808080) : 0;
    Interleave(reinterpret_cast<const int32_t*>(levels), stride / kPerWord, words, kFlip, packed);
  }
}

template <class A>
void PackQueries(const Rows& rows, bool negate, const float* key_mean, int64_t first_seeing, const QueryRows& out,
                 BlockDigest* digest, float* scratch) {
  using Element = typename A::Scores::Element;
  const int64_t width = rows.width, padded = PadTo(width, kRowPad);
  const int32_t sign = negate ? ~kMagnitudeBits : 0;
  float magnitudes[kQueryBlock];
  for (int64_t g = 0; g < kQueryBlock / kRowGroup; ++g) out.non_finite[g] = 0;
  for (int64_t r = 0; r < rows.count; ++r) {
    float* row = scratch + r * padded;
    LoadRow(rows, r, row, padded);
    for (int64_t c = 0; negate && c < padded; c += kLanes) Store(row + c, Load<I>(row + c) ^ sign);
    magnitudes[r] = MaxMagnitude(row, padded);
    if (!IsFinite(magnitudes[r])) out.non_finite[r / kRowGroup] |= RowMask{1} << (r % kRowGroup);
  }
  if (digest != nullptr) Digest(scratch, first_seeing, rows.count, width, padded, magnitudes, *digest);
  for (int64_t r = 0; r < kQueryBlock; ++r) {
    int32_t* packed = out.packed + r * out.dwords;
    const float* row = scratch + r * padded;
    out.start[r] = 0;
    if (r >= rows.count || !IsFinite(magnitudes[r])) {
      __builtin_memset(packed, 0, static_cast<size_t>(out.dwords * 4));
      out.scale[r] = 0;
      out.km_dot[r] = 0;
      continue;
    }
    out.km_dot[r] = Dot(row, key_mean, padded);
    if constexpr (sizeof(Element) == 4) {
      out.scale[r] = 1;
      __builtin_memcpy(packed, row, static_cast<size_t>(out.dwords * 4));
    } else {
      out.scale[r] = magnitudes[r] / 127.f;
      alignas(64) Element levels[kWidestHead];
      out.start[r] = -Isa::kKeyOffset * QuantizeRow(row, out.scale[r], padded, levels);
      __builtin_memcpy(packed, levels, static_cast<size_t>(out.dwords * 4));
    }
  }
}

// The word of a lane that holds `group` successive keys' values of its channel.
inline I JoinLevels(const I* levels, int group) {
  I word{};
  for (int e = 0; e < group; ++e) {
    const int bits = 32 / group;
    word |= (levels[e] & static_cast<int32_t>((int64_t{1} << bits) - 1)) << (e * bits);
  }
  return word;
}

// Values [step][channel][element]; step t holds the keys that word t of a row of P does.
template <class A>
RowMask PackValues(const Rows& rows, int64_t padded_width, const float* channel_scale, std::byte* packed, float* poison,
                   float* scratch) {
  constexpr bool kLevels = A::kArithmetic == Arithmetic::kU8S8;
  constexpr int kGroup = A::kGroup;
  const int64_t padded = PadTo(rows.width, kRowPad);
  RowMask non_finite = 0;
  for (int64_t r = 0; r < kKeyBlock; ++r) {
    float* row = scratch + r * padded;
    if (r >= rows.count) {
      for (int64_t c = 0; c < padded; c += kLanes) Store(row + c, F{});
      continue;
    }
    LoadRow(rows, r, row, padded);
    if (IsFinite(MaxMagnitude(row, padded))) continue;
    if (non_finite == 0) __builtin_memset(poison, 0, static_cast<size_t>(padded_width * 4));
    non_finite |= RowMask{1} << r;
    for (int64_t c = 0; c < rows.width; ++c) {
      if (IsFinite(FromBits(ToBits(row[c]) & kMagnitudeBits))) continue;
      poison[c] += row[c];
      row[c] = 0;
    }
  }
  for (int t = 0; t < A::kWords; ++t) {
    const float* keys = scratch + static_cast<int64_t>(A::KeyGroup(t)) * kGroup * padded;
    for (int64_t c = 0; c < padded_width; c += kLanes) {
      I word;
      if constexpr (A::kArithmetic == Arithmetic::kFloat32) {
        word = Load<I>(keys + c);
      } else if constexpr (kLevels) {
        I levels[kGroup];
        for (int e = 0; e < kGroup; ++e)
          levels[e] = Quantize(Load<F>(keys + e * padded + c), Load<F>(channel_scale + c));
        word = JoinLevels(levels, kGroup);
      } else {
        const I pair[2] = {RoundToBFloat16(Load<I>(keys + c)), RoundToBFloat16(Load<I>(keys + padded + c))};
        word = JoinLevels(pair, 2);
      }
      Store(packed + (t * padded_width + c) * 4, word);
    }
  }
  return non_finite;
}

// data[r][c] = out[r][c] · factor[r] · channel_scale[c], rounded to the dtype. A factor of NaN makes all of a row NaN.
void WriteRows(float* out, const float* factor, const float* channel_scale, int64_t padded_width, int64_t count,
               int64_t width, DType dtype, void* data, int64_t row_stride, int64_t channel_stride) {
  for (int64_t r = 0; r < count; ++r) {
    float* row = out + r * padded_width;
    for (int64_t c = 0; c < padded_width; c += kLanes) {
      Store(row + c, Load<F>(row + c) * SetAll(factor[r]) * Load<F>(channel_scale + c));
    }
    int64_t c = 0;
    if (dtype == DType::kFloat32) {
      float* to = static_cast<float*>(data) + r * row_stride;
      if (channel_stride == 1) {
        for (; c + kLanes <= width; c += kLanes) Store(to + c, Load<F>(row + c));
      }
      for (; c < width; ++c) to[c * channel_stride] = row[c];
    } else if (dtype == DType::kBFloat16) {
      uint16_t* to = static_cast<uint16_t*>(data) + r * row_stride;
      if (channel_stride == 1) {
        for (; c + kLanes <= width; c += kLanes) {
          Isa::Narrow(RoundToBFloat16(Load<I>(row + c)), to + c);
        }
      }
      for (; c < width; ++c) to[c * channel_stride] = FloatToBFloat16(row[c]);
    } else {
      uint16_t* to = static_cast<uint16_t*>(data) + r * row_stride;
      for (; c < width; ++c) to[c * channel_stride] = FloatToHalf(row[c]);
    }
  }
}

// scores[j] = scale · Σ_c mean[c]·means[c][j], in double.
void ScoreBlocks(const float* mean, const float* means, int64_t width, int64_t stride, int64_t count, double scale,
                 float* scores) {
  int64_t j = 0;
  for (; j + 4 * kHalf <= count; j += 4 * kHalf) {
    D sums[4] = {};
    for (int64_t c = 0; c < width; ++c) {
      const double q = static_cast<double>(mean[c]);
      Unroll<4>([&](auto i) SPARGE_INLINE { sums[i] += Isa::LoadDoubles(means + c * stride + j + i * kHalf) * q; });
    }
    Unroll<4>([&](auto i) SPARGE_INLINE { Isa::StoreFloats(sums[i] * scale, scores + j + i * kHalf); });
  }
  for (; j < count; ++j) {
    double sum = 0;
    for (int64_t c = 0; c < width; ++c)
      sum += static_cast<double>(means[c * stride + j]) * static_cast<double>(mean[c]);
    scores[j] = static_cast<float>(sum * scale);
  }
}

// ---- Ceilings ------------------------------------------------------------------------------------------------------

// A loop of the product alone, in registers: what no kernel on this core can exceed.
template <class Product>
double PeakLoop() {
  constexpr int64_t kRounds = 200000;
  constexpr int kChains = 12;
  typename Product::Acc acc[kChains] = {};
  typename Product::Word a{}, b{};
  SPARGE_HIDE(b);  // or the compiler would know that it is zero
  for (int64_t n = 0; n < kRounds; ++n) {
    Unroll<kChains>([&](auto i) SPARGE_INLINE {
      SPARGE_HIDE(a);  // or it would be computed once
      Product::Dot(acc[i], a, b);
    });
  }
  Unroll<kChains>([&](auto i) SPARGE_INLINE { SPARGE_HIDE(acc[i]); });
  return 2.0 * kRounds * kChains * kLanes * Product::kGroup;
}

template <class A>
Kernel MakeKernel(const char* name, const char* needs, bool (*runs_on)(const CPUFeatures&)) {
  Kernel kernel;
  kernel.name = name;
  kernel.needs = needs;
  kernel.runs_on = runs_on;
  kernel.arithmetic = A::kArithmetic;
  kernel.lanes = kLanes;
  kernel.query_dwords = QueryWords<A>;
  kernel.key_block_bytes = [](int64_t head_dim) { return QueryWords<A>(head_dim) * kKeyBlock * 4; };
  kernel.value_block_bytes = [](int64_t padded) { return padded * A::kWords * 4; };
  kernel.group_scratch_bytes = static_cast<int64_t>(sizeof(Scratch<A>));
  kernel.sum_rows = SumRows;
  kernel.max_rows = MaxRows;
  kernel.pack_keys = PackKeys<A>;
  kernel.pack_values = PackValues<A>;
  kernel.pack_queries = PackQueries<A>;
  kernel.attend = AttendGroup<A>;
  kernel.scores = Scores<A>;
  kernel.write_rows = WriteRows;
  kernel.score_blocks = ScoreBlocks;
  kernel.peak_qk = PeakLoop<typename A::Scores>;
  kernel.peak_pv = PeakLoop<A>;
  return kernel;
}
