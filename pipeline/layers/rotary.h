#pragma once

#include <ATen/core/Tensor.h>

#include <array>

namespace pipeline {

// cos + i·sin of a three-axis rotary position embedding over a (T, H, W) token grid, w fastest: [1, T·H·W, 1, D/2]
// complex64, one column a pair of channels (2i, 2i+1); the axes' shares of the channels stand in the order t, h, w.
struct RotaryTable {
  at::Tensor turns;
};

// The table of diffusers' WanRotaryPosEmbed: h and w take 2·(D/6) channels each, t the rest; θ = 10000, angles in
// float64.
RotaryTable MakeRotaryTable3D(int64_t head_dim, std::array<int64_t, 3> grid, double theta, at::Device device);

// Rotates neighbouring channel pairs of x [B, L, H, D]: products in float32, result in x's dtype.
at::Tensor ApplyRotary(const at::Tensor& x, const RotaryTable& table);

}  // namespace pipeline
