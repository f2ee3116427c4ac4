#pragma once

#include <string>

#include "attention/attention.h"
#include "attention/cpu/kernels.h"
#include "pipeline/attention_plan.h"

namespace pipeline {

// Whether a cross-attention runs faster in dense8 than in dense, on a CPU of these features.
//
// Measured: time of dense (SDPA) over that of dense8, batch 1, 4 heads, libtorch 2.11 on an x86-64 CPU with AVX-512
// BF16, least of 8 to 200 turns each; from the lowest to the highest of d 64 and 128, float32 and bfloat16, 1 and 2
// threads:
//
//   queries x keys     avx512_bf16   avx512_u8s8   avx2_vnni_u8s8   avx2_u8s8     generic
//         8 x 512      0.9 … 1.3     0.8 … 1.1     0.4 … 0.5        0.5 … 0.7     0.2
//        32 x 77       1.3 … 1.9     1.5 … 1.8     0.8 … 0.9        0.8 … 0.9     0.3 … 0.4
//       256 x 16       1.1 … 1.5     1.2 … 1.6     0.6 … 0.8        0.5 … 0.7     0.2 … 0.3
//       256 x 77       3.0 … 3.5     3.5 … 3.9     1.7 … 1.9        1.3 … 1.5     0.5 … 0.6
//       256 x 512      3.8 … 5.0     4.9 … 5.5     2.5 … 2.7        1.7 … 1.9     0.5 … 0.7
//      4096 x 512      4.3 … 7.6     6.3 … 9.5     3.0 … 3.6        1.8 … 2.0     0.7 … 0.8
//     16384 x 512      3.8 … 5.9
//
// Neither d nor the dtype decides; a full block of keys and some queries to pay for packing them do.
//
// On CUDA dense8 is not the faster at any size that was measured (attention/cuda/README.md): cross-attention runs
// dense.
bool CrossRunsDense8(int64_t query_length, int64_t key_length, const attention::CPUFeatures& features);

// Who runs what (docs/attention_spec.md): a DiT's self and joint attention as the plan says; its cross-attention dense8
// or dense, whichever is faster at its size, never block-sparse; text encoders and VAEs dense. Where a mode cannot run
// (device, width of a head, dtype) and no kernel is asked for by name, dense runs and the reason is recorded.
class AttentionPolicy : public attention::CallPolicy {
 public:
  // `plan` must outlive this.
  explicit AttentionPolicy(const AttentionPlan* plan) : plan_(plan) {}

  attention::CallPlan Plan(const attention::AttentionContext& ctx, const at::Tensor& q,
                           const at::Tensor& k) const override;

  // From now on every call runs dense, recorded as a fall-back for this reason; "" ends it.
  void RunDense(const std::string& why) { dense_because_ = why; }

 private:
  attention::CallPlan PlanSelf(const attention::AttentionContext& ctx, const at::Tensor& q) const;
  attention::CallPlan PlanCross(const attention::AttentionContext& ctx, const at::Tensor& q, const at::Tensor& k) const;

  const AttentionPlan* plan_;
  std::string dense_because_;
};

// For people: that calls of a render ran dense because their mode could not, if any did; "" if none. Steps that ran
// again have a notice of their own.
std::string FallBackNotice(const attention::StatsRecorder& stats);

}  // namespace pipeline
