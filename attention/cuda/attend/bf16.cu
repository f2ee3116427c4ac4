#include "attention/cuda/launch_kernel.cuh"

namespace attention::cuda {

void LaunchAttendBFloat16(const LaunchStep& step, cudaStream_t stream) {
  VisitAttend<PV::kBFloat16>(step, LaunchOn{step, stream});
}

}  // namespace attention::cuda
