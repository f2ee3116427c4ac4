#pragma once

#include "attention/cuda/common/params.h"

// What a launch of the second stage must ask for. No CUDA here.
namespace attention::cuda {

inline constexpr int ValueElementBytes(PV pv) { return pv == PV::kE4M3 ? 1 : 2; }

// Blocks of threads on one multiprocessor that the registers are budgeted for.
inline constexpr int AttendMinBlocks(int width) { return width <= 128 ? 2 : 1; }

// A tile of queries; a tile of keys and of values a stage; 16 bytes a stage for what belongs to it and 64 a row
// group. In the end, a buffer of 16 × 72 floats a warp.
inline constexpr int AttendSharedBytes(PV pv, int width, int stages) {
  const int tiles = 128 * width + stages * (64 * width * (1 + ValueElementBytes(pv)) + 16) + 128;
  const int buffers = (width <= 128 ? 4 : 8) * 16 * 72 * 4;
  return tiles > buffers ? tiles : buffers;
}

inline constexpr int ExactSharedBytes(int width) { return (32 + 32 + 64) * 68 * 4 + 16 * width * 4; }

}  // namespace attention::cuda
