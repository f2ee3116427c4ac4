#include "attention/cuda/launch_kernel.cuh"

namespace attention::cuda {

void LaunchAttendExact(const LaunchStep& step, cudaStream_t stream) { VisitExact(step, LaunchOn{step, stream}); }

}  // namespace attention::cuda
