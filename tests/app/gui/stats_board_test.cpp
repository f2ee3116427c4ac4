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
  board.TakeStats({{"step", 0},
                   {"seconds", 0.1},
                   {"attention_seconds", 0.03},
                   {"layers", {Call(1, {40, 60}, 10), Call(1, {20, 20}, 10, "uncond")}}});
  const ui::SkipGrid& grid = board.view().grid;
  EXPECT_EQ(grid.num_steps, 4);
  EXPECT_FALSE(grid.Layer(0, 0).known);
  EXPECT_FALSE(grid.Layer(1, 1).known);
  EXPECT_EQ(grid.at(0, 1, 0).kept_blocks, 60);
  EXPECT_EQ(grid.at(0, 1, 0).visible_blocks, 200);
  EXPECT_DOUBLE_EQ(grid.Layer(0, 1).ms, 20);
  EXPECT_NEAR(*board.view().share_of_time, 0.3, 1e-9) << "cross-attention counts too";
  EXPECT_FALSE(board.view().speedup) << "nothing ran in full yet";
}

json Full(int layer, double ms) {
  json call = Call(layer, {100}, ms);
  call["pv_skipped"] = {0};
  return call;
}

json Stats(int step, double seconds, const json& calls) {
  return {{"step", step}, {"seconds", seconds}, {"attention_seconds", seconds / 2}, {"layers", calls}};
}

TEST(StatsBoard, SpeedIsMeasuredAgainstDenseCalls) {
  using ui::CellMode;
  StatsBoard board;
  board.Begin(2, 3, 1);
  board.SetModes(
      {CellMode::kDense, CellMode::kDense8, CellMode::kSparge, CellMode::kDense, CellMode::kDense8, CellMode::kSparge},
      3);
  // 100 ms as it is. With all three layers dense, 40 ms each, it would take 100 − 70 + 120.
  board.TakeStats(Stats(0, 0.1, {Full(0, 40), Full(1, 20), Call(2, {30}, 10)}));
  EXPECT_NEAR(*board.view().speedup, 1.5, 1e-9);
  EXPECT_NEAR(*board.view().ceiling, 150.0 / 30, 1e-9);
  EXPECT_NE(board.view().speedup_note.find("own dense calls (mean of 1 call)"), std::string::npos)
      << board.view().speedup_note;
  board.TakeStats(Stats(1, 0.1, {Full(0, 40), Full(1, 20), Call(2, {30}, 10)}));
  EXPECT_NEAR(*board.view().speedup, 1.5, 1e-9) << "over all steps";
  EXPECT_NEAR(board.dense().Mean({100, 1}), 40, 1e-9);
}

TEST(StatsBoard, SpeedIsMeasuredAgainstAnEarlierClip) {
  StatsBoard board;
  FullTimes earlier;
  earlier.Add({100, 1}, 50);
  board.Begin(2, 2, 1);
  board.SetEarlier(earlier);
  board.TakeStats(Stats(0, 0.1, {Call(0, {40}, 10), Call(1, {30}, 10)}));
  EXPECT_NEAR(*board.view().speedup, 1.8, 1e-9);
  EXPECT_NE(board.view().speedup_note.find("earlier clip"), std::string::npos);
}

TEST(StatsBoard, EightBitsAreSaidToBeTheMeasureWhereNothingRanDense) {
  StatsBoard board;
  board.Begin(2, 2, 1);
  board.SetModes(std::vector<ui::CellMode>(4, ui::CellMode::kDense8), 2);
  board.TakeStats(Stats(0, 0.1, {Full(0, 20), Call(1, {30}, 10)}));
  EXPECT_NEAR(*board.view().speedup, 1.1, 1e-9);
  EXPECT_NE(board.view().speedup_note.find("8-bit"), std::string::npos);
}

TEST(StatsBoard, WithoutAMeasureOnlyTheCeilingIsKnown) {
  StatsBoard board;
  board.Begin(2, 2, 1);
  board.TakeStats(Stats(0, 0.1, {Call(0, {40}, 10), Call(1, {30}, 10)}));
  EXPECT_FALSE(board.view().speedup);
  EXPECT_NEAR(*board.view().ceiling, 1.25, 1e-9);
  EXPECT_NE(board.view().speedup_note.find("not known yet"), std::string::npos);
}

TEST(StatsBoard, KernelsAndFallBacksComeWithEachStep) {
  StatsBoard board;
  board.Begin(4, 2, 1);
  const auto event = [](int step, int layer) {
    json stats = Stats(step, 0.1, {Call(0, {40}, 10)});
    stats["kernels"] = {{"avx512", 3 * (step + 1)}, {"sdpa", step + 1}};
    stats["fallbacks"] = {
        {{"layer", layer}, {"kind", "self"}, {"kernel", "sdpa"}, {"reason", "head_dim 300"}, {"calls", 2}}};
    return stats;
  };
  for (int step = 0; step < 3; ++step) board.TakeStats(event(step, step == 2 ? 1 : 0));
  board.TakeStats(event(2, 1));  // a step that ran again counts once
  ASSERT_EQ(board.view().kernels.size(), 2u);
  EXPECT_EQ(board.view().kernels[0].name, "avx512") << "the most called one first";
  EXPECT_EQ(board.view().kernels[0].calls, 9);
  EXPECT_TRUE(board.view().kernels_note.empty());
  ASSERT_EQ(board.view().fallbacks.size(), 1u);
  EXPECT_EQ(board.view().fallbacks[0].where, "self attention, layers 0–1, steps 0–2");
  EXPECT_EQ(board.view().fallbacks[0].calls, 6);
}

json Audited(int step, int layer, double total) {
  return {{"step", step},
          {"layer", layer},
          {"kind", "self"},
          {"pass", "cond"},
          {"mode", "sparge"},
          {"total", {total, total / 2}},
          {"skipping", {total, 0.0}},
          {"eight_bit", {0.01, 0.01}},
          {"dense8", {0.02, nullptr}}};
}

TEST(StatsBoard, AuditsFillTheGridOfErrors) {
  StatsBoard board;
  board.Begin(4, 3, 2);
  EXPECT_TRUE(board.view().errors.empty());
  board.TakeAudit({{"step", 2}, {"calls", {Audited(2, 1, 0.04), Audited(2, 1, 0.08)}}});
  const ui::ErrorGrid& grid = board.view().errors;
  EXPECT_EQ(grid.num_steps, 4);
  EXPECT_FALSE(grid.Layer(0, 0).known());
  const ui::ErrorSums head = grid.at(2, 1, 0);
  EXPECT_NEAR(head.Mean(head.total), 0.06, 1e-12) << "the mean of both passes";
  EXPECT_NEAR(head.Mean(head.eight_bit), 0.01, 1e-12);
  board.TakeAudit({{"step", 2}, {"calls", {Audited(2, 1, 0.1)}}});
  EXPECT_NEAR(grid.at(2, 1, 0).Mean(grid.at(2, 1, 0).total), 0.1, 1e-12) << "the newest audit of a step";
  for (const json& odd : std::vector<json>{1,
                                           {{"calls", 3}},
                                           {{"calls", {1, {{"step", 1e9}}, {{"step", 0}, {"layer", 0}}}}},
                                           {{"calls", {{{"step", 0}, {"layer", 0}, {"total", {"x"}}}}}}}) {
    board.TakeAudit(odd);
  }
  EXPECT_NEAR(grid.at(2, 1, 0).Mean(grid.at(2, 1, 0).total), 0.1, 1e-12);
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
  board.TakeSidecar(
      {{"attention",
        {{"kernels", {{"avx512", 12}, {"sdpa", 3}}},
         {"share_of_time", 0.4},
         {"fallbacks",
          {{{"step", 0}, {"layer", 0}, {"kind", "vae"}, {"kernel", "sdpa"}, {"reason", "head_dim"}, {"calls", 2}},
           {{"step", 1}, {"layer", 0}, {"kind", "vae"}, {"kernel", "sdpa"}, {"reason", "head_dim"}, {"calls", 1}}}},
         {"steps", {{{"step", 0}, {"layers", {Call(0, {50}, 1)}}}}}}},
       {"timings_s", {{"steps", {0.25}}}},
       {"audit", {{"calls", {Audited(0, 0, 0.5)}}}}});
  EXPECT_TRUE(board.view().errors.at(0, 0, 0).known());
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
  board.TakeSidecar(json::array());
  board.TakeSidecar(
      {{"attention", {{"steps", 4}, {"kernels", 1}, {"fallbacks", {1, {{"kernel", 4}}}}}}, {"timings_s", 4}});
  board.TakeSidecar({{"attention", 7}, {"audit", 7}});
  board.TakeStats(
      {{"step", 0}, {"layers", {{{"layer", 0}, {"kind", "self"}, {"kept_blocks", {"x", -4}}, {"ms", "y"}}}}});
  EXPECT_EQ(board.view().grid.Total().kept_blocks, 0);
}

}  // namespace
}  // namespace app
