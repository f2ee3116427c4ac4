#include "tests/bench/made_weights.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

namespace bench {
namespace {

// Of the softmax: the factor on q.
constexpr double kSharpness = 2;

bool EndsWith(const std::string& name, const std::string& end) {
  return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

pipeline::WeightLoader::Make MadeWeights::Maker() {
  return [this](const std::string& name, at::IntArrayRef shape) { return Make(name, shape); };
}

// [heads · dim]
at::Tensor MadeWeights::LocalBias(bool first) {
  if (first) {
    constexpr double kOverContent = 2.5;  // root mean square of the bias over that of what tokens differ in
    bias_ = kOverContent * at::randn({heads_.count, heads_.dim}, at::TensorOptions().device(device_));
    for (int64_t head = 3; head < heads_.count; head += 4) bias_[head].zero_();
  }
  return bias_.flatten();
}

at::Tensor MadeWeights::Make(const std::string& name, at::IntArrayRef shape) {
  const at::TensorOptions options = at::TensorOptions().device(device_).dtype(at::kFloat);
  int64_t numel = 1;
  for (const int64_t size : shape) numel *= size;
  numbers_ += numel;
  const bool self = name.find("attn1.") != std::string::npos;
  if (self && EndsWith(name, "to_q.bias")) return LocalBias(true);
  if (self && EndsWith(name, "to_k.bias")) return LocalBias(false);
  if (EndsWith(name, "bias")) return at::zeros(shape, options);
  if (self && EndsWith(name, "norm_q.weight")) return at::full(shape, kSharpness, options);
  if (EndsWith(name, "gamma") || name.find("norm") != std::string::npos) return at::ones(shape, options);
  const double inputs = name.find("scale_shift_table") != std::string::npos
                            ? 16.0  // modulations of about a quarter
                            : static_cast<double>(numel / std::max<int64_t>(shape[0], 1));
  return at::randn(shape, options).mul_(1 / std::sqrt(inputs));
}

}  // namespace bench
