#pragma once

#include "attention/cuda/plan.h"

namespace attention::test {

// Enqueues the kernel of scores.cuh on `stream` (a cudaStream_t). `step`: the main kernel's. Throws where the launch
// fails.
void LaunchScores(const cuda::LaunchStep& step, int32_t* scores, void* stream);

}  // namespace attention::test
