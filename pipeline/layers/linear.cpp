#include "pipeline/layers/linear.h"

#include <ATen/ops/linear.h>

namespace pipeline {

Linear Linear::Load(WeightLoader& loader, const std::string& name, int64_t in, int64_t out, bool has_bias) {
  Linear layer;
  layer.weight = loader.Get(name + ".weight", {out, in});
  if (has_bias) layer.bias = loader.Get(name + ".bias", {out});
  return layer;
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt);
}

}  // namespace pipeline
