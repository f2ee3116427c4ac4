#include "pipeline/tensor_state.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "attention/base/error.h"

namespace pipeline {

using base::Check;
using base::ErrorCode;

HostTensor ToHost(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kFloat).contiguous();
  const float* data = host.const_data_ptr<float>();
  return {host.sizes().vec(), std::vector<float>(data, data + host.numel())};
}

at::Tensor FromHost(const HostTensor& host) {
  return at::from_blob(const_cast<float*>(host.data.data()), host.shape, at::kFloat);
}

StateTensor ToState(const at::Tensor& tensor) {
  const c10::ScalarType dtype = tensor.scalar_type();
  const char* name = dtype == at::kFloat ? "float32" : dtype == at::kBFloat16 ? "bfloat16" : "float16";
  Check(dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf, ErrorCode::kInternal, "latents of dtype ",
        c10::toString(dtype));
  return {ToHost(tensor.squeeze(0)), name};
}

at::Tensor FromState(const StateTensor& state, const std::string& name, at::IntArrayRef shape, c10::Device device) {
  const c10::ScalarType dtype = state.dtype == "bfloat16"  ? at::kBFloat16
                                : state.dtype == "float16" ? at::kHalf
                                                           : at::kFloat;
  Check(dtype != at::kFloat || state.dtype == "float32", ErrorCode::kInvalidInput, "tensor '", name, "' of dtype '",
        state.dtype, "'; expected float32, bfloat16 or float16");
  const at::Tensor values = FromHost(state.values).unsqueeze(0);
  Check(values.sizes() == shape, ErrorCode::kInvalidInput, "tensor '", name, "' of shape ", values.sizes(),
        " does not fit this clip: expected ", shape);
  Check(at::isfinite(values).all().item<bool>(), ErrorCode::kInvalidInput, "tensor '", name,
        "' has NaN or infinite values");
  return values.clone().to(device, dtype);
}

bool AllFinite(const at::Tensor& x) { return at::isfinite(x).all().item<bool>(); }

}  // namespace pipeline
