#include "app/gui/stats_board.h"

#include <gtest/gtest.h>

namespace app {
namespace {

using nlohmann::json;

json Call(int layer, std::vector<int> kept, double ms, const char* pass = "cond") {
  const std::vector<int> visible(kept.size(), 100), tiles(kept.size(), 40), skipped(kept.size(), 10);
  return {{"layer", layer},      {"kind", "self"},    {"pass", pass},          {"visible_blocks", visible},
          {"kept_blocks", kept}, {"pv_tiles", tiles}, {"pv_skipped", skipped}, {"ms", ms}};
}

TEST(StatsBoard, FillsStepByStepPassesAddUp) {
  StatsBoard board;
  board.Begin(4, 2, 2);
  board.TakeProgress({{"stage", "denoise"}, {"step", 1}, {"s_per_step", 0.1}});
  board.TakeStats({{"step", 0}, {"layers", {Call(1, {40, 60}, 10), Call(1, {20, 20}, 10, "uncond")}}});
  const ui::SkipGrid& grid = board.view().grid;
  EXPECT_EQ(grid.num_steps, 4);
  EXPECT_FALSE(grid.Layer(0, 0).known);
  EXPECT_FALSE(grid.Layer(1, 1).known);
  EXPECT_EQ(grid.at(0, 1, 0).kept_blocks, 60);
  EXPECT_EQ(grid.at(0, 1, 0).visible_blocks, 200);
  EXPECT_DOUBLE_EQ(grid.Layer(0, 1).ms, 20);
  EXPECT_NEAR(*board.view().share_of_time, 0.2, 1e-9);
  EXPECT_FALSE(board.view().speedup) << "nothing ran in full yet";
}

TEST(StatsBoard, SpeedIsMeasuredAgainstFullCalls) {
  StatsBoard board;
  board.Begin(2, 2, 1);
  board.TakeProgress({{"stage", "denoise"}, {"step", 1}, {"s_per_step", 0.1}});
  json full = Call(0, {100}, 40);
  full["pv_skipped"] = {0};
  board.TakeStats({{"step", 0}, {"layers", {full, Call(1, {30}, 10)}}});
  // 100 ms as it is; layer 1 in full would take 30 ms more.
  EXPECT_NEAR(*board.view().speedup, 1.3, 1e-9);
  EXPECT_NEAR(*board.view().ceiling, 130.0 / 50, 1e-9);
}

TEST(StatsBoard, AShapeThatWasNotKnownGrows) {
  StatsBoard board;
  board.Begin(0, 0, 0);
  board.TakeStats({{"step", 2}, {"layers", {Call(3, {1, 2, 3}, 1)}}});
  EXPECT_EQ(board.view().grid.num_steps, 3);
  EXPECT_EQ(board.view().grid.num_layers, 4);
  EXPECT_EQ(board.view().grid.num_heads, 3);
  board.TakeStats({{"step", 0}, {"layers", {Call(5, {9}, 1)}}});
  EXPECT_EQ(board.view().grid.num_layers, 6);
  EXPECT_EQ(board.view().grid.at(2, 3, 2).kept_blocks, 3) << "what was there stays";
}

TEST(StatsBoard, RecordGivesKernelsAndFallBacks) {
  StatsBoard board;
  board.Begin(1, 1, 1);
  EXPECT_FALSE(board.view().kernels_note.empty());
  board.TakeRecord(
      {{"kernels", {{"avx512", 12}, {"sdpa", 3}}},
       {"share_of_time", 0.4},
       {"fallbacks",
        {{{"step", 0}, {"layer", 0}, {"kind", "vae"}, {"kernel", "sdpa"}, {"reason", "head_dim"}, {"calls", 2}},
         {{"step", 1}, {"layer", 0}, {"kind", "vae"}, {"kernel", "sdpa"}, {"reason", "head_dim"}, {"calls", 1}}}},
       {"steps", {{{"step", 0}, {"layers", {Call(0, {50}, 1)}}}}}});
  ASSERT_EQ(board.view().kernels.size(), 2u);
  ASSERT_EQ(board.view().fallbacks.size(), 1u);
  EXPECT_EQ(board.view().fallbacks[0].calls, 3);
  EXPECT_DOUBLE_EQ(*board.view().share_of_time, 0.4);
  EXPECT_EQ(board.view().grid.Total().kept_blocks, 50);
}

TEST(StatsBoard, NonsenseIsLeftOut) {
  StatsBoard board;
  board.Begin(-1, 1 << 30, 7);
  EXPECT_TRUE(board.view().grid.empty());
  for (const json& event :
       std::vector<json>{json::object(),
                         {{"step", -1}, {"layers", json::array()}},
                         {{"step", 1e9}, {"layers", json::array()}},
                         {{"step", 999999}, {"layers", {Call(0, {1}, 1)}}},
                         {{"step", 0}, {"layers", "x"}},
                         {{"step", 0}, {"layers", {1, "a", nullptr, {{"layer", 100000}, {"kept_blocks", {1}}}}}},
                         {{"step", 0}, {"layers", {{{"layer", 0}, {"kept_blocks", 5}}}}}}) {
    board.TakeStats(event);
  }
  board.TakeRecord(json::array());
  board.TakeRecord({{"steps", 4}, {"kernels", 1}, {"fallbacks", {1, {{"kernel", 4}}}}});
  board.TakeStats(
      {{"step", 0}, {"layers", {{{"layer", 0}, {"kind", "self"}, {"kept_blocks", {"x", -4}}, {"ms", "y"}}}}});
  EXPECT_EQ(board.view().grid.Total().kept_blocks, 0);
}

}  // namespace
}  // namespace app
