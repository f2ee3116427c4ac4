#include "tests/attention/cuda/gpu_scores.h"

#include "attention/cuda/attend/shared_bytes.h"
#include "attention/cuda/launch_kernel.cuh"
#include "tests/attention/cuda/scores.cuh"

namespace attention::test {

void LaunchScores(const cuda::LaunchStep& step, int32_t* scores, void* stream) {
  ScoresParams params{std::get<cuda::AttendParams>(step.params), scores};
  params.attend.stages = 1;
  cuda::LaunchStep launch = step;
  launch.name = "scores";
  launch.shared_bytes = cuda::AttendSharedBytes(cuda::PV::kFloat16, step.width, 1);
  VisitScores(step.width, [&](auto* kernel) {
    using Kernel = std::remove_pointer_t<decltype(kernel)>;
    cuda::LaunchOn{launch, static_cast<cudaStream_t>(stream)}(cuda::KernelTag<Kernel>{}, params);
  });
}

}  // namespace attention::test
