#pragma once

#include <string>
#include <vector>

#include "attention/cuda/plan.h"

namespace attention::test {

// Times calls on random inputs and prints a line each. Arguments: cases "KERNEL:MODE:HEADS:LENGTH:DIM:SHARE:CAUSAL:LAMBDA",
// e.g. cuda_fp16:sparge:12:32760:128:0.5:0:-7; key heads as "12/4".
int Bench(const cuda::Device& device, const std::vector<std::string>& cases);

}  // namespace attention::test
