#include "pipeline/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <torch/headeronly/version.h>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <vector>

#include "attention/base/error.h"
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

// The number in a file such as memory.max; −1 where there is none ("max", no file).
int64_t ReadNumber(const std::string& path) {
  std::ifstream in(path);
  int64_t value = -1;
  return in >> value ? value : -1;
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

namespace {

// What a cgroup leaves of its limit, if it has one; files in the page cache make room when they must.
int64_t LeftByCgroup(const std::string& folder) {
  const int64_t limit = ReadNumber(folder + "/memory.max"), used = ReadNumber(folder + "/memory.current");
  if (limit < 0 || used < 0) return std::numeric_limits<int64_t>::max();
  int64_t cached = 0;
  std::ifstream stat(folder + "/memory.stat");
  std::string key;
  for (int64_t value = 0; stat >> key >> value;) {
    if (key == "inactive_file" || key == "active_file") cached += value;
  }
  return std::max(limit - used + cached, int64_t{0});
}

// This process's cgroup (v2) and those around it.
std::vector<std::string> Cgroups() {
  const std::string root = "/sys/fs/cgroup";
  std::vector<std::string> folders = {root};
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::/", 0) != 0) continue;
    for (std::string path = line.substr(3); path.size() > 1; path.resize(path.rfind('/')))
      folders.push_back(root + path);
  }
  return folders;
}

// What RLIMIT_AS leaves.
int64_t LeftByAddressSpace() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::numeric_limits<int64_t>::max();
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return std::max(static_cast<int64_t>(limit.rlim_cur) - pages * sysconf(_SC_PAGESIZE), int64_t{0});
}

}  // namespace

int64_t AvailableMemoryBytes() {
  int64_t available = 0;
  std::ifstream meminfo("/proc/meminfo");
  for (std::string key, unit; meminfo >> key;) {
    int64_t kib = 0;
    meminfo >> kib;
    std::getline(meminfo, unit);
    if (key == "MemAvailable:") available = kib * 1024;
  }
  if (available == 0) return 0;
  for (const std::string& folder : Cgroups()) available = std::min(available, LeftByCgroup(folder));
  return std::max(std::min(available, LeftByAddressSpace()), int64_t{1});
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
