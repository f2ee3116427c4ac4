// Included by cpu/kernel_impl.h inside the unnamed namespace of one instruction set, so that every set gets its own
// compilation of these loops. No function of the standard library may be called here: an inline one, compiled for
// AVX-512, could be the copy that the linker keeps for everybody.
//
// Means, similarities and 8-bit quantisation as docs/attention_spec.md has them: float32 values, IEEE division, sums of
// rows in double in their order, so that integers are the same on every instruction set.

constexpr int64_t kRowPad = 16;  // row buffers are padded with zeros to a multiple of it, which is one of kLanes
constexpr int32_t kMagnitudeBits = 0x7fffffff, kInfinityBits = 0x7f800000;

// Doubles of half a vector of floats: a vector register.
constexpr int kHalf = kLanes / 2;
using D = Isa::D;

inline int64_t PadTo(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

inline float FromBits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}
inline uint32_t ToBits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  return bits;
}

inline float BFloat16ToFloat(uint16_t value) { return FromBits(uint32_t{value} << 16); }

// Exponent and mantissa moved into place, then scaled by 2^112, which also makes subnormals right; infinities and NaNs
// get float32's exponent.
inline float HalfToFloat(uint16_t value) {
  const uint32_t magnitude = uint32_t{value} & 0x7fff;
  const uint32_t scaled = ToBits(FromBits(magnitude << 13) * 0x1p112f);
  const uint32_t bits = magnitude >= 0x7c00 ? (magnitude << 13) | 0x7f800000 : scaled;
  return FromBits(bits | (uint32_t{value} & 0x8000) << 16);
}

// Round half to even; a NaN stays one.
inline uint16_t FloatToBFloat16(float value) {
  const uint32_t bits = ToBits(value);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : rounded);
}

// The same for bits of float32 in 32-bit lanes.
inline I RoundToBFloat16(I bits) {
  typedef uint32_t U __attribute__((vector_size(4 * kLanes)));
  const U u = reinterpret_cast<U>(bits);
  const U rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
  const U nan = (u >> 16) | 0x40;
  return (bits & kMagnitudeBits) > kInfinityBits ? reinterpret_cast<I>(nan) : reinterpret_cast<I>(rounded);
}

inline uint16_t FloatToHalf(float value) {
  const uint32_t bits = ToBits(value);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  // Below 2^-14 the addition of 0.5 rounds to half's subnormal steps of 2^-24; above, the exponent is rebased.
  const uint32_t subnormal = ToBits(FromBits(magnitude) + 0.5f) - 0x3f000000;
  const uint32_t normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
  half = magnitude >= 0x477ff000 ? 0x7c00 : half;
  half = magnitude > 0x7f800000 ? 0x7e00 : half;
  return static_cast<uint16_t>(sign | half);
}

// Rows come from memory, and there are a few cycles of work a row: without this the loads are what takes the time.
constexpr int64_t kRowsAhead = 12;
inline void Prefetch(const Rows& rows, int64_t row) {
  const int64_t element = rows.dtype == DType::kFloat32 ? 4 : 2;
  // An address past the end is only a hint; it is computed as an integer, for it may be in nobody's memory.
  const uintptr_t at = reinterpret_cast<uintptr_t>(rows.data) + static_cast<uintptr_t>(row * rows.row_stride * element);
  const uintptr_t bytes = static_cast<uintptr_t>(rows.channel_stride == 1 ? rows.width * element : 0);
  for (uintptr_t offset = 0; offset < bytes; offset += 64)
    __builtin_prefetch(reinterpret_cast<const void*>(at + offset));
}

// The row as float32, zeros up to `padded`.
inline void LoadRow(const Rows& rows, int64_t row, float* out, int64_t padded) {
  const int64_t width = rows.width, step = rows.channel_stride;
  int64_t c = 0;
  Prefetch(rows, row + kRowsAhead);
  if (rows.dtype == DType::kFloat32) {
    const float* in = static_cast<const float*>(rows.data) + row * rows.row_stride;
    if (step == 1) {
      for (; c + kLanes <= width; c += kLanes) Store(out + c, Load<F>(in + c));
    }
    for (; c < width; ++c) out[c] = in[c * step];
  } else {
    const uint16_t* in = static_cast<const uint16_t*>(rows.data) + row * rows.row_stride;
    if (rows.dtype == DType::kBFloat16) {
      if (step == 1) {
        for (; c + kLanes <= width; c += kLanes) {
          Store(out + c, Isa::Widen(in + c) << 16);
        }
      }
      for (; c < width; ++c) out[c] = BFloat16ToFloat(in[c * step]);
    } else {
      if (step == 1) {
        for (; c + kRowPad <= width; c += kRowPad) {
          for (int64_t i = 0; i < kRowPad; ++i) out[c + i] = HalfToFloat(in[c + i]);
        }
      }
      for (; c < width; ++c) out[c] = HalfToFloat(in[c * step]);
    }
  }
  for (; c < padded; ++c) out[c] = 0;
}

// The largest magnitude of a row; infinity or NaN where the row has one.
inline float MaxMagnitude(const float* row, int64_t padded) {
  I most{};  // the bits of magnitudes order as the magnitudes do
  for (int64_t c = 0; c < padded; c += kLanes) most = Max(most, Load<I>(row + c) & kMagnitudeBits);
  return FromBits(static_cast<uint32_t>(ReduceLanes(most, [](I a, I b) { return Max(a, b); })));
}
inline bool IsFinite(float magnitude) { return static_cast<int32_t>(ToBits(magnitude)) < kInfinityBits; }

inline float Dot(const float* a, const float* b, int64_t padded) {
  F sums{};
  for (int64_t c = 0; c < padded; c += kLanes) sums += Load<F>(a + c) * Load<F>(b + c);
  return ReduceLanes(sums, [](F x, F y) { return x + y; });
}

// A row's unit vector is (x · power) · factor; the power of two keeps the squares of tiny and huge rows in range.
struct UnitScale {
  float power = 1, factor = 0;  // factor 0: a zero row, or one left out
};
inline UnitScale ScaleToUnit(const float* row, float magnitude, int64_t padded) {
  UnitScale scale;
  if (magnitude == 0) return scale;
  scale.power = magnitude < 1e-15f ? 0x1p100f : magnitude > 1e15f ? 0x1p-100f : 1.f;
  F squares{};
  for (int64_t c = 0; c < padded; c += kLanes) {
    const F x = Load<F>(row + c) * SetAll(scale.power);
    squares += x * x;
  }
  scale.factor = 1.f / __builtin_sqrtf(ReduceLanes(squares, [](F a, F b) { return a + b; }));
  return scale;
}

// Mean of the rows that are `in`, and the squared norm of the mean of their unit vectors.
inline void Digest(const float* rows, int64_t first, int64_t count, int64_t width, int64_t padded,
                   const float* magnitudes, BlockDigest& digest) {
  UnitScale units[kQueryBlock];
  int64_t included = 0;
  for (int64_t r = first; r < count; ++r) {
    if (!IsFinite(magnitudes[r])) continue;
    units[r] = ScaleToUnit(rows + r * padded, magnitudes[r], padded);
    ++included;
  }
  const double n = included > 0 ? static_cast<double>(included) : 1.0;
  D squares{};
  for (int64_t c = 0; c < padded; c += kLanes) {
    D low{}, high{};
    F unit{};
    for (int64_t r = first; r < count; ++r) {
      if (!IsFinite(magnitudes[r])) continue;
      const float* x = rows + r * padded + c;
      low += Isa::LoadDoubles(x);
      high += Isa::LoadDoubles(x + kHalf);
      unit += Load<F>(x) * SetAll(units[r].power) * SetAll(units[r].factor);
    }
    float lanes[kLanes];
    Isa::StoreFloats(low / n, lanes);
    Isa::StoreFloats(high / n, lanes + kHalf);
    for (int64_t l = 0; l < kLanes && c + l < width; ++l) digest.mean[c + l] = lanes[l];
    Store(lanes, unit);
    const D u = Isa::LoadDoubles(lanes) / n, v = Isa::LoadDoubles(lanes + kHalf) / n;
    squares += u * u + v * v;
  }
  double square = 0;
  for (int l = 0; l < kHalf; ++l) square += squares[l];
  digest.sim = static_cast<float>(square);
}

// x / scale, rounded half to even, within ±127; zeros for scale 0. Adding 1.5·2^23 rounds to an integer in the low
// bits.
inline I Quantize(F x, F scale) {
  const I rounded = reinterpret_cast<I>(Isa::Clamp(x / scale, 127.f) + 0x1.8p23f) - 0x4b400000;
  return scale == F{} ? I{} : rounded;
}

// A row as levels; returns their sum.
template <class Element>
inline int32_t QuantizeRow(const float* row, float scale, int64_t padded, Element* out) {
  typedef Element Narrow __attribute__((vector_size(kLanes * sizeof(Element))));
  I sum{};
  for (int64_t c = 0; c < padded; c += kLanes) {
    const I levels = Quantize(Load<F>(row + c), SetAll(scale));
    sum += levels;
    Store(out + c, __builtin_convertvector(levels, Narrow));
  }
  return ReduceLanes(sum, [](I a, I b) { return a + b; });
}

// Transposes kLanes vectors of kLanes words: at distance S, blocks of S lanes change places between rows S apart.
template <int S>
SPARGE_INLINE inline void TransposeHalf(I (&rows)[kLanes]) {
  I low, high;
  for (int l = 0; l < kLanes; ++l) {
    low[l] = (l & S) != 0 ? kLanes + (l ^ S) : l;
    high[l] = (l & S) != 0 ? kLanes + l : l ^ S;
  }
  Unroll<kLanes>([&](auto i) SPARGE_INLINE {
    if constexpr ((i & S) == 0) {
      const I a = rows[i], b = rows[i + S];
      rows[i] = __builtin_shuffle(a, b, low);
      rows[i + S] = __builtin_shuffle(a, b, high);
    }
  });
  if constexpr (S > 1) TransposeHalf<S / 2>(rows);
}

// 64 rows of words to [word][row], every word xor `flip`. `num_words` is padded to a multiple of kLanes in the input.
inline void Interleave(const int32_t* words, int64_t word_stride, int64_t num_words, int32_t flip, std::byte* packed) {
  for (int64_t r = 0; r < kKeyBlock; r += kLanes) {
    for (int64_t t = 0; t < num_words; t += kLanes) {
      I rows[kLanes];
      Unroll<kLanes>([&](auto i) SPARGE_INLINE { rows[i] = Load<I>(words + (r + i) * word_stride + t) ^ flip; });
      TransposeHalf<kLanes / 2>(rows);
      const int64_t count = num_words - t < kLanes ? num_words - t : kLanes;
      for (int64_t i = 0; i < count; ++i) Store(packed + ((t + i) * kKeyBlock + r) * 4, rows[i]);
    }
  }
}
