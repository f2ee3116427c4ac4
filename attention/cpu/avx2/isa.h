// AVX2 and FMA, with or without AVX-VNNI (SPARGE_ISA_VNNI): what cpu/kernel_impl.h asks of an instruction set. Included
// inside an unnamed namespace.

#include "attention/cpu/exp2.h"

struct Isa {
  typedef float F __attribute__((vector_size(32)));
  typedef int32_t I __attribute__((vector_size(32)));
  typedef double D __attribute__((vector_size(32)));
  static constexpr int kLanes = 8;
  static constexpr int kScoreRows = 4, kScoreColumns = 2, kValueRows = 4, kValueColumns = 2;

#ifdef SPARGE_ISA_VNNI
  // As in avx512/isa.h: four int8 a lane, keys stored with 128 added.
  using Element = int8_t;
  static constexpr int kGroup = 4, kKeyOffset = 128;
  static inline void DotScores(I& acc, I q, I k) { asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(k), "x"(q)); }
  static inline void DotValues(I& acc, I p, I v) { asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(p), "x"(v)); }
#else
  // Two int16 a lane: exact, while the 8-bit multiply of AVX2 saturates.
  using Element = int16_t;
  static constexpr int kGroup = 2, kKeyOffset = 0;
  static inline void DotScores(I& acc, I q, I k) {
    acc += reinterpret_cast<I>(_mm256_madd_epi16(reinterpret_cast<__m256i>(q), reinterpret_cast<__m256i>(k)));
  }
  static inline void DotValues(I& acc, I p, I v) { DotScores(acc, p, v); }
#endif

  static inline F ToFloat(I x) { return __builtin_convertvector(x, F); }
  static inline I ToInt(F x) { return reinterpret_cast<I>(_mm256_cvtps_epi32(reinterpret_cast<__m256>(x))); }

  // 8 halfwords as words, and back, the upper halves zero.
  static inline I Widen(const uint16_t* p) {
    return reinterpret_cast<I>(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  static inline void Narrow(I x, uint16_t* p) {
    const __m256i pairs = _mm256_packus_epi32(reinterpret_cast<__m256i>(x), reinterpret_cast<__m256i>(x));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(_mm256_permute4x64_epi64(pairs, 0xd8)));
  }

  // Half a vector of floats as doubles, and back.
  static inline D LoadDoubles(const float* p) { return reinterpret_cast<D>(_mm256_cvtps_pd(_mm_loadu_ps(p))); }
  static inline void StoreFloats(D x, float* p) { _mm_storeu_ps(p, _mm256_cvtpd_ps(reinterpret_cast<__m256d>(x))); }

  // Within ±limit; NaN becomes a limit.
  static inline F Clamp(F x, float limit) {
    const __m256 most = _mm256_min_ps(reinterpret_cast<__m256>(x), _mm256_set1_ps(limit));
    return reinterpret_cast<F>(_mm256_max_ps(most, _mm256_set1_ps(-limit)));
  }

  // As in avx512/isa.h; the exponent is added to the bits, so y stays where 2^y is a normal number.
  template <bool kExact>
  static inline F Exp2(F y, float top) {
    const __m256 x = _mm256_max_ps(reinterpret_cast<__m256>(y), _mm256_set1_ps(-120.f));
    const __m256 floor = _mm256_floor_ps(x);
    const F f = reinterpret_cast<F>(_mm256_sub_ps(x, floor));
    const F p = FractionExp2<kExact>(f, top);
    const I exponent = reinterpret_cast<I>(_mm256_slli_epi32(_mm256_cvttps_epi32(floor), 23));
    const F scaled = reinterpret_cast<F>(reinterpret_cast<I>(p) + exponent);
    // 2^-120 and less is nothing.
    return reinterpret_cast<F>(
        _mm256_and_ps(reinterpret_cast<__m256>(scaled),
                      _mm256_cmp_ps(reinterpret_cast<__m256>(y), _mm256_set1_ps(-120.f), _CMP_GT_OQ)));
  }

  static inline I PackPair(I a, I b) {  // int32 to int16, each 128-bit lane four of a, then four of b
    return reinterpret_cast<I>(_mm256_packus_epi32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
  }
  // 64 levels 0…255, and the lanes' sums of them. Packing narrows within 128-bit lanes.
  static inline I PackLevels(const I (&v)[8], int32_t* out) {
    I sum{};
#ifdef SPARGE_ISA_VNNI
    for (int i = 0; i < 2; ++i) {
      const I low = PackPair(v[4 * i], v[4 * i + 1]), high = PackPair(v[4 * i + 2], v[4 * i + 3]);
      const I bytes =
          reinterpret_cast<I>(_mm256_packus_epi16(reinterpret_cast<__m256i>(low), reinterpret_cast<__m256i>(high)));
      __builtin_memcpy(out + 8 * i, &bytes, sizeof(bytes));
      DotValues(sum, bytes, reinterpret_cast<I>(_mm256_set1_epi8(1)));
    }
#else
    for (int i = 0; i < 4; ++i) {
      const I pair = PackPair(v[2 * i], v[2 * i + 1]);
      __builtin_memcpy(out + 8 * i, &pair, sizeof(pair));
      DotValues(sum, pair, reinterpret_cast<I>(_mm256_set1_epi16(1)));
    }
#endif
    return sum;
  }
  static constexpr int PackedKeyGroup(int word) {
#ifdef SPARGE_ISA_VNNI
    // Byte 32·i + 16·l + 4·v + e holds key 32·i + 8·v + 4·l + e.
    return 8 * (word / 8) + 2 * (word % 4) + word / 4 % 2;
#else
    // Halfword 16·i + 8·l + 4·v + e holds key 16·i + 8·v + 4·l + e.
    return 8 * (word / 8) + 4 * (word / 2 % 2) + 2 * (word / 4 % 2) + word % 2;
#endif
  }
};
