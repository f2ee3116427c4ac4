// The generalised Hilbert order: every grid's cells, each once, each beside the one before.
#include "pipeline/layers/token_order.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "attention/base/error.h"

namespace {

using Grid = std::array<int64_t, 3>;

std::array<int64_t, 3> Cell(int64_t index, const Grid& grid) {
  return {index / (grid[1] * grid[2]), index / grid[2] % grid[1], index % grid[2]};
}

// How many cells are missing or come twice, and how many pairs of successive cells are no neighbours.
struct Faults {
  int64_t cells = 0, jumps = 0;
};

Faults FaultsOf(const std::vector<int64_t>& order, const Grid& grid) {
  const int64_t cells = grid[0] * grid[1] * grid[2];
  Faults faults;
  std::vector<bool> seen(static_cast<size_t>(cells), false);
  faults.cells = std::abs(static_cast<int64_t>(order.size()) - cells);
  for (size_t i = 0; i < order.size(); ++i) {
    const bool fresh = order[i] >= 0 && order[i] < cells && !seen[static_cast<size_t>(order[i])];
    if (!fresh) {
      ++faults.cells;
      continue;
    }
    seen[static_cast<size_t>(order[i])] = true;
    if (i == 0) continue;
    const auto a = Cell(order[i - 1], grid), b = Cell(order[i], grid);
    const int64_t distance = std::abs(a[0] - b[0]) + std::abs(a[1] - b[1]) + std::abs(a[2] - b[2]);
    if (distance != 1) ++faults.jumps;
  }
  return faults;
}

TEST(TokenOrder, EachCellOnceAndNeighboursAdjacentOnEveryGrid) {
  int64_t grids = 0;
  for (int64_t t = 1; t <= 13; ++t) {
    for (int64_t h = 1; h <= 13; ++h) {
      for (int64_t w = 1; w <= 13; ++w) {
        const Grid grid = {t, h, w};
        const std::vector<int64_t> order = pipeline::HilbertOrder(grid);
        const Faults faults = FaultsOf(order, grid);
        ASSERT_EQ(faults.cells, 0) << t << " x " << h << " x " << w;
        ASSERT_EQ(faults.jumps, 0) << t << " x " << h << " x " << w;
        ASSERT_EQ(order[0], 0);
        ++grids;
      }
    }
  }
  EXPECT_GE(grids, 1000);
}

TEST(TokenOrder, LargeAndLopsidedGrids) {
  for (const Grid& grid : {Grid{21, 30, 52}, Grid{21, 45, 80}, Grid{1, 1, 1001}, Grid{1, 999, 2}, Grid{3, 1, 500},
                           Grid{2, 301, 3}, Grid{63, 63, 64}, Grid{127, 1, 129}, Grid{5, 7, 2}}) {
    const Faults faults = FaultsOf(pipeline::HilbertOrder(grid), grid);
    EXPECT_EQ(faults.cells, 0) << grid[0] << " x " << grid[1] << " x " << grid[2];
    EXPECT_EQ(faults.jumps, 0) << grid[0] << " x " << grid[1] << " x " << grid[2];
  }
}

// Mean over runs of `run` tokens of the mean squared distance to the run's centre.
double Spread(const std::vector<int64_t>& order, const Grid& grid, size_t run) {
  double sum = 0;
  int64_t runs = 0;
  for (size_t begin = 0; begin + run <= order.size(); begin += run, ++runs) {
    for (size_t axis = 0; axis < 3; ++axis) {
      double mean = 0, square = 0;
      for (size_t i = begin; i < begin + run; ++i) {
        const double x = static_cast<double>(Cell(order[i], grid)[axis]);
        mean += x / static_cast<double>(run);
        square += x * x / static_cast<double>(run);
      }
      sum += square - mean * mean;
    }
  }
  return sum / static_cast<double>(runs);
}

// What the order is for: blocks of 128 queries are compact. A box of 4 x 4 x 8 has 7.75; raster rows of 52 have 234.
TEST(TokenOrder, BlocksAreCompact) {
  for (const Grid& grid : {Grid{16, 16, 16}, Grid{9, 16, 16}, Grid{21, 30, 52}, Grid{31, 31, 31}, Grid{13, 17, 23}}) {
    EXPECT_LT(Spread(pipeline::HilbertOrder(grid), grid, 128), 1.25 * 7.75)
        << grid[0] << " x " << grid[1] << " x " << grid[2];
  }
}

TEST(TokenOrder, InverseAndErrors) {
  const std::vector<int64_t> order = pipeline::HilbertOrder({3, 4, 5}), inverse = pipeline::InverseOrder(order);
  for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(inverse[static_cast<size_t>(order[i])], static_cast<int64_t>(i));
  EXPECT_THROW(pipeline::HilbertOrder({0, 4, 5}), base::Error);
  EXPECT_THROW(pipeline::HilbertOrder({3, -1, 5}), base::Error);
}

}  // namespace
