#pragma once

#include <string>

namespace pipeline {

// What the program was built with and finds on this machine.
struct RuntimeFeatures {
  std::string torch_version;
  bool has_cuda_build = false;
  std::string cuda_version;    // of the CUDA runtime that libtorch has; "" where has_cuda_build is false
  int cuda_devices = 0;        // with a working driver
  std::string cpu_capability;  // "AVX512", "AVX2", "DEFAULT": what libtorch dispatches to
  bool cpu_bf16 = false;       // bfloat16 products in hardware
  int threads = 0;
};

// Does not throw.
RuntimeFeatures DetectRuntime();

}  // namespace pipeline
