#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "attention/cuda/common/ptx.cuh"

// A worked example: a kernel body that uses one or a few functions of ptx.cuh, its inputs, and what must come out by
// the definition of the instruction, computed without the emulator and without its tables. The emulator must give it,
// and so must a GPU: examples.cuh lists them all for both.
namespace cuda_examples {

namespace ptx = attention::cuda::ptx;
using Words = std::vector<uint32_t>;

// What an example is, by default.
struct Example {
  static constexpr int kThreads = 32, kBlocksX = 1, kBlocksY = 1, kSharedBytes = 0;
  static constexpr int kCapability = 80;  // least compute capability
  static constexpr int kUlps = 0;         // results are floats this close; 0: bits
};

// The same numbers everywhere.
inline uint32_t Noise(uint32_t index, uint32_t stream = 0) {
  uint64_t x = (uint64_t{stream} << 32 | index) * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return static_cast<uint32_t>(x >> 32);
}
inline Words NoiseWords(size_t count, uint32_t stream = 0) {
  Words words(count);
  for (size_t i = 0; i < count; ++i) words[i] = Noise(static_cast<uint32_t>(i), stream);
  return words;
}

inline uint32_t BitsOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
inline float FloatOf(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
inline int SignedByte(const Words& words, size_t byte) { return static_cast<int8_t>(words[byte / 4] >> byte % 4 * 8); }

// Floats worth trying: zeros, ends of every format, ties, subnormals, infinities, NaN, and `count` random ones of every
// size.
inline Words InterestingFloats(uint32_t count) {
  Words words;
  const float magnitudes[] = {0,
                              1,
                              0.5f,
                              1.5f,
                              2.5f,
                              3.5f,
                              127.5f,
                              128.5f,
                              240,
                              447,
                              448,
                              449,
                              463.9f,
                              464,
                              465,
                              480,
                              65503,
                              65504,
                              65519.9f,
                              65520,
                              65536,
                              0x1p-6f,
                              0x1p-7f,
                              0x1p-9f,
                              0x1p-10f,
                              0x1.8p-10f,
                              0x1p-11f,
                              0x1.8p-9f,
                              0x1p-14f,
                              0x1.ffcp-15f,
                              0x1p-24f,
                              0x1p-25f,
                              0x1.8p-25f,
                              0x1.000002p-25f,
                              0x1p-26f,
                              0x1p-126f,
                              0x1p-127f,
                              0x1p-149f,
                              1.00390625f,
                              1.01171875f,
                              3.3895314e38f,
                              3.4e38f,
                              2147483520.f,
                              2147483648.f,
                              1e10f,
                              0x1.008p0f,
                              0x1.018p0f,
                              1.0625f};
  for (const float x : magnitudes) {
    words.push_back(BitsOf(x));
    words.push_back(BitsOf(-x));
  }
  for (const uint32_t bits : {0x7f800000u, 0xff800000u, 0x7fc00000u, 0xffc00001u, 0x7f800001u}) words.push_back(bits);
  for (uint32_t i = 0; i < count; ++i) {
    // A random exponent near that of the small formats, or any.
    const uint32_t noise = Noise(i, 77), exponent = i % 4 == 0 ? Noise(i, 78) % 255 : 96 + Noise(i, 78) % 50;
    words.push_back((noise & 0x807fffff) | exponent << 23);
  }
  while (words.size() % 128 != 0) words.push_back(BitsOf(static_cast<float>(words.size())));
  return words;
}

// The nearest number with `bits` significant bits and exponents from `least` up, ties to even. Of finite x.
inline double RoundTo(double x, int bits, int least) {
  if (x == 0) return x;
  const double unit = std::ldexp(1.0, (std::ilogb(x) > least ? std::ilogb(x) : least) - bits + 1);
  return std::nearbyint(x / unit) * unit;
}
// The code of |x| = a number of a format with `mantissa` stored bits and bias `bias`.
inline uint32_t Encode(double x, int mantissa, int bias) {
  x = std::fabs(x);
  const double least = std::ldexp(1.0, 1 - bias);
  if (x < least) return static_cast<uint32_t>(std::ldexp(x, bias - 1 + mantissa));
  const int exponent = std::ilogb(x);
  return static_cast<uint32_t>(exponent + bias) << mantissa |
         (static_cast<uint32_t>(std::ldexp(x, mantissa - exponent)) & ((1u << mantissa) - 1));
}

inline uint32_t HalfOf(float x) {
  const uint32_t sign = BitsOf(x) >> 16 & 0x8000;
  if (std::isnan(x)) return 0x7fff;
  const double y = std::isinf(x) ? x : RoundTo(x, 11, -14);
  return sign | (std::fabs(y) > 65504 ? 0x7c00 : Encode(y, 10, 15));
}
inline uint32_t BFloat16Of(float x) {
  if (std::isnan(x)) return 0x7fff;
  const double y = std::isinf(x) ? x : RoundTo(x, 8, -126);
  return (BitsOf(x) >> 16 & 0x8000) | (std::fabs(y) >= std::ldexp(1.0, 128) ? 0x7f80 : Encode(y, 7, 127));
}
inline uint32_t E4M3Of(float x) {
  if (std::isnan(x)) return 0x7f;
  const double y = std::isinf(x) ? x : RoundTo(x, 4, -6);
  return (BitsOf(x) >> 24 & 0x80) | (std::fabs(y) > 448 ? 0x7e : Encode(y, 3, 7));
}

// Where a matrix lies among the words of an input, and its elements.
inline void PutByte(Words& words, size_t byte, uint32_t value) { words[byte / 4] |= (value & 0xff) << byte % 4 * 8; }
inline void PutHalf(Words& words, size_t index, uint32_t value) {
  words[index / 2] |= (value & 0xffff) << index % 2 * 16;
}

}  // namespace cuda_examples
