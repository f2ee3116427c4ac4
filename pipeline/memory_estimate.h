#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"

// What memory a render takes, from the model's sizes and the request alone. No torch here.
namespace pipeline {

// This machine and process; what models of its it holds counts as available. Throws as Pipeline::Open does for the
// options. (In the target `pipeline`: it asks libtorch.)
Machine LookAtMachine(const RuntimeOptions& options);

struct MemoryRequest {
  int64_t width_px = 0, height_px = 0, num_frames = 0, max_sequence_length = 512;
  bool guided = true;         // two passes a step
  bool decodes_only = false;  // from latents: nothing is encoded or denoised
  bool tiled = false;         // the VAE decodes in tiles
  bool lean = false;          // what a stage does not need is not in memory: as it is where memory is short
};

struct StageMemory {
  std::string stage;  // "encode prompt", "denoise", "decode", "write"
  int64_t host_bytes = 0, device_bytes = 0;
};

struct MemoryEstimate {
  std::vector<StageMemory> stages;  // at their peaks, everything counted that is in memory then
  int64_t host_bytes() const;       // of the stage that takes most
  int64_t device_bytes() const;
};

// On CPUs measured on Toybox, 64 x 64 x 9 to 384 x 256 x 17 in float32 and bfloat16: within 15 % of the resident memory
// but for one clip in twenty (20 %). On CUDA devices the same account of what is alive, not measured yet.
MemoryEstimate EstimateMemory(const ModelInfo& model, const MemoryRequest& request, const Machine& machine);

// What denoising takes besides weights; decoding likewise.
int64_t DenoiseWorkBytes(const ModelInfo& model, const MemoryRequest& request, const Machine& machine);
int64_t DecodeWorkBytes(const ModelInfo& model, const MemoryRequest& request, const Machine& machine);

}  // namespace pipeline
