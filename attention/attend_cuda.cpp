#include "attention/attend_cuda.h"

#include <ATen/Functions.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "attention/base/error.h"
#include "attention/cuda/launch.h"

namespace attention {
namespace {

const cuda::Device* FindDevice(const at::Device& device) {
  static const std::vector<cuda::Device> devices = cuda::Devices();
  for (const cuda::Device& known : devices) {
    if (known.index == device.index()) return &known;
  }
  return nullptr;
}

// `count` values from host memory, copied in the stream's order; the host's memory may go at once.
template <typename T>
at::Tensor ToDevice(const T* values, int64_t count, const at::Device& device) {
  const int64_t bytes = count * static_cast<int64_t>(sizeof(T));
  const at::Tensor host = at::from_blob(const_cast<T*>(values), {bytes}, at::kByte);
  return host.to(device, /*non_blocking=*/true);
}

}  // namespace

std::vector<std::string> CUDAKernelNames() { return cuda::KernelNames(); }

std::string WhyOnlyDenseOnCUDA(const at::Device& device) {
  const cuda::Device* found = FindDevice(device);
  if (found == nullptr) return "no CUDA device " + device.str() + " with a working driver";
  if (found->capability >= 80) return "";
  return base::StrCat("the kernels need compute capability 8.0 or newer, ", found->name, " has ",
                      found->capability / 10, ".", found->capability % 10);
}

void AttendOnCUDA(const at::Tensor& q, const at::Tensor& v, const std::string& kernel, const MadeCall& made,
                  const at::Tensor& o, const at::Tensor& counts, CallClock& clock, CallResults& results) {
  const c10::DeviceGuard guard(q.device());
  const cuda::Device* device = FindDevice(q.device());
  base::Check(device != nullptr, base::ErrorCode::kUnsupported, WhyOnlyDenseOnCUDA(q.device()));
  const Shape& s = made.call.shape;
  const cuda::Choice choice = cuda::ChooseKernel(kernel, made.call.mode, made.call.dtype, s, *device);
  results.kernel = choice.kernel;
  results.reason = choice.reason;
  results.fallback = choice.fallback;

  Call call = made.call;
  call.o = {o.mutable_data_ptr(), {o.stride(0), o.stride(1), o.stride(2), o.stride(3)}};
  call.counts = static_cast<HeadCounts*>(counts.mutable_data_ptr());
  const at::Tensor heads = ToDevice(made.heads.data(), s.query_heads, q.device());
  call.heads = static_cast<const HeadParameters*>(heads.const_data_ptr());
  at::Tensor key_lengths, block_map;
  if (call.key_lengths != nullptr) {
    key_lengths = ToDevice(call.key_lengths, s.batch, q.device());
    call.key_lengths = static_cast<const int64_t*>(key_lengths.const_data_ptr());
  }
  if (call.block_map != nullptr) {
    block_map = ToDevice(call.block_map, made.block_map.numel(), q.device());
    call.block_map = static_cast<const uint8_t*>(block_map.const_data_ptr());
  }
  if (results.want_lse) {
    results.lse = at::empty({s.batch, s.query_heads, s.query_length}, q.options().dtype(at::kFloat));
    call.lse = results.lse.mutable_data_ptr<float>();
  }
  if (results.want_block_map) {
    results.block_map =
        at::empty({s.batch, s.query_heads, s.query_blocks(), s.key_blocks()}, q.options().dtype(at::kByte));
    call.block_map_used = results.block_map.mutable_data_ptr<uint8_t>();
  }
  const at::Tensor scratch =
      at::empty({static_cast<int64_t>(cuda::ScratchBytes(call, choice, *device))}, q.options().dtype(at::kByte));
  void* const stream = c10::cuda::getCurrentCUDAStream(q.device().index()).stream();
  cuda::LaunchPrologue(call, choice, *device, scratch.mutable_data_ptr(), stream);
  clock.Predicted();
  cuda::LaunchMain(call, choice, *device, scratch.mutable_data_ptr(), stream);
}

}  // namespace attention
