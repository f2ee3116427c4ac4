#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

// Number formats as the PTX ISA's `cvt` converts them. Constant time, no tables; the tests hold every value against
// CUDA's own host headers.
namespace cuda_emulation {

inline uint32_t Bits(float x) { return std::bit_cast<uint32_t>(x); }
inline float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

// Exact. Exponent and mantissa are moved into place and scaled by 2^112, which makes subnormals right too.
inline float HalfToFloat(uint16_t half) {
  const uint32_t magnitude = half & 0x7fffu, sign = (half & 0x8000u) << 16;
  const uint32_t scaled = Bits(FromBits(magnitude << 13) * 0x1p112f);
  return FromBits((magnitude >= 0x7c00 ? (magnitude << 13) | 0x7f800000u : scaled) | sign);
}

// cvt.rn.f16.f32: half to even, overflow to infinity, NaN to 0x7fff.
inline uint16_t FloatToHalf(float x) {
  const uint32_t sign = Bits(x) >> 16 & 0x8000u, magnitude = Bits(x) & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fff;
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00);
  // Below 2^-14 adding 0.5 rounds to subnormal steps of 2^-24.
  const uint32_t half = magnitude < 0x38800000u ? Bits(FromBits(magnitude) + 0.5f) - 0x3f000000u
                                                : (magnitude - 0x38000000u + 0xfff + (magnitude >> 13 & 1)) >> 13;
  return static_cast<uint16_t>(sign | half);
}

inline float BFloat16ToFloat(uint16_t x) { return FromBits(uint32_t{x} << 16); }

// cvt.rn.bf16.f32: half to even, NaN to 0x7fff.
inline uint16_t FloatToBFloat16(float x) {
  const uint32_t bits = Bits(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Exact. S.EEEE.MMM, bias 7, no infinities, 0x7f and 0xff are NaN.
inline float E4M3ToFloat(uint8_t x) {
  const uint32_t magnitude = x & 0x7fu, sign = (x & 0x80u) << 24;
  if (magnitude == 0x7f) return FromBits(sign | 0x7fc00000u);
  return FromBits(Bits(FromBits(magnitude << 20) * 0x1p120f) | sign);
}

// cvt.rn.satfinite.e4m3x2.f32, one of the two: half to even, ±448 beyond the range and for infinities, NaN to 0x7f.
inline uint8_t FloatToE4M3(float x) {
  const uint32_t sign = Bits(x) >> 24 & 0x80u, magnitude = Bits(x) & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7f;
  if (magnitude >= 0x43e00000u) return static_cast<uint8_t>(sign | 0x7e);  // 448
  // Below 2^-6 adding 2^14 rounds to subnormal steps of 2^-9.
  const uint32_t bits = magnitude < 0x3c800000u ? Bits(FromBits(magnitude) + 0x1p14f) - 0x46800000u
                                                : (magnitude - (120u << 23) + 0x7ffff + (magnitude >> 20 & 1)) >> 20;
  return static_cast<uint8_t>(sign | bits);
}

// cvt.rni.s32.f32: half to even, saturates, NaN to 0.
inline int32_t FloatToInt(float x) {
  if (std::isnan(x)) return 0;
  if (x >= 0x1p31f) return INT32_MAX;
  if (x < -0x1p31f) return INT32_MIN;
  return static_cast<int32_t>(std::nearbyintf(x));
}

// cvt.rni.sat.s8.f32
inline int8_t FloatToInt8(float x) {
  const int32_t y = FloatToInt(x);
  return static_cast<int8_t>(y < -128 ? -128 : y > 127 ? 127 : y);
}

// .ftz: subnormals are zeros of their sign.
inline float FlushSubnormal(float x) { return (Bits(x) & 0x7f800000u) == 0 ? FromBits(Bits(x) & 0x80000000u) : x; }

// ex2.approx.ftz.f32: the emulator's is right to an ulp, a GPU's to two.
inline float Exp2(float x) { return FlushSubnormal(std::exp2f(FlushSubnormal(x))); }

}  // namespace cuda_emulation
