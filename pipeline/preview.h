#pragma once

#include <cstdint>
#include <vector>

// How a clip looks while it is denoised. No torch here.
namespace pipeline {

struct PreviewFrames {
  int64_t width = 0, height = 0, frames = 0;
  std::vector<uint8_t> rgb;  // [frames, height, width, 3]
};

// A linear map from the channels of a latent pixel to the RGB of the pixels that it becomes, seen coarsely: patch ×
// patch of them in each of its frames.
struct LatentRGB {
  int64_t channels = 0;        // of the latents
  int64_t frames_each = 1;     // that a latent frame stands for; the first one stands for one
  int64_t patch = 1;           // preview pixels along a side of a latent pixel
  bool from_decode = false;    // fitted to a clip of the model's; else to a pattern of colours
  std::vector<float> weights;  // [channels + 1, frames_each, patch, patch, 3] to RGB in −1…1; the last row is added

  int64_t outputs() const { return frames_each * patch * patch * 3; }
};

}  // namespace pipeline
