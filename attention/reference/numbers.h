#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "attention/call.h"

// Number formats by their definition, for the reference.
namespace attention::reference {

// The nearest number with `bits` significant bits and exponents from `min_exponent` up, ties to even.
inline double RoundToFormat(double x, int bits, int min_exponent) {
  if (x == 0 || !std::isfinite(x)) return x;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(x), min_exponent) - bits + 1);
  return std::nearbyint(x / unit) * unit;
}
inline double RoundToBFloat16(double x) { return RoundToFormat(x, 8, -126); }
inline double RoundToFloat16(double x) {
  const double y = RoundToFormat(x, 11, -14);
  return std::abs(y) > 65504 ? std::copysign(std::numeric_limits<double>::infinity(), x) : y;
}
// Saturates at ±448.
inline double RoundToE4M3(double x) {
  const double y = RoundToFormat(x, 4, -6);
  return std::abs(y) > 448 ? std::copysign(448.0, x) : y;
}

inline float FromBFloat16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

inline float FromFloat16(uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  double x = std::ldexp(exponent == 0 ? mantissa : mantissa + 1024, std::max(exponent, 1) - 25);
  if (exponent == 31) {
    x = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  return static_cast<float>(bits & 0x8000 ? -x : x);
}

inline uint16_t ToBFloat16(double x) {
  if (std::isnan(x)) return 0x7fc0;
  return static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(RoundToBFloat16(x))) >> 16);
}

inline uint16_t ToFloat16(double x) {
  if (std::isnan(x)) return 0x7e00;
  const double y = std::abs(RoundToFloat16(x));
  int bits = 0x7c00;
  if (y < std::ldexp(1.0, -14)) {
    bits = static_cast<int>(std::ldexp(y, 24));
  } else if (std::isfinite(y)) {
    const int exponent = std::ilogb(y);
    bits = ((exponent + 15) << 10) + static_cast<int>(std::ldexp(y, 10 - exponent)) - 1024;
  }
  return static_cast<uint16_t>(bits | (std::signbit(x) ? 0x8000 : 0));
}

inline float Load(DType dtype, const void* data, int64_t index) {
  if (dtype == DType::kFloat32) return static_cast<const float*>(data)[index];
  const uint16_t bits = static_cast<const uint16_t*>(data)[index];
  return dtype == DType::kBFloat16 ? FromBFloat16(bits) : FromFloat16(bits);
}

inline void Store(DType dtype, void* data, int64_t index, double x) {
  if (dtype == DType::kFloat32) {
    static_cast<float*>(data)[index] = static_cast<float>(x);
  } else {
    static_cast<uint16_t*>(data)[index] = dtype == DType::kBFloat16 ? ToBFloat16(x) : ToFloat16(x);
  }
}

}  // namespace attention::reference
