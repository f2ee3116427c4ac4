#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attention {

// Mode dense: exact attention in the inputs' precision, on any device.
struct DenseCall {
  at::Tensor q, k, v;           // [B, Hq, Lq, D], [B, Hkv, Lkv, D], [B, Hkv, Lkv, Dv]
  at::Tensor bias;              // additive, [B or 1, Hq or 1, Lq or 1, Lkv or 1], q's dtype; undefined: none
  std::optional<double> scale;  // 1/sqrt(D) where absent
  bool causal = false;
  const int64_t* key_lengths = nullptr;  // [B]; null: Lkv
  bool want_lse = false;
};

struct DenseResult {
  at::Tensor o;    // [B, Hq, Lq, Dv], q's dtype
  at::Tensor lse;  // [B, Hq, Lq] float32 where wanted
  std::string kernel, reason;
};

// "sdpa": libtorch's scaled_dot_product_attention, fused. "sdpa_chunked": the same, a chunk of queries at a time.
// "math": scores written out in float32, a chunk of queries at a time; for what libtorch's kernels get wrong or lack.
const std::vector<std::string>& DenseKernels();

// `kernel` is one of DenseKernels() or "auto". Throws Error{kUnsupported} where a kernel that is named cannot do it.
DenseResult RunDense(const DenseCall& call, const std::string& kernel);

}  // namespace attention
