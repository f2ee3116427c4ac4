#include "attention/cuda/launch.h"

#include "attention/cuda/launch_kernel.cuh"

namespace attention::cuda {
namespace {

// The calling thread's device for as long as this lives.
class DeviceScope {
 public:
  explicit DeviceScope(int index) {
    CheckCuda(cudaGetDevice(&before_), "which device is current");
    if (before_ != index) {
      CheckCuda(cudaSetDevice(index), "change of device");
      changed_ = true;
    }
  }
  ~DeviceScope() {
    if (changed_) cudaSetDevice(before_);
  }
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

int64_t Attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, attribute, device) == cudaSuccess ? value : 0;
}

}  // namespace

std::vector<Device> Devices() {
  std::vector<Device> devices;
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return devices;
  }
  for (int index = 0; index < count; ++index) {
    Device device;
    device.index = index;
    device.capability = static_cast<int>(Attribute(cudaDevAttrComputeCapabilityMajor, index) * 10 +
                                         Attribute(cudaDevAttrComputeCapabilityMinor, index));
    device.multiprocessors = static_cast<int>(Attribute(cudaDevAttrMultiProcessorCount, index));
    device.shared_memory_per_block = Attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
    device.shared_memory_per_multiprocessor = Attribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor, index);
    device.l2_bytes = Attribute(cudaDevAttrL2CacheSize, index);
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, index) == cudaSuccess) device.name = properties.name;
    devices.push_back(device);
  }
  return devices;
}

void LaunchOne(const LaunchStep& step, void* on) {
  const auto stream = static_cast<cudaStream_t>(on);
  if (std::holds_alternative<ExactParams>(step.params)) return LaunchAttendExact(step, stream);
  if (!std::holds_alternative<AttendParams>(step.params)) return LaunchPrologueStep(step, stream);
  if (step.pv == PV::kFloat16) return LaunchAttendFloat16(step, stream);
  if (step.pv == PV::kBFloat16) return LaunchAttendBFloat16(step, stream);
#if defined(SPARGE_NO_E4M3)
  base::Fail(base::ErrorCode::kUnsupported, "attention: this build has no E4M3 kernels");
#else
  LaunchAttendE4M3(step, stream);
#endif
}

namespace {

bool IsMain(const LaunchStep& step) {
  return std::holds_alternative<AttendParams>(step.params) || std::holds_alternative<ExactParams>(step.params);
}

void LaunchSome(const Call& call, const Choice& choice, const Device& device, void* scratch, void* stream,
                bool prologue, bool main) {
  const DeviceScope scope(device.index);
  for (const LaunchStep& step : PlanLaunches(call, choice, device, scratch)) {
    if (IsMain(step) ? main : prologue) LaunchOne(step, stream);
  }
}

}  // namespace

void LaunchPrologue(const Call& call, const Choice& choice, const Device& device, void* scratch, void* stream) {
  LaunchSome(call, choice, device, scratch, stream, true, false);
}
void LaunchMain(const Call& call, const Choice& choice, const Device& device, void* scratch, void* stream) {
  LaunchSome(call, choice, device, scratch, stream, false, true);
}
void Launch(const Call& call, const Choice& choice, const Device& device, void* scratch, void* stream) {
  LaunchSome(call, choice, device, scratch, stream, true, true);
}

}  // namespace attention::cuda
