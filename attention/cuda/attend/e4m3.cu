#include "attention/cuda/launch_kernel.cuh"

namespace attention::cuda {

void LaunchAttendE4M3(const LaunchStep& step, cudaStream_t stream) {
  VisitAttend<PV::kE4M3>(step, LaunchOn{step, stream});
}

}  // namespace attention::cuda
