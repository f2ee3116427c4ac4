#include "attention/cuda/launch_kernel.cuh"

namespace attention::cuda {

void LaunchPrologueStep(const LaunchStep& step, cudaStream_t stream) { VisitPrologue(step, LaunchOn{step, stream}); }

}  // namespace attention::cuda
