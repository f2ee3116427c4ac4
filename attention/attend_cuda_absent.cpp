#include "attention/attend_cuda.h"
#include "attention/base/error.h"

namespace attention {

std::vector<std::string> CUDAKernelNames() { return {}; }

std::string WhyOnlyDenseOnCUDA(const at::Device&) {
  return "this build has no CUDA kernels: it was made without a CUDA toolkit, or with a libtorch for CPUs alone";
}

void AttendOnCUDA(const at::Tensor& q, const at::Tensor&, const std::string&, const MadeCall&, const at::Tensor&,
                  const at::Tensor&, CallClock&, CallResults&) {
  base::Fail(base::ErrorCode::kUnsupported, WhyOnlyDenseOnCUDA(q.device()));
}

}  // namespace attention
