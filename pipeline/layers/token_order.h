#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace pipeline {

// A generalised Hilbert order of the cells of a (t, h, w) grid of any size, so that runs of tokens are compact in space
// and time and the block map has something to skip. Entry i is the raster index (w fastest) of the i-th cell. Every
// cell comes once and two successive cells are always neighbours (they differ by 1 in one coordinate): unlike a curve
// with a prescribed end, a path with a free end can always step to a neighbour. Starts at cell 0; linear time. Throws
// Error{kInvalidInput} for a size below 1.
std::vector<int64_t> HilbertOrder(std::array<int64_t, 3> grid);

// The inverse of a permutation.
std::vector<int64_t> InverseOrder(const std::vector<int64_t>& order);

}  // namespace pipeline
