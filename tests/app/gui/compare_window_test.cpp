#include <opencv2/core.hpp>

#include "tests/app/gui/compare_window_fixture.h"
#include "ui/widgets/legend.h"

// What a person sees and does in Compare: views, keys, differences, curves, numbers.
namespace app {
namespace {

using ui::CompareMode;
using ui::JobState;

// From one click to both clips on screen; then the wipe.
TEST_F(CompareWindowTest, GenerateABAndWipe) {
  Small(4);
  Click("generate_ab");
  ASSERT_TRUE(StepUntil([&] { return Shown(2); }, 120))
      << (view().jobs.size() < 2 ? "no two jobs" : view().jobs[0].error + view().jobs[1].error);
  const ui::CompareView& pair = compare();
  EXPECT_EQ(pair.num_frames, 5);
  EXPECT_EQ(pair.width_px, 64);
  EXPECT_EQ(pair.clips[0].title, "dense");
  EXPECT_EQ(pair.clips[1].title, "sparge");
  EXPECT_NE(pair.clips[0].details.find(" s, 0 % skipped"), std::string::npos) << pair.clips[0].details;
  ASSERT_EQ(pair.differing.size(), 1u) << "the labels show only what differs";
  EXPECT_EQ(pair.differing[0].first, "attention.mode");
  ASSERT_EQ(pair.speeds.size(), 2u) << "seconds and what was skipped";
  ASSERT_EQ(pair.heats.size(), 3u) << "of both, and the difference: " << pair.heats_note;
  EXPECT_EQ(pair.heats[2].num_steps, 4);
  ASSERT_TRUE(Measured());

  X("key space");
  X("key i");  // no smoothing: a pixel of the screen has one colour of the picture
  ASSERT_FALSE(local().smooth);
  const ui::Rect at = Place("stage/picture");
  const auto to = [&](double share) { MoveTo(at.x0 + (at.x1 - at.x0) * share, (at.y0 + at.y1) / 2); };
  const auto wipes = [&](double share) {
    EXPECT_NEAR(local().wipe, share, 0.01);
    const cv::Mat seen = OnScreen(), covered = Covered(true);
    const int line = static_cast<int>(local().wipe * seen.cols);
    const cv::Rect left(0, 0, line, seen.rows), right(line, 0, seen.cols - line, seen.rows);
    EXPECT_LE(Off(seen, FrameOf(0), covered, left), 1);
    EXPECT_LE(Off(seen, FrameOf(1), covered, right), 1);
    EXPECT_GT(Off(seen, FrameOf(1), covered, left), 1) << "A, not B";
  };
  to(0.3);
  wipes(0.3);
  to(0.7);
  wipes(0.7);
  X("key l");
  to(0.4);
  wipes(0.7);
  X("key l");
  to(0.41);
  wipes(0.41);
  X("key s");  // the sides swap
  EXPECT_LE(Off(OnScreen(), FrameOf(1), Covered(true), cv::Rect(0, 0, 24, 64)), 1);
  X("key s");

  X("key v");  // heat maps
  ASSERT_TRUE(Has("heat/difference"));
  Click("heat/1/2/3");
  EXPECT_NE(Clipboard().find("B, step 2, layer 3: "), std::string::npos) << Clipboard();
  Click("heat/difference/2/3");
  EXPECT_NE(Clipboard().find("B − A, step 2, layer 3: +"), std::string::npos) << Clipboard();
}

// Settings that were kept as A, and those of the form.
TEST_F(CompareWindowTest, GenerateABOfAnyTwoSettings) {
  Small(2);
  controller_->Handle(ui::SetSetting{"attention.topk", "0.3"});
  MoveTo(640, 400);
  X("key Escape");
  X("key ctrl+shift+p");
  X("type 'settings are A of the next'");
  X("key Return");
  EXPECT_NE(view().ab_reference.find("topk 0.3"), std::string::npos) << view().ab_reference;
  controller_->Handle(ui::SetSetting{"attention.topk", "0.8"});
  StepFor(0.1);
  X("key ctrl+shift+Return");
  ASSERT_TRUE(StepUntil([&] { return Shown(2); }, 120))
      << (view().jobs.size() < 2 ? "no two jobs" : view().jobs[0].error + view().jobs[1].error);
  EXPECT_EQ(compare().clips[0].title, "topk 0.3");
  EXPECT_EQ(compare().clips[1].title, "topk 0.8");
  ASSERT_EQ(compare().differing.size(), 1u) << "the seed is the same";
  EXPECT_EQ(compare().differing[0].first, "attention.topk");
}

TEST_F(CompareWindowTest, CardsAreDraggedFromTheLibrary) {
  std::filesystem::create_directories(Path("clips"));
  WriteLevels(Path("clips/one.mkv"), {20, 24}, 5, 48, 64);
  WriteLevels(Path("clips/two.mkv"), {90, 94}, 5, 48, 64);
  Click("workspace/Library");
  Drop({Path("clips")});
  ASSERT_TRUE(StepUntil([&] { return view().library.items && view().library.items->size() == 2; }, 30));
  ASSERT_TRUE(StepUntil([&] { return Has("clip_of_library/1"); }, 10));
  const auto drag = [&](size_t card) {
    Point("clip_of_library/" + std::to_string(card));
    X("mousedown 1");
    const ui::Rect tab = Place("workspace/Compare");
    MoveTo((tab.x0 + tab.x1) / 2 - 20, (tab.y0 + tab.y1) / 2 + 3);
    MoveTo((tab.x0 + tab.x1) / 2, (tab.y0 + tab.y1) / 2);
    X("mouseup 1");
  };
  drag(0);
  ASSERT_TRUE(StepUntil([&] { return compare().clips.size() == 1; }, 20));
  EXPECT_EQ(studio_->state().workspace, ui::Workspace::kLibrary) << "for the other one";
  drag(1);
  ASSERT_TRUE(StepUntil([&] { return Shown(2); }, 20));
  EXPECT_EQ(compare().clips[0].path, (*view().library.items)[0].path);
  EXPECT_EQ(compare().clips[1].path, (*view().library.items)[1].path);
}

TEST_F(CompareWindowTest, ZoomsPansAndStandsSideBySide) {
  WriteNoise(Path("a.mkv"), 1, 1, 0.2f);
  WriteNoise(Path("b.mkv"), 1, 50, 0.2f);
  Drop({Path("a.mkv"), Path("b.mkv")});
  ASSERT_TRUE(StepUntil([&] { return Shown(2); }, 30));
  X("key 1");
  const auto at = [&](double x, double y) {
    const ui::Rect p = Place("stage/picture");
    MoveTo(p.x0 + (p.x1 - p.x0) * x / 64, p.y0 + (p.y1 - p.y0) * y / 48);
  };
  at(20.5, 30.5);
  ASSERT_EQ(local().pixel_x, 20);
  for (int i = 0; i < 4; ++i) X("click 4");
  EXPECT_GT(local().zoom, 15);
  EXPECT_EQ(local().pixel_x, 20) << "the wheel zooms on the pixel under the mouse";
  EXPECT_EQ(local().pixel_y, 30);
  const auto under_mouse = [&] {
    Settle();
    const double x = Place("stage/picture").x0 + 20.5 * static_cast<double>(local().shown_scale),
                 y = Place("stage/picture").y0 + 30.5 * static_cast<double>(local().shown_scale);
    return MatOf(Shot()).at<cv::Vec3b>(static_cast<int>(y), static_cast<int>(x));
  };
  EXPECT_LE(cv::norm(under_mouse(), FrameOf(0).at<cv::Vec3b>(30, 20), cv::NORM_INF), 1);
  const cv::Mat linear = MatOf(Shot());
  X("key i");
  EXPECT_GT(cv::norm(MatOf(Shot()), linear, cv::NORM_INF), 20) << "nearest is not linear";
  const ui::Rect before = Place("stage/picture");
  X("mousedown 3");
  X("mousemove_relative -- 40 -25");
  X("mouseup 3");
  EXPECT_NEAR(Place("stage/picture").x0, before.x0 + 40, 2) << "a right drag moves the picture";
  EXPECT_NEAR(Place("stage/picture").y0, before.y0 - 25, 2);
  EXPECT_FALSE(local().pixel_held);
  X("key z");
  EXPECT_NEAR(Place("stage/picture").x1 - Place("stage/picture").x0, 64, 0.01) << "1:1";
  X("key z");
  X("key 1");
  X("key w");
  ASSERT_EQ(local().mode, CompareMode::kSideBySide);
  EXPECT_LE(Off(OnScreen(), FrameOf(0), Covered()), 1) << "A on the left";
  const cv::Mat shot = MatOf(Shot());
  const ui::Rect stage = Place("stage"), picture = Place("stage/picture");
  int off = 0;
  for (int x = 4; x < 60; ++x) {
    const double u = (stage.x0 + stage.x1) / 2 + 3 + (picture.x0 - stage.x0) +
                     (x + 0.5) * static_cast<double>(local().shown_scale),
                 v = picture.y0 + 40.5 * static_cast<double>(local().shown_scale);
    off += cv::norm(shot.at<cv::Vec3b>(static_cast<int>(v), static_cast<int>(u)), FrameOf(1).at<cv::Vec3b>(40, x),
                    cv::NORM_INF) > 1;
  }
  EXPECT_EQ(off, 0) << "B on the right";
}

TEST_F(CompareWindowTest, DifferencesOnScreenAsOpenCVHasThem) {
  WriteNoise(Path("a.mkv"), 2, 1, 0.1f);
  WriteNoise(Path("b.mkv"), 2, 50, 0.1f);
  Open({Path("a.mkv"), Path("b.mkv")});
  ASSERT_TRUE(Measured());
  X("key i");
  X("key 0");
  ASSERT_EQ(local().mode, CompareMode::kDifference);
  Click("compare/gain");
  const double gain = local().gain;
  ASSERT_GT(gain, 1);
  const cv::Mat a = FrameOf(0), b = FrameOf(1), covered = Covered();
  const auto shows = [&](const char* kind) {
    const uint64_t before = compare().difference.id;
    Click(std::string("difference/") + kind);
    EXPECT_TRUE(StepUntil([&] { return compare().difference.id != before && !compare().waiting; }, 20)) << kind;
    return OnScreen();
  };
  cv::Mat expected;
  cv::absdiff(a, b, expected);
  expected.convertTo(expected, CV_8U, gain);
  EXPECT_LE(Off(OnScreen(), expected, covered), 1);
  EXPECT_NEAR(compare().legend_high, 255 / gain, 1e-3);

  const auto luma = [](const cv::Mat& rgb) {
    cv::Mat wide, out;
    rgb.convertTo(wide, CV_64F, 1 / 255.0);
    cv::transform(wide, out, cv::Matx13d(0.2126, 0.7152, 0.0722));
    return out;
  };
  const cv::Mat la = luma(a), lb = luma(b);
  const auto coloured = [&](auto color_at) {
    cv::Mat out(a.rows, a.cols, CV_8UC3);
    for (int y = 0; y < out.rows; ++y) {
      for (int x = 0; x < out.cols; ++x) {
        const ImU32 color = color_at(y, x);
        out.at<cv::Vec3b>(y, x) = {static_cast<uint8_t>(color), static_cast<uint8_t>(color >> 8),
                                   static_cast<uint8_t>(color >> 16)};
      }
    }
    return out;
  };
  const auto moved = [&](int y, int x) { return gain * (lb.at<double>(y, x) - la.at<double>(y, x)); };
  EXPECT_LE(Off(shows("signed"), coloured([&](int y, int x) { return ui::Diverging(moved(y, x)); }), covered), 3);
  EXPECT_LE(Off(shows("luma"), coloured([&](int y, int x) { return ui::Viridis(std::fabs(moved(y, x))); }), covered),
            3);

  const auto blur = [](const cv::Mat& m) {
    cv::Mat out;
    cv::GaussianBlur(m, out, cv::Size(11, 11), 1.5);
    return out;
  };
  const cv::Mat ma = blur(la), mb = blur(lb), va = blur(la.mul(la)) - ma.mul(ma), vb = blur(lb.mul(lb)) - mb.mul(mb),
                cov = blur(la.mul(lb)) - ma.mul(mb);
  const cv::Mat ssim = coloured([&](int y, int x) {
    const double c1 = 1e-4, c2 = 9e-4, p = ma.at<double>(y, x), q = mb.at<double>(y, x);
    return ui::Viridis(1 - (2 * p * q + c1) * (2 * cov.at<double>(y, x) + c2) /
                               ((p * p + q * q + c1) * (va.at<double>(y, x) + vb.at<double>(y, x) + c2)));
  });
  // At the border the window of OpenCV is another one.
  EXPECT_LE(Off(shows("SSIM"), ssim, covered, cv::Rect(5, 5, a.cols - 10, a.rows - 10)), 4);
}

// Three clips whose frame i is 20, 90 or 160 plus 4 i everywhere.
TEST_F(CompareWindowTest, KeysAsInVideoCompare) {
  std::vector<std::string> paths;
  for (const int first : {20, 90, 160}) {
    std::vector<int> levels;
    for (int i = 0; i < 6; ++i) levels.push_back(first + 4 * i);
    paths.push_back(Path("clip" + std::to_string(first) + ".mkv"));
    WriteLevels(paths.back(), levels, 5, 48, 64);
  }
  Open(paths);
  const auto press = [&](const char* key) { X(std::string("key ") + key); };
  press("1");
  EXPECT_EQ(Level(), 20);
  press("d");
  EXPECT_EQ(Level(), 24);
  press("d");
  press("a");
  press("a");
  press("a");
  ASSERT_TRUE(At(5)) << "around the end";
  EXPECT_EQ(Level(), 40);
  press("d");
  ASSERT_TRUE(At(0));
  press("1");  // all again: the wipe
  EXPECT_EQ(local().mode, CompareMode::kWipe);
  press("2");
  EXPECT_EQ(Level(), 90);
  press("Tab");
  EXPECT_EQ(Level(), 160) << "the next clip";
  press("Tab");
  EXPECT_EQ(Level(), 90);
  press("s");
  EXPECT_EQ(Level(), 20) << "the sides are swapped";
  press("s");
  press("plus");
  EXPECT_EQ(compare().clips[1].shift, 1);
  ASSERT_TRUE(StepUntil([&] { return FrameOf(1).at<cv::Vec3b>(0, 0)[0] == 94; }, 10));
  EXPECT_EQ(Level(), 94);
  press("minus");
  press("minus");
  EXPECT_EQ(compare().clips[1].shift, -1);
  press("plus");
  EXPECT_EQ(compare().clips[1].shift, 0);
  press("w");
  EXPECT_EQ(local().mode, CompareMode::kWipe);
  press("w");
  EXPECT_EQ(local().mode, CompareMode::kSideBySide);
  press("l");
  EXPECT_EQ(studio_->state().speed, 2);
  press("j");
  press("j");
  EXPECT_EQ(studio_->state().speed, 0.5);
  press("l");
  press("0");
  EXPECT_EQ(local().mode, CompareMode::kDifference);
  ASSERT_TRUE(Has("compare/gain"));
  press("Tab");  // also where there is a slider
  EXPECT_EQ(local().right, 2u);
  press("0");
  EXPECT_EQ(local().mode, CompareMode::kWipe);
  press("z");
  EXPECT_EQ(local().zoom, 1);
  EXPECT_NEAR(Place("stage/picture").x1 - Place("stage/picture").x0, 64, 0.01);
  press("z");
  press("space");
  EXPECT_TRUE(local().playing);
  const int64_t before = compare().shown_frame;
  ASSERT_TRUE(StepUntil([&] { return compare().shown_frame != before; }, 5));
  press("space");

  // While text is typed the keys are letters.
  press("e");
  ASSERT_TRUE(Has("export/folder"));
  Click("export/folder");
  X("key ctrl+a");
  const int64_t frame = compare().shown_frame;
  const CompareMode mode = local().mode;
  X("type 'adjlsw120z'");
  EXPECT_EQ(local().wanted.folder, "adjlsw120z");
  EXPECT_EQ(compare().shown_frame, frame);
  EXPECT_EQ(local().mode, mode);
  EXPECT_EQ(local().zoom, 0);
}

TEST_F(CompareWindowTest, FlickersAtItsRateAndPingPongs) {
  WriteLevels(Path("a.mkv"), {20, 24, 28, 32}, 10, 48, 64);
  WriteLevels(Path("b.mkv"), {90, 94, 98, 102}, 10, 48, 64);
  Open({Path("a.mkv"), Path("b.mkv")});
  X("key f");
  ASSERT_EQ(local().mode, CompareMode::kFlicker);
  EXPECT_EQ(local().flicker_hz, 2);
  std::vector<int> seen;
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < std::chrono::seconds(3)) {
    StepFor(0.05);
    const int level = MatOf(Shot()).at<cv::Vec3b>(400, 300)[0];
    if (seen.empty() || seen.back() != level) seen.push_back(level);
  }
  EXPECT_NEAR(static_cast<double>(seen.size()), 7, 1) << "two changes a second for three seconds";
  for (const int level : seen) EXPECT_TRUE(level == 20 || level == 90) << level;

  X("key f");
  X("key 1");
  Click("compare/loop");
  EXPECT_EQ(local().playing_mode, ui::Playing::kPingPong);
  X("key space");
  std::vector<int64_t> frames;
  StepUntil(
      [&] {
        if (frames.empty() || frames.back() != compare().shown_frame) frames.push_back(compare().shown_frame);
        return frames.size() >= 12;
      },
      20);
  ASSERT_EQ(frames.size(), 12u);
  bool forth = false, back = false;
  for (size_t i = 1; i < frames.size(); ++i) {
    EXPECT_EQ(std::abs(frames[i] - frames[i - 1]), 1) << "no frame is left out, at the ends neither";
    forth |= frames[i] > frames[i - 1];
    back |= frames[i] < frames[i - 1];
  }
  EXPECT_TRUE(forth && back);
}

}  // namespace
}  // namespace app
