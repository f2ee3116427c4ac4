#pragma once

#include "tests/cuda_emulation/example.h"

// Conversions and arithmetic.
namespace cuda_examples {

// Applies kFunction to every group of four inputs, one thread a group in 128-thread strides.
template <class Function, int kOutputsOfFour>
SPARGE_DEVICE void ForEachFour(const uint32_t* in, uint32_t* out, int count) {
  for (int i = ptx::ThreadIndex(); i < count / 4; i += ptx::BlockThreads()) {
    uint32_t x[4], y[kOutputsOfFour];
    for (int j = 0; j < 4; ++j) x[j] = ptx::LoadConstant(in + 4 * i + j);
    Function::Apply(x, y);
    for (int j = 0; j < kOutputsOfFour; ++j) ptx::StoreGlobal(out + kOutputsOfFour * i + j, y[j]);
  }
}

// An example whose body and definition are functions of four words.
template <class Self, int kOutputsOfFour, int kInputs>
struct OfFour : Example {
  static constexpr int kThreads = 128, kOutputs = kInputs / 4 * kOutputsOfFour;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    ForEachFour<Self, kOutputsOfFour>(in, out, kInputs);
  }
  static Words Input() {
    Words words = InterestingFloats(kInputs);
    words.resize(kInputs);
    return words;
  }
  static Words Expected(const Words& in) {
    Words out(kOutputs);
    for (size_t i = 0; i < in.size() / 4; ++i) Self::Define(&in[4 * i], &out[kOutputsOfFour * i]);
    return out;
  }
};

struct PackHalves : OfFour<PackHalves, 2, 4096> {
  static constexpr const char* kName = "cvt.rn.f16x2.f32";
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    y[0] = ptx::PackF16(ptx::FromBits(x[0]), ptx::FromBits(x[1]));
    y[1] = ptx::PackF16(ptx::FromBits(x[2]), ptx::FromBits(x[3]));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 2; ++i) y[i] = HalfOf(FloatOf(x[2 * i])) | HalfOf(FloatOf(x[2 * i + 1])) << 16;
  }
};
struct PackBFloat16s : OfFour<PackBFloat16s, 2, 4096> {
  static constexpr const char* kName = "cvt.rn.bf16x2.f32";
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    y[0] = ptx::PackBF16(ptx::FromBits(x[0]), ptx::FromBits(x[1]));
    y[1] = ptx::PackBF16(ptx::FromBits(x[2]), ptx::FromBits(x[3]));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 2; ++i) y[i] = BFloat16Of(FloatOf(x[2 * i])) | BFloat16Of(FloatOf(x[2 * i + 1])) << 16;
  }
};
struct PackE4M3s : OfFour<PackE4M3s, 1, 4096> {
  static constexpr const char* kName = "cvt.rn.satfinite.e4m3x2.f32";
  static constexpr int kCapability = 89;
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
#if defined(SPARGE_HAS_E4M3_MMA)
    y[0] = ptx::PackE4M3(ptx::FromBits(x[0]), ptx::FromBits(x[1]), ptx::FromBits(x[2]), ptx::FromBits(x[3]));
#endif
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    y[0] =
        E4M3Of(FloatOf(x[0])) | E4M3Of(FloatOf(x[1])) << 8 | E4M3Of(FloatOf(x[2])) << 16 | E4M3Of(FloatOf(x[3])) << 24;
  }
};

// Every number of the format; a NaN becomes any NaN.
struct UnpackHalves : Example {
  static constexpr const char* kName = "cvt.f32.f16";
  static constexpr int kThreads = 128, kOutputs = 65536;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    for (int i = ptx::ThreadIndex(); i < kOutputs; i += kThreads) {
      const float x = ptx::FromF16(static_cast<uint16_t>(i));
      ptx::StoreGlobal(out + i, x != x ? 0x7fc00000u : ptx::FloatBits(x));
    }
  }
  static Words Input() { return Words(1); }
  static Words Expected(const Words&) {
    Words out;
    for (int i = 0; i < kOutputs; ++i) {
      const int exponent = i >> 10 & 31, mantissa = i & 1023;
      double x = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      if (exponent == 31) x = std::numeric_limits<double>::infinity();
      out.push_back(exponent == 31 && mantissa != 0 ? 0x7fc00000u : BitsOf(static_cast<float>(i & 0x8000 ? -x : x)));
    }
    return out;
  }
};

struct RoundToIntegers : OfFour<RoundToIntegers, 4, 4096> {
  static constexpr const char* kName = "cvt.rni.s32.f32";
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = static_cast<uint32_t>(ptx::RoundToInt(ptx::FromBits(x[i])));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) {
      const double rounded = std::nearbyint(static_cast<double>(FloatOf(x[i])));
      const double clamped = rounded > 2147483647.0 ? 2147483647.0 : rounded < -2147483648.0 ? -2147483648.0 : rounded;
      y[i] = std::isnan(rounded) ? 0 : static_cast<uint32_t>(static_cast<int64_t>(clamped));
    }
  }
};
struct FloatsOfIntegers : OfFour<FloatsOfIntegers, 4, 4096> {
  static constexpr const char* kName = "cvt.rn.f32.s32";
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = ptx::FloatBits(ptx::FromInt(static_cast<int32_t>(x[i])));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = BitsOf(static_cast<float>(RoundTo(static_cast<int32_t>(x[i]), 24, -126)));
  }
};

// Everything in double is exact before the last rounding, or near enough to it that it rounds the same; NaN is any NaN.
struct Arithmetic : OfFour<Arithmetic, 8, 8192> {
  static constexpr const char* kName = "div, sqrt, fma, add, sub, mul, max, min";
  static SPARGE_DEVICE uint32_t Canonical(float x) { return x != x ? 0x7fc00000u : ptx::FloatBits(x); }
  static SPARGE_DEVICE void Apply(const uint32_t* w, uint32_t* y) {
    const float a = ptx::FromBits(w[0]), b = ptx::FromBits(w[1]), c = ptx::FromBits(w[2]);
    y[0] = Canonical(ptx::Divide(a, b));
    y[1] = Canonical(ptx::SquareRoot(a));
    y[2] = Canonical(ptx::FusedMultiplyAdd(a, b, c));
    y[3] = Canonical(ptx::Add(a, b));
    y[4] = Canonical(ptx::Subtract(a, b));
    y[5] = Canonical(ptx::Multiply(a, b));
    y[6] = Canonical(ptx::Max(a, b));
    y[7] = Canonical(ptx::Min(a, b));
  }
  static void Define(const uint32_t* w, uint32_t* y) {
    const auto canonical = [](float x) { return std::isnan(x) ? 0x7fc00000u : BitsOf(x); };
    const float a = FloatOf(w[0]), b = FloatOf(w[1]), c = FloatOf(w[2]);
    const double x = a, z = b;
    y[0] = canonical(static_cast<float>(x / z));
    y[1] = canonical(static_cast<float>(std::sqrt(x)));
    y[2] = canonical(std::fma(a, b, c));
    y[3] = canonical(static_cast<float>(x + z));
    y[4] = canonical(static_cast<float>(x - z));
    y[5] = canonical(static_cast<float>(x * z));
    const bool either = std::isnan(a) || std::isnan(b) || a == b;
    const float nan_less = std::isnan(a) ? b : a;
    y[6] = canonical(either ? (a == b ? FloatOf(w[0] & w[1]) : nan_less) : a > b ? a : b);
    y[7] = canonical(either ? (a == b ? FloatOf(w[0] | w[1]) : nan_less) : a < b ? a : b);
  }
};

struct Integers : OfFour<Integers, 6, 4096> {
  static constexpr const char* kName = "max.s32, popc, bfind, prmt";
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    const auto a = static_cast<int32_t>(x[0]), b = static_cast<int32_t>(x[1]), c = static_cast<int32_t>(x[2]);
    y[0] = static_cast<uint32_t>(ptx::Max(a, b));
    y[1] = static_cast<uint32_t>(ptx::Max(a, b, c));
    y[2] = static_cast<uint32_t>(ptx::CountBits(x[0]));
    y[3] = static_cast<uint32_t>(ptx::LowestBit(x[1] | 1u << x[2] % 32));
    y[4] = ptx::Permute(x[0], x[1], x[2] & 0x7777);
    y[5] = ptx::FloatBits(ptx::FromBits(ptx::Fresh(x[3]) & 0x7f7fffff)) + static_cast<uint32_t>(ptx::Fresh(3));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    const auto a = static_cast<int32_t>(x[0]), b = static_cast<int32_t>(x[1]), c = static_cast<int32_t>(x[2]);
    y[0] = static_cast<uint32_t>(a > b ? a : b);
    y[1] = static_cast<uint32_t>(a > b ? (a > c ? a : c) : (b > c ? b : c));
    y[2] = y[3] = y[4] = 0;
    for (int i = 0; i < 32; ++i) y[2] += x[0] >> i & 1;
    while (((x[1] | 1u << x[2] % 32) >> y[3] & 1) == 0) ++y[3];
    for (int i = 0; i < 4; ++i) {
      const uint32_t byte = x[2] >> 4 * i & 7;
      y[4] |= (x[byte / 4] >> byte % 4 * 8 & 0xff) << 8 * i;
    }
    y[5] = (x[3] & 0x7f7fffff) + 3;
  }
};

struct Exponentials2 : OfFour<Exponentials2, 4, 8192> {
  static constexpr const char* kName = "ex2.approx.ftz.f32";
  static constexpr int kUlps = 2;
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = ptx::FloatBits(ptx::Exp2(ptx::FromBits(x[i])));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) {
      const double power = std::exp2(static_cast<double>(FloatOf(x[i])));
      y[i] = BitsOf(power < 0x1p-126 ? 0.f : static_cast<float>(power));
    }
  }
};
struct Exponentials : OfFour<Exponentials, 4, 4096> {
  static constexpr const char* kName = "exp";
  static constexpr int kUlps = 4;
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = ptx::FloatBits(ptx::Exp(ptx::FromBits(x[i])));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = BitsOf(static_cast<float>(std::exp(static_cast<double>(FloatOf(x[i])))));
  }
};
struct Logarithms : OfFour<Logarithms, 4, 4096> {
  static constexpr const char* kName = "log";
  static constexpr int kUlps = 4;
  static SPARGE_DEVICE void Apply(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = ptx::FloatBits(ptx::Log(ptx::FromBits(x[i])));
  }
  static void Define(const uint32_t* x, uint32_t* y) {
    for (int i = 0; i < 4; ++i) y[i] = BitsOf(static_cast<float>(std::log(static_cast<double>(FloatOf(x[i])))));
  }
};

}  // namespace cuda_examples
