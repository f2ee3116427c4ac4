#include <gtest/gtest.h>
#include <imgui_internal.h>

#include <cmath>
#include <limits>

#include "tests/ui/bench.h"
#include "ui/compare/stage.h"

namespace ui {
namespace {

Image Grey(uint64_t id, uint8_t level, int width = 40, int height = 30) {
  return {id, width, height,
          std::make_shared<const std::vector<uint8_t>>(static_cast<size_t>(width * height * 3), level)};
}

CompareView SampleCompare(size_t clips = 2) {
  CompareView view;
  for (size_t i = 0; i < clips; ++i) {
    CompareClip clip;
    clip.letter = std::string(1, static_cast<char>('A' + i));
    clip.title = "clip " + clip.letter;
    clip.path = "/clips/" + clip.letter + ".mp4";
    clip.width_px = 40;
    clip.height_px = 30;
    clip.num_frames = 20;
    clip.frame = Grey(100 + i, static_cast<uint8_t>(60 + 10 * i));
    view.clips.push_back(clip);
    if (i == 0) continue;
    CompareCurves curves;
    curves.clip = i;
    for (int t = 0; t < 20; ++t) {
      curves.psnr_db.push_back(t == 13 ? 20.0f : 35.0f);
      curves.ssim.push_back(0.9f);
      curves.flicker.push_back(t == 0 ? std::numeric_limits<float>::quiet_NaN() : 0.01f);
    }
    curves.done = true;
    curves.worst_frame = 13;
    curves.figures = {{"PSNR", "35.00 dB", "how PSNR is measured"}};
    view.curves.push_back(curves);
  }
  view.width_px = 40;
  view.height_px = 30;
  view.num_frames = 20;
  view.fps = 10;
  view.measured = 1;
  return view;
}

// A program that shows at once what is asked for.
class CompareBench : public Bench {
 public:
  explicit CompareBench(size_t clips = 2) {
    view.compare = SampleCompare(clips);
    Step(4, {{'2', true}});
  }
  void Step(int count = 1, std::vector<KeyPress> keys = {}) {
    for (int i = 0; i < count; ++i) {
      for (const CompareCommand& command : Only<CompareCommand>(Frame(i == 0 ? keys : std::vector<KeyPress>{}))) {
        if (const auto* look = std::get_if<CompareLook>(&command)) {
          last = *look;
          view.compare.shown_frame = look->frame;
        }
      }
    }
  }
  void Key(int key) { Step(2, {{key}}); }
  CompareLook last;
};

template <class T>
std::vector<T> Asked(const std::vector<Command>& commands) {
  std::vector<T> found;
  for (const CompareCommand& command : Only<CompareCommand>(commands)) {
    if (const T* one = std::get_if<T>(&command)) found.push_back(*one);
  }
  return found;
}

TEST(Compare, AnEmptyWorkspaceTeaches) {
  Bench bench;
  bench.Frame({{'2', true}});
  bench.Frames(2);
  EXPECT_TRUE(Only<Generate>(bench.Click("compare/generate_ab")).at(0).compare);
}

TEST(Compare, OneClockPlaysEveryFrameAndLoops) {
  CompareBench bench;
  std::vector<int64_t> seen;
  for (int i = 0; i < 190; ++i) {
    bench.Step();
    if (seen.empty() || seen.back() != bench.view.compare.shown_frame) seen.push_back(bench.view.compare.shown_frame);
  }
  ASSERT_GT(seen.size(), 25u) << "three seconds at 10 frames a second";
  for (size_t i = 1; i < seen.size(); ++i) EXPECT_EQ(seen[i], (seen[i - 1] + 1) % 20);
}

TEST(Compare, TheClockWaitsForFrames) {
  CompareBench bench;
  bench.Step(10);
  bench.view.compare.waiting = true;
  bench.Step(5);
  const int64_t at = bench.last.frame;
  bench.Step(60);
  EXPECT_EQ(bench.last.frame, at);
}

TEST(Compare, PingPongTurnsRound) {
  CompareLocal local;
  CompareView view = SampleCompare();
  view.num_frames = 4;
  FollowClips(local, view);
  local.playing_mode = Playing::kPingPong;
  std::vector<int64_t> seen = {0};
  for (double t = 0; t < 3; t += 0.02) {
    AdvanceClock(local, view, t, 1);
    if (ClockFrame(local, view) != seen.back()) seen.push_back(ClockFrame(local, view));
  }
  ASSERT_GE(seen.size(), 8u);
  EXPECT_EQ(std::vector<int64_t>(seen.begin(), seen.begin() + 8), (std::vector<int64_t>{0, 1, 2, 3, 2, 1, 0, 1}));
}

TEST(Compare, StepsAndScrubs) {
  CompareBench bench;
  bench.Key(' ');  // pause
  const int64_t at = bench.last.frame;
  bench.Key('D');
  EXPECT_EQ(bench.last.frame, at + 1);
  bench.Key('A');
  bench.Key('A');
  EXPECT_EQ(bench.last.frame, (at + 19) % 20);
  const auto looks = Asked<CompareLook>(bench.Click("compare/scrub"));
  ASSERT_FALSE(looks.empty());
  EXPECT_NEAR(static_cast<double>(looks.back().frame), 10, 1);
}

TEST(Compare, AClickOnTheWorstDipSeeksThere) {
  CompareBench bench;
  bench.Key(' ');
  const auto commands = bench.Click("curve/worst");
  ASSERT_FALSE(Asked<CompareLook>(commands).empty());
  EXPECT_EQ(Asked<CompareLook>(commands).back().frame, 13);
  bench.Key('A');
  bench.Key('B');
  EXPECT_EQ(bench.last.frame, 13) << "by key";
}

TEST(Compare, TheWipeFollowsTheMouseAndLocks) {
  CompareBench bench;
  const Rect stage = bench.studio.places().at("stage/picture");
  const auto point = [&](float share) {
    ImGui::GetIO().MousePos = ImVec2(stage.x0 + (stage.x1 - stage.x0) * share, (stage.y0 + stage.y1) / 2);
    bench.Frames(2);
  };
  point(0.25f);
  EXPECT_NEAR(bench.studio.compare().wipe, 0.25, 0.01);
  point(0.8f);
  EXPECT_NEAR(bench.studio.compare().wipe, 0.8, 0.01);
  bench.Key('L');
  point(0.1f);
  EXPECT_NEAR(bench.studio.compare().wipe, 0.8, 0.01) << "locked";
  ImGui::GetIO().MouseDown[0] = true;
  bench.Frame();
  ImGui::GetIO().MouseDown[0] = false;
  bench.Frames(2);
  EXPECT_NEAR(bench.studio.compare().wipe, 0.1, 0.01) << "a click lets it go";
}

TEST(CompareKeys, LLocksTheWipeElseFaster) {
  CompareBench bench;
  bench.Key('L');
  EXPECT_TRUE(bench.studio.compare().locked);
  EXPECT_EQ(bench.studio.state().speed, 1);
  bench.Key('W');
  bench.Key('L');
  EXPECT_TRUE(bench.studio.compare().locked);
  EXPECT_EQ(bench.studio.state().speed, 2);
}

TEST(CompareKeys, AsInVideoCompare) {
  CompareBench bench(3);
  bench.Key('0');
  EXPECT_TRUE(bench.last.difference);
  bench.Key('G');
  EXPECT_EQ(bench.last.mode, DifferenceMode::kSigned);
  bench.Key('0');
  EXPECT_FALSE(bench.last.difference);
  bench.Key('S');
  EXPECT_EQ(bench.last.left, 1u);
  EXPECT_EQ(bench.last.right, 0u);
  bench.Key('S');
  bench.Key(kKeyTab);
  EXPECT_EQ(bench.last.right, 2u);
  bench.Key('2');
  EXPECT_EQ(bench.studio.compare().mode, CompareMode::kOneSide);
  bench.all.clear();
  bench.Step(1, {{'=', false, true}});
  const auto shift = Asked<CompareShift>(bench.all);
  ASSERT_EQ(shift.size(), 1u);
  EXPECT_EQ(shift[0].clip, 2u);
  EXPECT_EQ(shift[0].frames, 1);
  bench.Frame({{'1', true}});  // to Create
  bench.all.clear();
  bench.Step(2, {{'0'}});
  EXPECT_TRUE(Asked<CompareLook>(bench.all).empty()) << "keys belong to the workspace";
}

TEST(Compare, TheWheelKeepsThePixelUnderTheMouse) {
  CompareBench bench;
  bench.Hover("stage");
  const CompareLocal& local = bench.studio.compare();
  ASSERT_TRUE(local.has_pixel);
  const Rect stage = bench.studio.places().at("stage/picture");
  ImGui::GetIO().MousePos = ImVec2(stage.x0 + (stage.x1 - stage.x0) * 0.3f, stage.y0 + (stage.y1 - stage.y0) * 0.7f);
  bench.Frames(2);
  const int x = local.pixel_x, y = local.pixel_y;
  for (int i = 0; i < 4; ++i) {
    ImGui::GetIO().MouseWheel = 1;
    bench.Frame();
  }
  bench.Frames(2);
  EXPECT_GT(local.zoom, 1);
  EXPECT_NEAR(local.pixel_x, x, 1);
  EXPECT_NEAR(local.pixel_y, y, 1);
  bench.Key('Z');
  EXPECT_EQ(local.zoom, 1);
}

TEST(Compare, ARegionIsDraggedAndTakenAway) {
  CompareBench bench;
  bench.Key('R');
  const Rect p = bench.studio.places().at("stage/picture");
  const auto at = [&](float u, float v) {
    ImGui::GetIO().MousePos = ImVec2(p.x0 + (p.x1 - p.x0) * u / 40, p.y0 + (p.y1 - p.y0) * v / 30);
    bench.Frames(2);
  };
  at(10.5f, 5.5f);
  bench.all.clear();
  ImGui::GetIO().MouseDown[0] = true;
  bench.Frame();
  at(19.5f, 14.5f);
  ImGui::GetIO().MouseDown[0] = false;
  bench.Frames(2);
  const auto asked = Asked<CompareRegion>(bench.all);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].region, (Region{10, 5, 10, 10}));
  bench.view.compare.region = asked[0].region;
  bench.Frames(2);
  const auto whole = Asked<CompareRegion>(bench.Click("compare/whole"));
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_TRUE(whole[0].region.empty());
}

TEST(Compare, NumbersAreCopiedByAClick) {
  CompareBench bench;
  bench.Click("figure/0");
  EXPECT_STREQ(ImGui::GetClipboardText(), "35.00 dB");
}

// As cards of the Library are dragged: the payload is there every frame, and dropped at `place`.
std::vector<CompareAdd> DropAt(Bench& bench, const std::string& place, const std::string& payload) {
  ImGuiContext& g = *ImGui::GetCurrentContext();
  bench.all.clear();
  ImGui::GetIO().MouseDown[0] = true;
  bench.Frame();
  g.DragDropActive = g.DragDropWithinSource = true;
  g.DragDropPayload.SourceId = 1;
  g.DragDropMouseButton = 0;
  const auto hold = [&] { ImGui::SetDragDropPayload("sparge_clip", payload.data(), payload.size()); };
  hold();
  g.DragDropWithinSource = false;
  const Rect at = bench.studio.places().at(place);
  ImGui::GetIO().MousePos = ImVec2((at.x0 + at.x1) / 2, (at.y0 + at.y1) / 2);
  for (const bool down : {true, true, false, false}) {
    g.DragDropPayload.DataFrameCount = g.FrameCount;
    ImGui::GetIO().MouseDown[0] = down;
    bench.Frame();
  }
  return Asked<CompareAdd>(bench.all);
}

TEST(Compare, ClipsThatAreDroppedJoin) {
  {
    CompareBench bench;
    const auto added = DropAt(bench, "stage", "/clips/прo.mp4");
    ASSERT_EQ(added.size(), 1u);
    EXPECT_EQ(added[0].path, "/clips/прo.mp4");
    EXPECT_FALSE(bench.studio.compare().locked) << "it is no click on the wipe";
  }
  Bench bench;
  bench.Frames(2);
  const auto one = DropAt(bench, "workspace/Compare", std::string("/a.mp4\0", 7));
  ASSERT_EQ(one.size(), 1u);
  EXPECT_TRUE(one[0].dropped);
  EXPECT_EQ(bench.studio.state().workspace, Workspace::kCreate) << "one clip is no comparison";
  const auto two = DropAt(bench, "workspace/Compare", std::string("/a.mp4\0/b.mp4", 14));
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[1].path, "/b.mp4");
  EXPECT_EQ(bench.studio.state().workspace, Workspace::kCompare);
  bench.Frames(2);
  EXPECT_EQ(DropAt(bench, "compare/empty", "/c.mp4").size(), 1u);
}

TEST(Compare, APixelIsHeldAndCopied) {
  CompareBench bench;
  const Rect p = bench.studio.places().at("stage/picture");
  const auto to = [&](float x, float y) {
    ImGui::GetIO().MousePos = ImVec2(p.x0 + (p.x1 - p.x0) * x / 40, p.y0 + (p.y1 - p.y0) * y / 30);
    bench.Frames(2);
  };
  to(12.5f, 20.5f);
  bench.Key(' ');  // stands still
  bench.Key('C');
  EXPECT_EQ(ImGui::GetClipboardText(),
            "frame " + std::to_string(bench.last.frame + 1) + ", pixel 12, 20: A 60 60 60 B 70 70 70");
  ImGui::GetIO().MouseDown[1] = true;
  bench.Frame();
  ImGui::GetIO().MouseDown[1] = false;
  bench.Frames(2);
  to(30.5f, 5.5f);
  EXPECT_EQ(bench.studio.compare().pixel_x, 12) << "held";
  bench.Click("pixel/at");
  EXPECT_STREQ(ImGui::GetClipboardText(), "12, 20");
  bench.Click("pixel/1");
  EXPECT_STREQ(ImGui::GetClipboardText(), "70 70 70");
}

TEST(Compare, ABlindTestShowsXAndTakesAnswers) {
  CompareBench bench;
  bench.Click("compare/abx");
  const auto start = Asked<ABXStart>(bench.Click("abx/start"));
  ASSERT_EQ(start.size(), 1u);
  EXPECT_EQ(start[0].num_trials, 10);
  bench.view.compare.abx = {.running = true, .num_trials = 10, .x_frame = Grey(999, 70)};
  bench.textures.shown.clear();
  bench.Key('3');
  EXPECT_EQ(bench.textures.shown.back(), 999u);
  EXPECT_EQ(bench.studio.places().count("figure/0"), 0u) << "numbers would give it away";
  bench.Key('1');
  EXPECT_EQ(bench.textures.shown.back(), 100u);
  const auto answer = Asked<ABXAnswer>(bench.Click("abx/is_b"));
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_FALSE(answer[0].x_is_a);
}

TEST(Compare, AnExportAsksForWhatIsTicked) {
  CompareBench bench;
  bench.Click("compare/export");
  bench.Frames(3);
  bench.Click("export/difference");
  bench.Click("export/wipe");
  const auto asked = Asked<CompareExport>(bench.Click("export/go"));
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_TRUE(asked[0].difference && asked[0].side_by_side);
  EXPECT_FALSE(asked[0].wipe);
  EXPECT_EQ(asked[0].folder, "/clips/comparison");
  bench.Key('E');
  ASSERT_TRUE(bench.Has("export/go"));
  bench.Key(kKeyEscape);
  EXPECT_FALSE(bench.Has("export/go"));
}

TEST(Compare, TheProgramMayShowAnotherWorkspace) {
  Bench bench;
  bench.view.go_count = 1;
  bench.view.go_to = Workspace::kCompare;
  bench.Frames(2);
  EXPECT_EQ(bench.studio.state().workspace, Workspace::kCompare);
}

}  // namespace
}  // namespace ui
