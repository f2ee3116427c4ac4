#pragma once

#include <functional>
#include <utility>

#include "cuda_emulation/launch.h"
#include "tests/attention/cuda/gpu_cases.h"

namespace attention::test {

// The CUDA kernels' bodies on the emulator (tests/support/cuda_emulation): the backend for machines without a GPU.
// Scratch counts as never written when a call begins, and q, k, v, lengths, parameters and a given map may not be
// written. Throws cuda_emulation::EmulationFault.
class EmulatedDevice : public Backend {
 public:
  // `shared_kib`: of a block and, with 1 KiB more, of a multiprocessor; it decides how deep the pipelines are.
  EmulatedDevice(int capability, int64_t shared_kib, uint64_t seed = cuda_emulation::LaunchOptions::DefaultSeed());

  cuda::Device device() const override { return device_; }
  void* Allocate(size_t bytes) override;
  void Free(void* memory) override;
  void CopyIn(void* to, const void* from, size_t bytes) override;
  void CopyOut(void* to, const void* from, size_t bytes) override;
  void Run(const Call& call, const cuda::Choice& choice, void* scratch) override;
  void RunScores(const cuda::LaunchStep& step, int32_t* scores) override;

  // Called when a step has ended, with what it was given: its memory is still there.
  void Observe(std::function<void(const cuda::LaunchStep&)> observer) { observer_ = std::move(observer); }

 private:
  cuda::Device device_;
  cuda_emulation::GlobalMemory memory_;
  uint64_t seed_;
  int allocations_ = 0;
  std::function<void(const cuda::LaunchStep&)> observer_;
};

}  // namespace attention::test
