#include "ui/studio.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/ui/bench.h"

namespace ui {
namespace {

void ExpectInside(const Bench& bench, ImVec2 display) {
  for (const auto& [name, r] : bench.studio.places()) {
    EXPECT_FALSE(std::isnan(r.x0) || std::isnan(r.y1)) << name;
    if (name.starts_with("split/")) continue;
    EXPECT_LE(r.x0, display.x + 1) << name;
  }
}

TEST(Studio, AnySizeDraws) {
  for (const ImVec2 size : {ImVec2(1, 1), ImVec2(40, 2000), ImVec2(320, 240), ImVec2(1280, 720), ImVec2(3840, 2160)}) {
    for (const float scale : {1.0f, 2.0f}) {
      Bench bench({}, size, scale);
      bench.view.clip = SampleClip(1, 3);
      bench.view.jobs = {SampleJob(1, JobState::kRunning, std::string(300, 'x')), SampleJob(2, JobState::kFailed, "")};
      bench.view.sparsity.grid = SampleGrid(16, 8, 4, 7);
      bench.view.notices = {{1, Level::kError, std::string(500, 'y'), "do this", "Undo", 0}};
      for (const int key : {'1', '2', '3', '1'}) bench.Frame({{key, true}});
      bench.Frames(2);
      EXPECT_FALSE(bench.studio.places().empty());
    }
  }
}

TEST(Studio, NothingIsCutAtCommonSizes) {
  for (const ImVec2 size : {ImVec2(1280, 720), ImVec2(1400, 860), ImVec2(1920, 1080)}) {
    Bench bench({}, size);
    bench.view.jobs = {SampleJob(1, JobState::kRunning, "x")};
    bench.Frames(3);
    ExpectInside(bench, size);
    for (const char* name :
         {"generate", "generate_ab", "mode/sparge", "workspace/Library", "pause", "save", "cancel_running"}) {
      ASSERT_TRUE(bench.Has(name)) << name;
      const Rect r = bench.studio.places().at(name);
      EXPECT_GE(r.x0, 0) << name;
      EXPECT_LE(r.x1, size.x) << name;
      EXPECT_LE(r.y1, size.y) << name;
    }
    const Rect mode = bench.studio.places().at("mode/dense"), space = bench.studio.places().at("workspace/Library");
    EXPECT_LE(space.x1, mode.x0) << "the top bar's parts do not overlap";
  }
}

TEST(Studio, AnEmptyViewDraws) {
  Bench bench;
  bench.view = {};
  bench.Frames(3);
  EXPECT_TRUE(bench.all.empty());
}

TEST(Studio, StateOfAnyOriginIsTamed) {
  UiState s;
  s.scale = std::numeric_limits<float>::quiet_NaN();
  s.left = -5;
  s.right = 1e30f;
  s.bottom = std::numeric_limits<float>::infinity();
  s.speed = 0;
  s.workspace = static_cast<Workspace>(77);
  s.heat_view = static_cast<HeatView>(-1);
  s.open_groups = std::string(5000, ';');
  const UiState sane = Sane(s);
  EXPECT_EQ(sane.scale, 1);
  EXPECT_EQ(sane.left, 240);
  EXPECT_EQ(sane.right, 800);
  EXPECT_EQ(sane.bottom, UiState().bottom);
  EXPECT_EQ(sane.speed, 0.25);
  EXPECT_EQ(sane.workspace, Workspace::kCreate);
  EXPECT_EQ(sane.heat_view, HeatView::kTotal);
  EXPECT_EQ(sane.open_groups, "");
  Bench bench(s);
  bench.Frames(2);
}

TEST(Studio, SplittersMoveAndStayWithinBounds) {
  Bench bench;
  const float before = bench.studio.state().left;
  bench.Hover("split/left");
  ImGui::GetIO().MouseDown[0] = true;
  bench.Frame();
  ImGui::GetIO().MousePos.x += 40;
  bench.Frames(2);
  ImGui::GetIO().MousePos.x += 4000;
  bench.Frames(2);
  ImGui::GetIO().MouseDown[0] = false;
  bench.Frame();
  EXPECT_GT(bench.studio.state().left, before);
  EXPECT_LE(bench.studio.state().left, 640);
}

TEST(Studio, TheThemeSwitches) {
  Bench bench;
  const ImVec4 dark = ImGui::GetStyle().Colors[ImGuiCol_WindowBg];
  std::vector<Command> out;
  bench.studio.RunAction("theme", bench.view, out);
  bench.Frames(2);
  EXPECT_GT(ImGui::GetStyle().Colors[ImGuiCol_WindowBg].x, dark.x + 0.5f);
}

TEST(Studio, TheLibraryShowsWhatIsVisibleOnly) {
  Bench bench;
  auto items = std::make_shared<std::vector<LibraryItem>>();
  for (uint64_t i = 0; i < 5000; ++i) items->push_back({i + 1, "/out/c.mp4", "a clip", "sparge"});
  bench.view.library.items = items;
  bench.view.library.num_all = 5000;
  bench.Frame({{'3', true}});
  bench.Frames(3);
  size_t visible = 0;
  for (const LibraryCommand& command : Only<LibraryCommand>(bench.all)) {
    if (const auto* now = std::get_if<LibraryVisible>(&command)) visible = now->ids.size();
  }
  EXPECT_GT(visible, 10u);
  EXPECT_LT(visible, 100u);
  bench.Click("clip_of_library/0");
  const auto commands = Only<LibraryCommand>(bench.Click("library/trash"));
  ASSERT_FALSE(commands.empty());
  EXPECT_EQ(std::get<LibraryTrash>(commands[0]).ids, (std::vector<uint64_t>{1}));
}

TEST(Notices, RemedyCopyAndDismiss) {
  Bench bench;
  bench.view.notices = {{11, Level::kError, "The worker died", "It was started again", "Show log", bench.time_s}};
  bench.Frames(3);
  EXPECT_EQ(Only<NoticeAction>(bench.Click("notice/11/act")).at(0).id, 11u);
  bench.Click("notice/11/copy");
  EXPECT_STREQ(ImGui::GetClipboardText(), "The worker died\nIt was started again");
  EXPECT_EQ(Only<DismissNotice>(bench.Click("notice/11/dismiss")).at(0).id, 11u);
}

TEST(Notices, InformationGoesByItselfErrorsStay) {
  Bench bench;
  bench.view.notices = {{1, Level::kInfo, "saved", "", "", bench.time_s},
                        {2, Level::kError, "broken", "", "", bench.time_s}};
  bench.Frames(2);
  bench.time_s += 60;
  const auto dismissed = Only<DismissNotice>(bench.Frame());
  ASSERT_EQ(dismissed.size(), 1u);
  EXPECT_EQ(dismissed[0].id, 1u);
}

}  // namespace
}  // namespace ui
