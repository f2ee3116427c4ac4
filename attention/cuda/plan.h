#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "attention/cuda/common/params.h"

// Which kernel runs a call, and with which launches. No CUDA here: the real launcher (launch.h) and the emulator's tests
// walk the same steps.
namespace attention::cuda {

struct Device {
  int index = 0;
  int capability = 0;  // 90: sm_90
  int multiprocessors = 0;
  int64_t shared_memory_per_block = 0;  // the most that a block may be given
  int64_t shared_memory_per_multiprocessor = 0;
  int64_t l2_bytes = 0;
  std::string name;
};

// "cuda_fp16", "cuda_e4m3", "cuda_bf16", "cuda_exact".
const std::vector<std::string>& KernelNames();

struct Choice {
  std::string kernel, reason;
  bool fallback = false;
};

// `asked`: a name, or "auto". Throws base::Error, kUnsupported, with the reason where a kernel asked for by name, or every
// kernel, cannot do it.
Choice ChooseKernel(const std::string& asked, Mode mode, DType dtype, const Shape& shape, const Device& device);

// Device memory that a call needs beside its tensors, in bytes.
size_t ScratchBytes(const Call& call, const Choice& choice, const Device& device);

// One kernel launch: `width` 64, 128 or 256 picks the instance where the kernel has several, and so does `pv`.
struct LaunchStep {
  using Params = std::variant<SumKeysParams, FinishKeysParams, QuantizeParams, ScoreParams, SelectParams, OrderParams,
                              AttendParams, ExactParams>;
  const char* name;
  Params params;
  int width;
  PV pv;
  int64_t grid_x, grid_y;
  int64_t shared_bytes;
};

// The launches of a call, in order; each may start when the one before has ended. Every pointer of the call but none of
// its other fields is device memory. `scratch`: ScratchBytes() bytes, on a boundary of 256.
std::vector<LaunchStep> PlanLaunches(const Call& call, const Choice& choice, const Device& device, void* scratch);

}  // namespace attention::cuda
