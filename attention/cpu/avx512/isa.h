// AVX-512 with VNNI: what cpu/kernel_impl.h asks of an instruction set. Included inside an unnamed namespace.

#include "attention/cpu/exp2.h"

struct Isa {
  typedef float F __attribute__((vector_size(64)));
  typedef int32_t I __attribute__((vector_size(64)));
  typedef double D __attribute__((vector_size(64)));
  static constexpr int kLanes = 16;

  // Integer products take four int8 a lane; the keys are the unsigned operand, stored with 128 added.
  using Element = int8_t;
  static constexpr int kGroup = 4, kKeyOffset = 128;
  // Rows and vectors of columns of a register tile.
  static constexpr int kScoreRows = 4, kScoreColumns = 4, kValueRows = 4, kValueColumns = 4;

  // In assembly since gcc 12 copies the accumulator of the builtin around, at half the speed.
  static inline void DotScores(I& acc, I q, I k) { asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(k), "v"(q)); }
  static inline void DotValues(I& acc, I p, I v) { asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(p), "v"(v)); }

  static inline F ToFloat(I x) { return __builtin_convertvector(x, F); }
  static inline I ToInt(F x) { return reinterpret_cast<I>(_mm512_cvtps_epi32(reinterpret_cast<__m512>(x))); }

  // 16 halfwords as words, and back, the upper halves dropped.
  static inline I Widen(const uint16_t* p) {
    return reinterpret_cast<I>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
  }
  static inline void Narrow(I x, uint16_t* p) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(reinterpret_cast<__m512i>(x)));
  }

  // Half a vector of floats as doubles, and back.
  static inline D LoadDoubles(const float* p) { return reinterpret_cast<D>(_mm512_cvtps_pd(_mm256_loadu_ps(p))); }
  static inline void StoreFloats(D x, float* p) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(reinterpret_cast<__m512d>(x))); }

  // Within ±limit; NaN becomes a limit.
  static inline F Clamp(F x, float limit) {
    const __m512 most = _mm512_min_ps(reinterpret_cast<__m512>(x), _mm512_set1_ps(limit));
    return reinterpret_cast<F>(_mm512_max_ps(most, _mm512_set1_ps(-limit)));
  }

  // top · 2^y, 0 for −∞: 2^⌊y⌋ · 2^(y − ⌊y⌋). Exact at integers.
  template <bool kExact>
  static inline F Exp2(F y, float top) {
    const __m512 x = reinterpret_cast<__m512>(y);
    const F f = reinterpret_cast<F>(_mm512_reduce_ps(x, 0x01));  // y − ⌊y⌋; 0 for −∞
    const F p = FractionExp2<kExact>(f, top);
    return reinterpret_cast<F>(_mm512_scalef_ps(reinterpret_cast<__m512>(p), x));
  }

  // 64 levels 0…255 as bytes, and the lanes' sums of them. Packing narrows within 128-bit lanes, so that byte
  // 16·l + 4·v + e holds key 16·v + 4·l + e.
  static inline I PackLevels(const I (&v)[4], int32_t* out) {
    const __m512i low = _mm512_packus_epi32(reinterpret_cast<__m512i>(v[0]), reinterpret_cast<__m512i>(v[1]));
    const __m512i high = _mm512_packus_epi32(reinterpret_cast<__m512i>(v[2]), reinterpret_cast<__m512i>(v[3]));
    const I bytes = reinterpret_cast<I>(_mm512_packus_epi16(low, high));
    __builtin_memcpy(out, &bytes, sizeof(bytes));
    I sum{};
    DotValues(sum, bytes, reinterpret_cast<I>(_mm512_set1_epi8(1)));
    return sum;
  }
  static constexpr int PackedKeyGroup(int word) { return 4 * (word % 4) + word / 4; }

#ifdef SPARGE_ISA_BF16
  static inline void DotBFloat16(F& acc, I p, I v) {
    acc = reinterpret_cast<F>(_mm512_dpbf16_ps(reinterpret_cast<__m512>(acc), (__m512bh)p, (__m512bh)v));
  }
  static inline F PackBFloat16(const F (&p)[4], int32_t* out) {
    const I ones = I{} + 0x3f803f80;
    F sum{};
    for (int i = 0; i < 2; ++i) {
      const I pair = (I)_mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(p[2 * i + 1]), reinterpret_cast<__m512>(p[2 * i]));
      __builtin_memcpy(out + 16 * i, &pair, sizeof(pair));
      DotBFloat16(sum, pair, ones);
    }
    return sum;
  }
#endif
};
