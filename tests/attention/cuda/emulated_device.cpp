#include "tests/attention/cuda/emulated_device.h"

#include <cstring>
#include <type_traits>

#include "attention/cuda/attend/shared_bytes.h"
#include "attention/cuda/kernels.cuh"
#include "tests/attention/cuda/scores.cuh"

namespace attention::test {

using cuda_emulation::EmulationFault;
using cuda_emulation::GlobalMemory;

EmulatedDevice::EmulatedDevice(int capability, int64_t shared_kib, uint64_t seed) : seed_(seed) {
  device_.capability = capability;
  device_.multiprocessors = 4;
  device_.shared_memory_per_block = shared_kib * 1024;
  device_.shared_memory_per_multiprocessor = (shared_kib + 1) * 1024;
  device_.l2_bytes = 4 << 20;
  device_.name = "emulated device";
}

void* EmulatedDevice::Allocate(size_t bytes) {
  return memory_.Allocate(bytes, "allocation " + std::to_string(++allocations_));
}

void EmulatedDevice::Free(void* memory) { memory_.Free(memory); }

void EmulatedDevice::CopyIn(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  std::memcpy(to, from, bytes);
  memory_.SetContents(to, GlobalMemory::Contents::kInitialised);
}

void EmulatedDevice::CopyOut(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

void EmulatedDevice::Run(const Call& call, const cuda::Choice& choice, void* scratch) {
  memory_.SetContents(scratch, GlobalMemory::Contents::kUnwritten);
  for (const void* input : {call.q.data, call.k.data, call.v.data, static_cast<const void*>(call.key_lengths),
                            static_cast<const void*>(call.heads), static_cast<const void*>(call.block_map)}) {
    if (input != nullptr) memory_.SetWritable(input, false);
  }
  for (const cuda::LaunchStep& step : cuda::PlanLaunches(call, choice, device_, scratch)) {
    if (step.shared_bytes > device_.shared_memory_per_block) {
      throw EmulationFault(cuda_emulation::Fault::kBadOperand,
                           std::string(step.name) + " asks for more shared memory than the device has");
    }
    cuda::VisitKernel(step, [&](auto tag, const auto& params) {
      using Kernel = typename decltype(tag)::Type;
      const cuda_emulation::LaunchShape shape{
          {static_cast<uint32_t>(step.grid_x), static_cast<uint32_t>(step.grid_y), 1},
          {Kernel::kThreads, 1, 1},
          static_cast<uint32_t>(step.shared_bytes)};
      try {
        cuda_emulation::Launch(memory_, shape, [&params] { Kernel::Body(params); }, {seed_, 1});
      } catch (const EmulationFault& fault) {
        throw EmulationFault(fault.fault(), std::string(step.name) + ": " + fault.what());
      }
    });
    if (observer_) observer_(step);
  }
}

void EmulatedDevice::RunScores(const cuda::LaunchStep& step, int32_t* scores) {
  ScoresParams params{std::get<cuda::AttendParams>(step.params), scores};
  params.attend.stages = 1;
  VisitScores(step.width, [&](auto* kernel) {
    using Kernel = std::remove_pointer_t<decltype(kernel)>;
    const cuda_emulation::LaunchShape shape{
        {static_cast<uint32_t>(step.grid_x), 1, 1},
        {Kernel::kThreads, 1, 1},
        static_cast<uint32_t>(cuda::AttendSharedBytes(cuda::PV::kFloat16, step.width, 1))};
    cuda_emulation::Launch(memory_, shape, [&params] { Kernel::Body(params); }, {seed_, 1});
  });
}

}  // namespace attention::test
