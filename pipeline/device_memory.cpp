#include "pipeline/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "attention/base/error.h"
#include "pipeline/pipeline.h"
#include "pipeline/runtime.h"

namespace pipeline {

std::optional<DeviceMemory> LookAtDevice(const std::string& name) {
  try {
    RuntimeOptions options;
    options.device = name;
    const c10::Device device = Runtime::Choose(options).device;
    if (!device.is_cuda()) return std::nullopt;
    const auto [free, total] = at::getDeviceAllocator(device.type())->getMemoryInfo(device.index());
    return DeviceMemory{static_cast<int64_t>(total - free), static_cast<int64_t>(total)};
  } catch (const c10::Error&) {
    return std::nullopt;
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

}  // namespace pipeline
