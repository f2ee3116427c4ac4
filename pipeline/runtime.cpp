#include "pipeline/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <charconv>

#include "attention/base/error.h"
#include "pipeline/memory_available.h"
#include "pipeline/memory_estimate.h"
#include "pipeline/version.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;
using base::Fail;

bool CpuHasBF16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") || __builtin_cpu_supports("amx-bf16");
#else
  return false;
#endif
}

int CudaDevices() { return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().getNumGPUs()) : 0; }

c10::Device ChooseDevice(const std::string& name) {
  if (name == "cpu") return c10::kCPU;
  const int devices = CudaDevices();
  if (name == "auto") return devices > 0 ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  int index = 0;
  bool valid = name == "cuda";
  if (name.rfind("cuda:", 0) == 0) {
    const char *begin = name.data() + 5, *end = name.data() + name.size();
    const auto [at, ec] = std::from_chars(begin, end, index);
    valid = ec == std::errc() && at == end && index >= 0 && index < 128;
  }
  Check(valid, ErrorCode::kInvalidInput, "device '", name, "' is none of auto, cpu, cuda, cuda:N");
  Check(index < devices, ErrorCode::kUnsupported, "device ", name, " is not there: ",
        devices == 0 ? "no CUDA device with a working driver was found; use --device cpu"
                     : base::StrCat("there are ", devices, " CUDA devices, counted from 0"));
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

c10::ScalarType ChooseDType(const std::string& name, c10::Device device) {
  if (name == "float32") return c10::kFloat;
  if (name == "bfloat16") return c10::kBFloat16;
  if (name == "float16") return c10::kHalf;
  Check(name == "auto", ErrorCode::kInvalidInput, "dtype '", name, "' is none of auto, float32, bfloat16, float16");
  return device.is_cuda() || CpuHasBF16() ? c10::kBFloat16 : c10::kFloat;
}

}  // namespace

Runtime Runtime::Choose(const RuntimeOptions& options) {
  Runtime runtime;
  runtime.device = ChooseDevice(options.device);
  runtime.dtype = ChooseDType(options.dtype, runtime.device);
  if (options.threads > 0) at::set_num_threads(options.threads);
  return runtime;
}

std::string Runtime::dtype_name() const {
  switch (dtype) {
    case c10::kFloat:
      return "float32";
    case c10::kBFloat16:
      return "bfloat16";
    case c10::kHalf:
      return "float16";
    default:
      Fail(ErrorCode::kInternal, "runtime dtype ", c10::toString(dtype));
  }
}

int64_t AvailableDeviceBytes(c10::Device device) {
  if (!device.is_cuda()) return 0;
  try {
    c10::DeviceAllocator* allocator = at::getDeviceAllocator(device.type());
    const c10::CachingDeviceAllocator::DeviceStats stats = allocator->getDeviceStats(device.index());
    const int64_t held = stats.reserved_bytes[0].current - stats.allocated_bytes[0].current;
    return static_cast<int64_t>(allocator->getMemoryInfo(device.index()).first) + held;
  } catch (const c10::Error&) {
    return 0;
  }
}

Machine MachineOf(const Runtime& runtime) {
  constexpr int64_t kMostProgram = 250 << 20;  // what more is resident is a model, or clips that are shown
  Machine machine;
  machine.cuda = runtime.device.is_cuda();
  machine.element_bytes = static_cast<int64_t>(c10::elementSize(runtime.dtype));
  const int64_t resident = ResidentMemoryBytes(), available = AvailableMemoryBytes();
  machine.base_bytes = std::min(resident, kMostProgram);
  if (available > 0) machine.host_available = available + resident - machine.base_bytes;
  machine.device_available = AvailableDeviceBytes(runtime.device);
  return machine;
}

Machine LookAtMachine(const RuntimeOptions& options) {
  RuntimeOptions asked = options;
  asked.threads = 0;  // nothing is set here
  return MachineOf(Runtime::Choose(asked));
}

RuntimeFeatures DetectRuntime() {
  RuntimeFeatures features;
  features.torch_version = TORCH_VERSION;
  features.has_cuda_build = at::globalContext().hasCUDART();  // hasCUDA() also wants a device
  if (features.has_cuda_build) {
    const long version = at::detail::getCUDAHooks().versionCUDART();
    features.cuda_version = base::StrCat(version / 1000, ".", version % 1000 / 10);
    features.cuda_devices = CudaDevices();
  }
  features.cpu_capability = at::get_cpu_capability();
  features.cpu_bf16 = CpuHasBF16();
  features.threads = at::get_num_threads();
  return features;
}

}  // namespace pipeline
