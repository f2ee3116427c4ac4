#pragma once

#include <ATen/core/Tensor.h>

#include "pipeline/preview.h"

namespace pipeline {

// Fits by least squares: normalised latents [1, C, T, h, w], and the frames [1, 3, F, H, W] in −1…1 that belong to
// them, H and W multiples of h and w, F = 1 + (T − 1)·n or fewer (then the first frame alone counts). With `prior`, of
// the same shape, what these latents do not tell stays as it has it. All values are finite.
LatentRGB FitLatentRGB(const at::Tensor& latents, const at::Tensor& frames, const LatentRGB* prior);

// Flat fields of many colours on the move, over a gradient: frames [1, 3, F, H, W] in −1…1, float32 on the CPU, always
// the same. What a VAE encodes them to tells how its latents look.
at::Tensor ColourPattern(int64_t frames, int64_t height, int64_t width);

// Latents [1, C, T, h, w] as 1 + (T − 1)·frames_each frames of patch·w × patch·h. Waits for the device.
PreviewFrames Preview(const at::Tensor& latents, const LatentRGB& map);

}  // namespace pipeline
