#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace pipeline {

struct DeviceMemory {
  int64_t used_bytes = 0, total_bytes = 0;  // used: by all programs
};

// Of a CUDA device ("cuda:0", or as the setting `device` names one), as its driver says; none for the CPU and where it
// cannot be asked. No torch here. (In the target `pipeline`: it asks libtorch.)
std::optional<DeviceMemory> LookAtDevice(const std::string& device);

}  // namespace pipeline
