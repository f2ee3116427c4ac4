#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <utility>

#include "attention/cpu/kernel.h"
#include "attention/cpu/registry.h"

namespace attention::cpu {
namespace {

#include "attention/cpu/exp2.h"

// What the compiler makes of vectors of four lanes, for any CPU. x86-64 always has SSE2, and with it one instruction
// that no compiler finds by itself.
struct Isa {
  typedef float F __attribute__((vector_size(16)));
  typedef int32_t I __attribute__((vector_size(16)));
  typedef double D __attribute__((vector_size(16)));
  static constexpr int kLanes = 4;
  using Element = int16_t;
  static constexpr int kGroup = 2, kKeyOffset = 0;
  static constexpr int kScoreRows = 4, kScoreColumns = 2, kValueRows = 4, kValueColumns = 2;

  // Pairs of int16 in each lane.
  static inline void DotScores(I& acc, I q, I k) {
#if defined(__SSE2__)
    acc += reinterpret_cast<I>(_mm_madd_epi16(reinterpret_cast<__m128i>(q), reinterpret_cast<__m128i>(k)));
#else
    acc += (q >> 16) * (k >> 16) + ((q << 16) >> 16) * ((k << 16) >> 16);
#endif
  }
  static inline void DotValues(I& acc, I p, I v) { DotScores(acc, p, v); }

  static inline F ToFloat(I x) { return __builtin_convertvector(x, F); }
  // |x| < 2^22.
  static inline I ToInt(F x) { return reinterpret_cast<I>(x + 0x1.8p23f) - 0x4b400000; }

  static inline I Widen(const uint16_t* p) { return I{p[0], p[1], p[2], p[3]}; }
  static inline void Narrow(I x, uint16_t* p) {
    for (int l = 0; l < kLanes; ++l) p[l] = static_cast<uint16_t>(x[l]);
  }

  static inline D LoadDoubles(const float* p) { return D{p[0], p[1]}; }
  static inline void StoreFloats(D x, float* p) {
    p[0] = static_cast<float>(x[0]);
    p[1] = static_cast<float>(x[1]);
  }

  static inline F Clamp(F x, float limit) {
    const F high = F{} + limit, low = F{} - limit;
    x = x < high ? x : high;
    return x > low ? x : low;
  }

  // As in avx512/isa.h; the exponent is added to the bits, so y stays where 2^y is a normal number.
  template <bool kExact>
  static inline F Exp2(F y, float top) {
    const F floor_at = F{} - 120.f;
    const I nothing = y < floor_at;
    y = nothing ? floor_at : y;
    const F shifted = y - 0.5f + 0x1.8p23f;  // ⌊y⌋, or one less at integers and ties
    const F floor = shifted - 0x1.8p23f;
    const F f = y - floor;
    const F p = FractionExp2<kExact>(f, top);
    const I scaled = reinterpret_cast<I>(p) + ((reinterpret_cast<I>(shifted) - 0x4b400000) << 23);
    return nothing ? F{} : reinterpret_cast<F>(scaled);
  }

  static inline I PackLevels(const I (&v)[16], int32_t* out) {
    int16_t* levels = reinterpret_cast<int16_t*>(out);
    I sum{};
    for (int i = 0; i < 16; ++i) {
      for (int l = 0; l < kLanes; ++l) levels[i * kLanes + l] = static_cast<int16_t>(v[i][l]);
      sum += v[i];
    }
    return sum;
  }
  static constexpr int PackedKeyGroup(int word) { return word; }
};

#include "attention/cpu/kernel_impl.h"

bool RunsOn(const CPUFeatures&) { return true; }
}  // namespace

KernelPair Generic() {
  return {MakeKernel<U8S8>("generic", nullptr, RunsOn), MakeKernel<Float32>("generic", nullptr, RunsOn)};
}

}  // namespace attention::cpu
