#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "pipeline/pipeline.h"

namespace pipeline {

// Where and in what a job computes: the settings device, dtype and threads, decided.
struct Runtime {
  c10::Device device = c10::kCPU;
  c10::ScalarType dtype = c10::kFloat;

  // `auto` is cuda where a device is, else cpu; bfloat16 on CUDA and on CPUs that have it (AVX-512 BF16 or AMX), else
  // float32. Sets libtorch's thread count where options.threads is not 0.
  // Throws Error{kInvalidInput} for a name that is none, Error{kUnsupported} where the device is not there.
  static Runtime Choose(const RuntimeOptions& options);

  std::string device_name() const { return device.str(); }
  std::string dtype_name() const;
};

// Of a CUDA device: what is free, and what libtorch holds unused. 0 where unknown, and on the CPU.
int64_t AvailableDeviceBytes(c10::Device device);

// What a memory estimate has to know of it, with what is available now.
Machine MachineOf(const Runtime& runtime);

}  // namespace pipeline
