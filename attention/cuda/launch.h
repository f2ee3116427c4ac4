#pragma once

#include "attention/cuda/plan.h"

// The CUDA half of the door. Needs a driver to do anything, but none to link and start.
namespace attention::cuda {

// Those that the driver shows; empty without a driver or a GPU. Never throws.
std::vector<Device> Devices();

// Enqueues the call on `stream` (a cudaStream_t) of `device` and returns. q, k, v, o, lse, key_lengths, heads, block_map,
// block_map_used and counts are device memory; so is `scratch` (ScratchBytes), which must stay until the stream is past
// the call. Nothing waits, nothing is allocated. The call's values are not checked here. Throws base::Error: kDevice where
// a launch fails.
void Launch(const Call& call, const Choice& choice, const Device& device, void* scratch, void* stream);

// Its two halves, one after the other on the same stream with the same scratch: what makes the block map and the 8-bit
// operands, and the kernel that attends.
void LaunchPrologue(const Call& call, const Choice& choice, const Device& device, void* scratch, void* stream);
void LaunchMain(const Call& call, const Choice& choice, const Device& device, void* scratch, void* stream);

// One of PlanLaunches' steps, on the current device: for benchmarks.
void LaunchOne(const LaunchStep& step, void* stream);

}  // namespace attention::cuda
