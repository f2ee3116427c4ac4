#include <gtest/gtest.h>

#include "tests/ui/bench.h"

namespace ui {
namespace {

TEST(SkipCounts, BlockAndTileSkipsCountApart) {
  const SkipCounts counts{200, 50, 100, 20, 0, true};
  EXPECT_DOUBLE_EQ(counts.block_skip(), 0.75);
  EXPECT_DOUBLE_EQ(counts.pv_skip(), 0.2);
  // A quarter of Q·K and 0.25 · 0.8 of P·V are computed.
  EXPECT_DOUBLE_EQ(counts.total(), 1 - (0.25 + 0.25 * 0.8) / 2);
}

TEST(SkipCounts, NothingVisibleIsNothingSkipped) {
  const SkipCounts counts{0, 0, 0, 0, 0, true};
  EXPECT_EQ(counts.block_skip(), 0);
  EXPECT_EQ(counts.pv_skip(), 0);
  EXPECT_EQ(counts.total(), 0);
}

TEST(SkipGrid, SumsKnownHeadsOnly) {
  SkipGrid grid = SampleGrid(3, 2, 2, 0);
  EXPECT_FALSE(grid.Layer(1, 1).known);
  grid.at(1, 1, 0) = {10, 5, 5, 1, 2, true};
  grid.at(1, 1, 1) = {10, 1, 1, 0, 2, true};
  EXPECT_EQ(grid.Layer(1, 1).kept_blocks, 6);
  EXPECT_EQ(grid.Layer(1, 1).ms, 4);
  EXPECT_FALSE(grid.Layer(1, 0).known);
  EXPECT_EQ(grid.Total().visible_blocks, 20);
  EXPECT_THROW(grid.at(3, 0, 0), std::out_of_range);
}

}  // namespace
}  // namespace ui
