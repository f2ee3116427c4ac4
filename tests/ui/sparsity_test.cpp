#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ui/bench.h"

namespace ui {
namespace {

TEST(Sparsity, TheModeSwitchSetsTheMode) {
  Bench bench;
  auto set = Only<SetSetting>(bench.Click("mode/dense"));
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].key, "attention.mode");
  EXPECT_EQ(set[0].value, "dense");
  EXPECT_EQ(Only<SetSetting>(bench.Click("mode/8-bit")).at(0).value, "dense8");
  EXPECT_TRUE(bench.Click("mode/sparge").empty()) << "it is the mode already";
}

TEST(Sparsity, TGoesThroughTheModes) {
  Bench bench;
  SettingRow& mode = const_cast<SettingRow&>(*bench.view.Find("attention.mode"));
  std::string seen;
  for (int i = 0; i < 3; ++i) {
    const auto set = Only<SetSetting>(bench.Frame({{'T'}}));
    ASSERT_EQ(set.size(), 1u);
    mode.value = set[0].value;
    seen += mode.value + " ";
  }
  EXPECT_EQ(seen, "dense dense8 sparge ");
}

TEST(Sparsity, ASliderSetsItsSetting) {
  Bench bench;
  bench.Hover("attention.topk");
  const Rect r = bench.studio.places().at("attention.topk");
  ImGui::GetIO().MouseDown[0] = true;
  bench.Frame();
  ImGui::GetIO().MousePos.x = r.x1 - 2;
  bench.Frames(2);
  ImGui::GetIO().MouseDown[0] = false;
  bench.Frame();
  const auto set = Only<SetSetting>(bench.all);
  ASSERT_FALSE(set.empty());
  EXPECT_EQ(set.back().key, "attention.topk");
  EXPECT_EQ(set.back().value, "1.00");
  EXPECT_FALSE(bench.Has("reset/attention.topk")) << "the view still has the default";
  const_cast<SettingRow&>(*bench.view.Find("attention.topk")).value = "0.9";
  bench.Frames(2);
  EXPECT_EQ(Only<SetSetting>(bench.Click("reset/attention.topk")).at(0).value, "");
}

TEST(Sparsity, LiveIsSwitchedOff) {
  Bench bench;
  const auto live = Only<SetLive>(bench.Click("live"));
  ASSERT_EQ(live.size(), 1u);
  EXPECT_FALSE(live[0].on);
}

TEST(Sparsity, ACellOpensItsHeads) {
  Bench bench;
  bench.view.shown_job = 3;
  bench.view.sparsity.grid = SampleGrid(6, 4, 3, 2);
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("heads"));
  bench.Click("heat/1/2");
  bench.Frames(2);
  ASSERT_TRUE(bench.Has("heads"));
  EXPECT_TRUE(bench.Has("heads/2/3"));
  bench.Click("heads/close");
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("heads"));
}

TEST(Sparsity, AHeadOpensItsBlockMap) {
  Bench bench(UiState{}, ImVec2(1400, 1100));
  bench.view.shown_job = 3;
  bench.view.sparsity.grid = SampleGrid(6, 4, 3, 2);
  bench.Frames(2);
  bench.Click("heat/1/2");
  bench.Frames(2);
  const auto asked = Only<ShowMap>(bench.Click("heads/2/3"));
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].step, 1);
  EXPECT_EQ(asked[0].layer, 3);
  EXPECT_EQ(asked[0].head, 2);
  bench.view.sparsity.map = SampleMap(1, 3, 2);
  bench.Frames(2);
  ASSERT_TRUE(bench.Has("map"));
  const Rect r = bench.studio.places().at("map");
  EXPECT_NEAR(r.x1 - r.x0, r.y1 - r.y0, 1) << "as many keys as queries: square";
  EXPECT_EQ(std::count(bench.textures.shown.begin(), bench.textures.shown.end(), 777u), 2);
  const auto pass = Only<ShowMap>(bench.Click("map_pass/negative"));
  ASSERT_EQ(pass.size(), 1u);
  EXPECT_EQ(pass[0].pass, "uncond");
  bench.Click("map/large");
  bench.Frames(2);
  EXPECT_TRUE(bench.Has("map_large"));
  bench.Hover("map_large");  // its tooltip draws
  bench.Click("map/back");
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("map_large"));
  bench.view.sparsity.map = BlockMapView{};
  bench.view.sparsity.map->note = "gone";
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("map"));
}

TEST(Sparsity, MapsByKeyboardAlone) {
  Bench bench(UiState{}, ImVec2(1400, 1100));
  bench.view.shown_job = 3;
  bench.view.sparsity.grid = SampleGrid(6, 4, 3, 2);
  bench.Frames(2);
  bench.Frame({{kKeyRight, true}});
  bench.Frame({{kKeyRight, true}});
  bench.Frame({{kKeyDown, true}});
  EXPECT_TRUE(Only<ShowMap>(bench.all).empty());
  bench.Frame({{']'}});
  bench.Frame({{']'}});
  bench.Frame({{kKeyRight, true}});
  const auto asked = Only<ShowMap>(bench.all);
  ASSERT_EQ(asked.size(), 3u);
  EXPECT_EQ(asked[0].head, 0);
  EXPECT_EQ(asked[1].head, 1);
  EXPECT_EQ(asked[2].step, 2) << "the map follows the cell";
  EXPECT_EQ(asked[2].layer, 1);
  EXPECT_EQ(asked[2].head, 1);
  bench.Frames(2);
  EXPECT_TRUE(bench.Has("heads"));
  bench.Frame({{'H'}});
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("heads"));
}

TEST(Sparsity, AnAuditIsAskedForAndDrawnTheSameWay) {
  Bench bench(UiState{}, ImVec2(1400, 1100));
  bench.view.shown_job = 3;
  bench.view.sparsity.grid = SampleGrid(6, 4, 3, 2);
  bench.view.why_not.audit = "Nothing renders";
  bench.Click("heat_view/error");
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("heat")) << "nothing was audited";
  EXPECT_TRUE(Only<AuditStep>(bench.Click("audit")).empty());
  bench.view.why_not.audit.clear();
  EXPECT_EQ(Only<AuditStep>(bench.Click("audit")).size(), 1u);
  bench.view.sparsity.errors = SampleErrors(6, 4, 3, 1);
  bench.Frames(2);
  ASSERT_TRUE(bench.Has("heat"));
  for (const char* part : {"error_part/skipping", "error_part/8 bits", "error_part/all"}) {
    bench.Click(part);
    bench.Hover("heat/0/1");
  }
  bench.Click("heat/0/1");
  bench.Frames(2);
  ASSERT_TRUE(bench.Has("heads"));
  bench.Hover("heads/1/1");
  bench.Click("heat/3/1");  // a step that was not audited
  bench.Frames(2);
}

TEST(Sparsity, AnotherJobClosesTheHeads) {
  Bench bench;
  bench.view.sparsity.grid = SampleGrid(6, 4, 3, 6);
  bench.view.shown_job = 3;
  bench.Frames(2);
  bench.Click("heat/5/3");
  bench.Frames(1);
  ASSERT_TRUE(bench.Has("heads"));
  bench.view.shown_job = 4;
  bench.view.sparsity.grid = SampleGrid(2, 2, 1, 1);
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("heads"));
}

TEST(Sparsity, LargeGridsDraw) {
  Bench bench;
  bench.view.sparsity.grid = SampleGrid(100, 60, 40, 100);
  bench.Frames(3);
  bench.Hover("heat");
  EXPECT_TRUE(bench.Has("heat"));
}

TEST(Sparsity, TheHeatViewIsRemembered) {
  Bench bench;
  bench.Click("heat_view/P·V");
  EXPECT_EQ(bench.studio.state().heat_view, HeatView::kTiles);
}

TEST(Schedule, DraggingPaintsARectangle) {
  UiState state;
  state.painter_open = true;
  state.kernels_open = false;
  Bench bench(state, ImVec2(1400, 1100));
  bench.Frames(2);
  ASSERT_TRUE(bench.Has("schedule"));
  const Rect r = bench.studio.places().at("schedule");
  const auto at = [&](int step, int layer) {
    return ImVec2(r.x0 + (static_cast<float>(step) + 0.5f) * (r.x1 - r.x0) / 6,
                  r.y0 + (static_cast<float>(layer) + 0.5f) * (r.y1 - r.y0) / 4);
  };
  bench.Click("brush/8-bit");
  ImGui::GetIO().MousePos = at(4, 3);
  bench.Frames(2);
  ImGui::GetIO().MouseDown[0] = true;
  bench.Frame();
  ImGui::GetIO().MousePos = at(1, 2);
  bench.Frames(2);
  ImGui::GetIO().MouseDown[0] = false;
  const size_t before = bench.all.size();
  bench.Frames(2);
  const auto painted = Only<PaintSchedule>({bench.all.begin() + static_cast<ptrdiff_t>(before), bench.all.end()});
  ASSERT_EQ(painted.size(), 1u);
  EXPECT_EQ(painted[0].step0, 1);
  EXPECT_EQ(painted[0].step1, 4);
  EXPECT_EQ(painted[0].layer0, 2);
  EXPECT_EQ(painted[0].layer1, 3);
  EXPECT_EQ(painted[0].mode, CellMode::kDense8);
}

TEST(Schedule, SaysWhyItCannotBePainted) {
  UiState state;
  state.painter_open = true;
  Bench bench(state, ImVec2(1400, 1100));
  bench.view.schedule.note = "choose a model first";
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("schedule"));
}

}  // namespace
}  // namespace ui
