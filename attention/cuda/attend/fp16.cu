#include "attention/cuda/launch_kernel.cuh"

namespace attention::cuda {

void LaunchAttendFloat16(const LaunchStep& step, cudaStream_t stream) {
  VisitAttend<PV::kFloat16>(step, LaunchOn{step, stream});
}

}  // namespace attention::cuda
