#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "pipeline/weights/weights.h"

namespace pipeline {

// y = x·Wᵀ + b over the last dimension, as torch.nn.Linear; weight [out, in], bias [out] or undefined.
struct Linear {
  at::Tensor weight, bias;

  static Linear Load(WeightLoader& loader, const std::string& name, int64_t in, int64_t out, bool has_bias = true);
  at::Tensor operator()(const at::Tensor& x) const;

  // gelu(y), tanh approximation. On the CPU in one pass with the product where oneDNN has it: gelu alone takes longer
  // than many a product, and y stays in float32.
  at::Tensor GeluTanh(const at::Tensor& x) const;
};

}  // namespace pipeline
