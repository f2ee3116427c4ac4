#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "pipeline/host_tensor.h"
#include "pipeline/pipeline.h"

// Tensors from libtorch's world to the rest and back.
namespace pipeline {

// Float32 on the host, of the same shape.
HostTensor ToHost(const at::Tensor& tensor);

// A view: `host` has to outlive it.
at::Tensor FromHost(const HostTensor& host);

// [1, …] to a StateTensor […]. Exact; of float32, bfloat16 and float16.
StateTensor ToState(const at::Tensor& tensor);

// To a tensor of its own, so that it lies in memory as one that was computed does. Throws Error{kInvalidInput} with
// `name` for another dtype, another shape than `shape` ([1, …]), NaN and infinity.
at::Tensor FromState(const StateTensor& state, const std::string& name, at::IntArrayRef shape, c10::Device device);

bool AllFinite(const at::Tensor& x);

}  // namespace pipeline
