#include "tests/quality/detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace quality {
namespace {

// The committed calibration of what `make quality` measures with: other true clips than those it was calibrated on.
TEST(Detector, IsRightOnTrueClipsThatItHasNotSeen) {
  const int threads = std::max(1u, std::thread::hardware_concurrency());
  const Detector detector = Detector::Calibrate(120, /*sequence=*/1, threads);
  const auto accuracy = AccuracyOnTrueClips(detector, 50, /*sequence=*/2, threads);
  for (int a = 0; a < kNumAttributes; ++a) {
    RecordProperty(AttributeName(a), std::to_string(accuracy[a]));
    EXPECT_GE(accuracy[a], 0.97) << AttributeName(a);
  }
}

TEST(Detector, SeesNothingWhereThereIsNoObject) {
  EXPECT_FALSE(Measure(Clip(9, cv::Mat(128, 128, CV_8UC3, cv::Scalar(200, 180, 190)))).has_value());
}

TEST(Detector, TellsSwappedColoursOfObjectAndFloor) {
  const auto look = [](const char* colour, const char* floor) {
    const Scene scene = {WordIndex(kShape, "cube"), WordIndex(kColour, colour), WordIndex(kFloor, floor),
                         WordIndex(kMotion, "circle"), WordIndex(kSky, "day")};
    return *Measure(RenderTrueClip(scene, 5));
  };
  const Features a = look("green", "blue"), b = look("blue", "green");
  EXPECT_LT(a.hue[0] * b.hue[0] + a.hue[1] * b.hue[1], 0.5);
  EXPECT_GT(cv::norm(a.floor_colour - b.floor_colour), 50);
}

TEST(Scene, SequencesAreFixedAndFollowTheGrammar) {
  EXPECT_EQ(RandomScene(3, 7), RandomScene(3, 7));
  for (int i = 0; i < 500; ++i) {
    const Scene scene = RandomScene(3, i);
    EXPECT_NE(Words(kColour)[scene[kColour]], Words(kFloor)[scene[kFloor]]);
  }
}

TEST(Scene, OneSeedGivesOneClip) {
  const Scene scene = RandomScene(4, 1);
  const Clip a = RenderTrueClip(scene, 11), b = RenderTrueClip(scene, 11), c = RenderTrueClip(scene, 12);
  ASSERT_EQ(a.size(), 33u);
  EXPECT_EQ(cv::norm(a[20], b[20], cv::NORM_INF), 0);
  EXPECT_GT(cv::norm(a[20], c[20], cv::NORM_INF), 0);
}

}  // namespace
}  // namespace quality
