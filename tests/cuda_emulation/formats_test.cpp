#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "cuda_emulation/formats.h"
#include "cuda_emulation/random.h"

#if defined(SPARGE_HAVE_CUDA_HEADERS)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#endif

// The emulator's number formats: every value of each, the ends, and CUDA's own host conversions as the check.
namespace cuda_emulation {
namespace {

TEST(FormatsTest, EveryNumberComesBack) {
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const bool half_nan = (i & 0x7fff) > 0x7c00, bfloat_nan = (i & 0x7fff) > 0x7f80;
    EXPECT_EQ(FloatToHalf(HalfToFloat(bits)), half_nan ? 0x7fff : bits);
    EXPECT_EQ(FloatToBFloat16(BFloat16ToFloat(bits)), bfloat_nan ? 0x7fff : bits);
  }
  for (uint32_t i = 0; i < 256; ++i) {
    EXPECT_EQ(FloatToE4M3(E4M3ToFloat(static_cast<uint8_t>(i))), (i & 0x7f) == 0x7f ? 0x7f : i);
  }
}

TEST(FormatsTest, Ends) {
  const float infinity = FromBits(0x7f800000u);
  EXPECT_EQ(FloatToHalf(65519.f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-infinity), 0xfc00);
  EXPECT_EQ(FloatToE4M3(infinity), 0x7e);
  EXPECT_EQ(FloatToE4M3(-1e30f), 0xfe);
  EXPECT_EQ(FloatToE4M3(0x1p-10f), 0);  // a tie, to even
  EXPECT_EQ(FloatToE4M3(0x1.8p-10f), 1);
  EXPECT_EQ(FloatToE4M3(0x1.8p-9f), 2);
  EXPECT_EQ(FloatToInt8(127.5f), 127);
  EXPECT_EQ(FloatToInt8(-1000.f), -128);
  EXPECT_EQ(FloatToInt8(2.5f), 2);
  EXPECT_EQ(FloatToInt(1e10f), INT32_MAX);
  EXPECT_EQ(FloatToInt(FromBits(0x7fc00000u)), 0);
  EXPECT_EQ(Bits(Exp2(-infinity)), 0u);
  EXPECT_EQ(Exp2(-127.f), 0.f);
  EXPECT_EQ(Exp2(128.f), infinity);
  EXPECT_EQ(Exp2(-3.f), 0.125f);
}

#if defined(SPARGE_HAVE_CUDA_HEADERS)

// Random floats: of every exponent, and close to every number of the small formats and to the ties between them.
template <class Check>
void ForManyFloats(Check&& check) {
  Random random(7);
  for (int i = 0; i < 2000000; ++i) check(FromBits(static_cast<uint32_t>(random.Next())));
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const float x = HalfToFloat(static_cast<uint16_t>(i)), next = HalfToFloat(static_cast<uint16_t>(i + 1));
    for (const float near : {x, (x + next) / 2}) {
      check(near);
      check(FromBits(Bits(near) + 1));
      check(FromBits(Bits(near) - 1));
    }
    check(FromBits(i << 16));
    check(FromBits(i << 16 | 0x8000));
    check(FromBits(i << 16 | 0x8001));
    check(FromBits(i << 16 | 0x7fff));
  }
}

TEST(FormatsTest, AsCudasHeaders) {
  int64_t wrong = 0;
  ForManyFloats([&wrong](float x) {
    const __half half = __float2half_rn(x);
    const __nv_bfloat16 bfloat = __float2bfloat16_rn(x);
    uint16_t half_bits, bfloat_bits;
    std::memcpy(&half_bits, &half, 2);
    std::memcpy(&bfloat_bits, &bfloat, 2);
    const auto e4m3 = static_cast<uint8_t>(__nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3));
    const bool same = FloatToHalf(x) == half_bits && FloatToBFloat16(x) == bfloat_bits && FloatToE4M3(x) == e4m3;
    if (!same && ++wrong <= 5) {
      ADD_FAILURE() << x << " (" << std::hex << Bits(x) << "): " << FloatToHalf(x) << " " << half_bits << ", "
                    << FloatToBFloat16(x) << " " << bfloat_bits << ", " << int{FloatToE4M3(x)} << " " << int{e4m3};
    }
  });
  EXPECT_EQ(wrong, 0);
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const float want = __half2float(__half(__half_raw{bits})), got = HalfToFloat(bits);
    if (Bits(want) != Bits(got) && !(std::isnan(want) && std::isnan(got))) ADD_FAILURE() << i;
  }
  for (uint32_t i = 0; i < 256; ++i) {
    const __half_raw half = __nv_cvt_fp8_to_halfraw(static_cast<__nv_fp8_storage_t>(i), __NV_E4M3);
    const float want = HalfToFloat(half.x), got = E4M3ToFloat(static_cast<uint8_t>(i));
    if (Bits(want) != Bits(got) && !(std::isnan(want) && std::isnan(got))) ADD_FAILURE() << i;
  }
}

#else

TEST(FormatsTest, AsCudasHeaders) { GTEST_SKIP() << "no CUDA headers on this machine"; }

#endif

}  // namespace
}  // namespace cuda_emulation
