#pragma once

#include <cstdint>
#include <functional>

#include "cuda_emulation/block.h"
#include "cuda_emulation/global_memory.h"

namespace cuda_emulation {

struct LaunchOptions {
  uint64_t seed = DefaultSeed();  // of the schedule, of when copies land, of what memory holds at first
  int host_threads = DefaultHostThreads();

  static uint64_t DefaultSeed();    // CUDA_EMULATION_SEED, a number or `random`; 1 where it is not set
  static int DefaultHostThreads();  // CUDA_EMULATION_THREADS; as many as the machine has where it is not set
};

// Runs `body` in every thread of every block, blocks in the order that the seed draws. Throws the first EmulationFault
// (kBadOperand for a shape that no device takes); then what the other blocks did is unknown.
void Launch(GlobalMemory& global, const LaunchShape& shape, const std::function<void()>& body,
            const LaunchOptions& options = {});

}  // namespace cuda_emulation
