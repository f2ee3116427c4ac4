#pragma once

#include <cuda_runtime.h>

#include "attention/base/error.h"
#include "attention/cuda/kernels.cuh"

// A kernel body as a CUDA kernel, and its launch. Included by the .cu files only.
namespace attention::cuda {

inline void CheckCuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // so that it is not reported again
  base::Fail(base::ErrorCode::kDevice, "attention: ", what, ": ", cudaGetErrorString(status));
}

template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, Kernel::kMinBlocks)
    RunBody(const __grid_constant__ typename Kernel::Params params) {
  Kernel::Body(params);
}

struct LaunchOn {
  const LaunchStep& step;
  cudaStream_t stream;

  template <class Kernel>
  void operator()(KernelTag<Kernel>, const typename Kernel::Params& params) const {
    if (step.shared_bytes > 48 * 1024) {
      CheckCuda(cudaFuncSetAttribute(RunBody<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     static_cast<int>(step.shared_bytes)),
                step.name);
    }
    const dim3 grid(static_cast<unsigned>(step.grid_x), static_cast<unsigned>(step.grid_y));
    RunBody<Kernel><<<grid, Kernel::kThreads, static_cast<size_t>(step.shared_bytes), stream>>>(params);
    CheckCuda(cudaGetLastError(), step.name);
  }
};

// One .cu file each, so that they compile side by side.
void LaunchPrologueStep(const LaunchStep& step, cudaStream_t stream);
void LaunchAttendFloat16(const LaunchStep& step, cudaStream_t stream);
void LaunchAttendE4M3(const LaunchStep& step, cudaStream_t stream);
void LaunchAttendBFloat16(const LaunchStep& step, cudaStream_t stream);
void LaunchAttendExact(const LaunchStep& step, cudaStream_t stream);

}  // namespace attention::cuda
