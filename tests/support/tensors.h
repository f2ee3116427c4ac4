#pragma once

#include <ATen/Functions.h>

#include "pipeline/host_tensor.h"

namespace test {

inline at::Tensor ToTensor(const pipeline::HostTensor& host) {
  return at::from_blob(const_cast<float*>(host.data.data()), host.shape, at::kFloat).clone();
}

inline pipeline::HostTensor ToHost(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.to(at::kFloat).contiguous();
  const float* data = dense.const_data_ptr<float>();
  return {dense.sizes().vec(), {data, data + dense.numel()}};
}

}  // namespace test
