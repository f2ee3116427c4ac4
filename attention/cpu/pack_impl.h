// Included by cpu/kernel_impl.h: rows of the caller into packed blocks, and the output back.

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
