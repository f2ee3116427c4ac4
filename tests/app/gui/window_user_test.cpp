#include <gtest/gtest.h>
#include <imgui_internal.h>

#include <fstream>

#include "tests/app/gui/window_fixture.h"

// What a person meets in a day of work: painting that keeps up, keys alone, a model that goes away, letters of many
// scripts.
namespace app {
namespace {

using nlohmann::json;
using ui::JobState;

class WindowUserTest : public WindowTest {
 protected:
  // A clip of `layers` × 2 heads of which the fake worker has done `steps` of 8.
  void Render(int steps) {
    const int layers = view().model.num_layers, heads = view().model.num_heads;
    const uint64_t id = view().jobs.at(0).id;
    for (int step = 0; step < steps; ++step) {
      json calls = json::array();
      for (int layer = 0; layer < layers; ++layer) {
        calls.push_back({{"layer", layer},
                         {"kind", "self"},
                         {"pass", "cond"},
                         {"visible_blocks", std::vector<int>(static_cast<size_t>(heads), 100)},
                         {"kept_blocks", std::vector<int>(static_cast<size_t>(heads), 100 - 10 * step - 4 * layer)},
                         {"ms", 10.0 - step}});
      }
      fake_->Say({{"id", id}, {"event", "progress"}, {"stage", "denoise"}, {"step", step + 1}, {"total", 8}});
      fake_->Say({{"id", id},
                  {"event", "stats"},
                  {"step", step},
                  {"seconds", 0.2},
                  {"attention_seconds", 0.1},
                  {"kernels", {{"avx512_vnni_bf16", 16 * (step + 1)}}},
                  {"layers", calls}});
    }
  }
  // The picture as it became, and as it is when all of it is painted at once. A meter may move in between: then again.
  bool IsWhole() {
    for (int attempt = 0; attempt < 5; ++attempt) {
      const ui::Image before = Shot();
      window_->PaintAllAnew();
      const ui::Image whole = Shot();
      if (*before.rgb == *whole.rgb) return true;
      StepFor(0.1);
    }
    return false;
  }
};

// Frames paint only what changed: the picture is the same as if each had painted all.
TEST_F(WindowUserTest, WhatIsPaintedPieceByPieceIsTheWholePicture) {
  fake_ = std::make_shared<FakeWorker>();
  Start();
  controller_->Handle(ui::SetSetting{"steps", "8"});
  controller_->Handle(ui::Generate{});
  StepFor(0.3);
  for (int steps = 1; steps <= 5; ++steps) {
    Render(steps);
    StepFor(0.2);
    ASSERT_TRUE(IsWhole()) << steps;
  }
  for (const char* place : {"generate", "mode/dense", "heat/2/1", "menu", "steps", "pause"}) {
    if (Has(place)) Point(place);  // with its tooltip
    StepFor(0.3);
    ASSERT_TRUE(IsWhole()) << place;
  }
  Click("heat/2/1");
  ASSERT_TRUE(IsWhole());
  for (const char* key : {"F1", "Escape", "ctrl+shift+p", "Escape", "ctrl+equal", "ctrl+0", "ctrl+2", "ctrl+1"}) {
    X(std::string("key ") + key);
    ASSERT_TRUE(IsWhole()) << key;
  }
  std::vector<ui::Command> commands;
  ASSERT_TRUE(studio_->RunAction("theme", view(), commands));
  StepFor(0.2);
  EXPECT_TRUE(IsWhole()) << "light";
}

TEST_F(WindowUserTest, NothingIsPaintedWhereNothingChanges) {
  fake_ = std::make_shared<FakeWorker>();
  Start();
  controller_->Handle(ui::Generate{});
  X("mousemove 640 400");
  StepFor(1);
  const int64_t before = window_->frames();
  StepFor(2);
  EXPECT_LE(window_->frames() - before, 12) << "a job renders, and says nothing new";
}

// Everything of Create by keys: to any panel with the arrows, pressed by Space and by Enter, menus by the menu key.
TEST_F(WindowUserTest, KeysAloneSuffice) {
  fake_ = std::make_shared<FakeWorker>();
  Start();
  X("mousemove 640 780");
  X("key Escape");
  const auto focused = [&](const std::string& place) {
    if (!Has("focus") || !Has(place)) return false;
    const ui::Rect focus = Place("focus"), wanted = Place(place);
    return focus.x0 == wanted.x0 && focus.y0 == wanted.y0 && focus.x1 == wanted.x1 && focus.y1 == wanted.y1;
  };
  const auto go = [&](const std::string& place, const std::string& key, int most) {
    for (int i = 0; i < most && !focused(place); ++i) X("key " + key);
    if (!focused(place) && Has("focus")) {
      for (const auto& [name, rect] : studio_->places()) {
        if (focused(name)) std::printf("the focus is on %s\n", name.c_str());
      }
    }
    return focused(place);
  };
  ASSERT_TRUE(go("model", "F6", 2)) << "the form, after the top";
  ASSERT_TRUE(go("live", "F6", 2)) << "two panels on";
  ASSERT_TRUE(go("menu", "shift+F6", 4)) << "back to the top";
  ASSERT_TRUE(go("mode/dense", "Right", 5));
  X("key Return");
  EXPECT_EQ(view().Find("attention.mode")->value, "dense");
  ASSERT_TRUE(go("mode/sparge", "Right", 3));
  X("key space");
  EXPECT_EQ(view().Find("attention.mode")->value, "sparge");
  X("key ctrl+Return");
  X("key ctrl+Return");
  X("key ctrl+Return");
  ASSERT_EQ(view().jobs.size(), 3u);
  X("key n");
  X("key n");  // the third is shown
  const uint64_t third = view().jobs[2].id;
  ASSERT_EQ(view().shown_job, third);
  X("key ctrl+bracketleft");
  EXPECT_EQ(view().jobs[1].id, third) << "earlier";
  X("key ctrl+bracketright");
  EXPECT_EQ(view().jobs[2].id, third);
  ASSERT_TRUE(go("job/0", "F6", 6));
  X("key Menu");
  X("key Down");
  X("key Return");  // Duplicate, below Show
  EXPECT_EQ(view().jobs.size(), 4u);
}

// The schedule is painted by keys.
TEST_F(WindowUserTest, KeysPaintTheSchedule) {
  X("mousemove 640 780");
  X("key Escape");
  X("key shift+y");  // 8-bit
  X("key ctrl+shift+Right");
  X("key ctrl+shift+Right");
  X("key y");
  X("key ctrl+shift+Down");
  X("key ctrl+shift+Right");
  X("key y");
  const ui::ScheduleView& schedule = view().schedule;
  int painted = 0;
  for (const ui::CellMode mode : schedule.painted) painted += mode == ui::CellMode::kDense8;
  EXPECT_EQ(painted, 4);
  EXPECT_EQ(schedule.painted[schedule.index(1, 0)], ui::CellMode::kDense8);
  EXPECT_EQ(schedule.painted[schedule.index(2, 1)], ui::CellMode::kDense8);
}

// Ctrl and the arrows choose a cell of the map, and nothing else moves.
TEST_F(WindowUserTest, ShortcutsLeaveTheFocusWhereItIs) {
  fake_ = std::make_shared<FakeWorker>();
  Start();
  controller_->Handle(ui::SetSetting{"steps", "8"});
  controller_->Handle(ui::Generate{});
  StepFor(0.2);
  Render(5);
  StepFor(0.2);
  X("mousemove 640 400");
  X("key Escape");
  X("key Down");
  X("key Down");
  const auto focus = [] { return ImGui::GetCurrentContext()->NavId; };
  const ImGuiID focused = focus();
  ASSERT_NE(focused, 0u);
  X("key ctrl+Right");
  X("key ctrl+Right");
  X("key ctrl+Down");
  EXPECT_EQ(focus(), focused);
  EXPECT_TRUE(Has("heads")) << "a cell is chosen";
  X("key Down");
  EXPECT_NE(focus(), focused) << "arrows alone do move it";
}

TEST_F(WindowUserTest, AModelGoesAwayAndComesBack) {
  const std::string demo = view().Find("model")->value, mine = Path("mine");
  std::filesystem::create_directory_symlink(demo, mine);
  controller_->Open(mine);
  Small(40);
  controller_->Handle(ui::Generate{});
  controller_->Handle(ui::SetSetting{"seed", "1"});
  controller_->Handle(ui::Generate{});
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kRunning) && view().jobs[0].step >= 2; }, 60));
  std::filesystem::remove(mine);
  ASSERT_TRUE(StepUntil([&] { return FirstIs(JobState::kDone); }, 60)) << "what is loaded renders on";
  ASSERT_TRUE(StepUntil([&] { return !view().jobs[1].error.empty(); }, 20));
  EXPECT_EQ(view().jobs[1].state, JobState::kWaiting);
  EXPECT_FALSE(view().notices.empty());
  EXPECT_FALSE(view().why_not.generate.empty());
  std::filesystem::create_directory_symlink(demo, mine);
  ASSERT_TRUE(StepUntil([&] { return view().jobs[1].state == JobState::kDone; }, 60)) << view().jobs[1].error;
  EXPECT_EQ(view().why_not.generate, "");
}

}  // namespace
}  // namespace app
