#include "pipeline/layers/linear.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>

namespace pipeline {
namespace {

// libtorch's products with an epilogue, from its inductor; not in its C++ headers.
using FusedLinear = at::Tensor(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                               std::string_view epilogue, c10::List<std::optional<at::Scalar>> scalars,
                               std::optional<std::string_view> algorithm);

bool OneDNNHas(at::ScalarType dtype) {
  const char* const question = dtype == at::kBFloat16 ? "mkldnn::_is_mkldnn_bf16_supported"
                               : dtype == at::kHalf   ? "mkldnn::_is_mkldnn_fp16_supported"
                                                      : nullptr;
  if (question == nullptr) return dtype == at::kFloat;
  const auto answer = c10::Dispatcher::singleton().findSchema({question, ""});
  return answer.has_value() && answer->typed<bool()>().call();
}

}  // namespace

Linear Linear::Load(WeightLoader& loader, const std::string& name, int64_t in, int64_t out, bool has_bias) {
  Linear layer;
  layer.weight = loader.Get(name + ".weight", {out, in});
  if (has_bias) layer.bias = loader.Get(name + ".bias", {out});
  return layer;
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt);
}

at::Tensor Linear::GeluTanh(const at::Tensor& x) const {
  const auto fused = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!x.is_cpu() || !fused.has_value() || !OneDNNHas(x.scalar_type())) return at::gelu((*this)(x), "tanh");
  return fused->typed<FusedLinear>().call(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt,
                                          "gelu", c10::List<std::optional<at::Scalar>>(), "tanh");
}

}  // namespace pipeline
