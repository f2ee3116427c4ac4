#pragma once

#include "attention/cuda/common/layout.cuh"

// The three ways to multiply P by V with mma.sync. Each turns 16 or 32 columns of scores into the A fragment of its
// product and takes V's tile as B. Why the fragments fit: the accumulator of a 16×8 product holds columns 2t, 2t + 1 of
// rows g and g + 8, which is what A of the next product wants of 16-bit elements; for 8-bit ones V's keys are permuted.
namespace attention::cuda {

template <PV kPV>
struct Products;

template <>
struct Products<PV::kFloat16> {
  static constexpr int kKeys = 16;             // of one product
  static constexpr float kTopLog2 = 8;         // a weight of 1 is stored as 2^8: further down before subnormals begin
  static constexpr bool kFlush = false;        // products accumulate straight into the output
  static constexpr uint32_t kOnes = 0x3c003c00u;
  static SPARGE_DEVICE uint32_t Pack(float x0, float x1) { return ptx::PackF16(x0, x1); }
  static SPARGE_DEVICE void Multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    ptx::MultiplyF16(d, a, b0, b1);
  }
};

template <>
struct Products<PV::kBFloat16> {
  static constexpr int kKeys = 16;
  static constexpr float kTopLog2 = 0;
  static constexpr bool kFlush = false;
  static constexpr uint32_t kOnes = 0x3f803f80u;
  static SPARGE_DEVICE uint32_t Pack(float x0, float x1) { return ptx::PackBF16(x0, x1); }
  static SPARGE_DEVICE void Multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    ptx::MultiplyBF16(d, a, b0, b1);
  }
};

#if defined(SPARGE_HAS_E4M3_MMA)
template <>
struct Products<PV::kE4M3> {
  static constexpr int kKeys = 32;
  static constexpr float kTopLog2 = 8.80735492f;  // log2(448)
  static constexpr bool kFlush = true;  // its accumulator is short: a block of keys at a time
  static constexpr uint32_t kOnes = 0x38383838u;
  static SPARGE_DEVICE uint32_t Pack(float x0, float x1, float x2, float x3) { return ptx::PackE4M3(x0, x1, x2, x3); }
  static SPARGE_DEVICE void Multiply(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    ptx::MultiplyE4M3(d, a, b0, b1);
  }
};
#endif

}  // namespace attention::cuda
