#include "tests/quality/still_detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

namespace quality {
namespace {

int NumThreads() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

StillScene Pair(const char* shape, const char* colour, const char* relation, const char* second_shape,
                const char* second_colour) {
  StillScene scene = {};
  scene[kStillShape] = StillWordIndex(kStillShape, shape);
  scene[kStillColour] = StillWordIndex(kStillColour, colour);
  scene[kStillRelation] = StillWordIndex(kStillRelation, relation);
  scene[kStillSecondShape] = StillWordIndex(kStillSecondShape, second_shape);
  scene[kStillSecondColour] = StillWordIndex(kStillSecondColour, second_colour);
  return scene;
}

class Stills : public testing::TestWithParam<bool> {};

// As in `make quality`, with fewer clips: other true clips than those it was calibrated on.
TEST_P(Stills, DetectorIsRightOnTrueClipsThatItHasNotSeen) {
  const bool pair = GetParam();
  const auto detector = StillDetector::Calibrate(100, /*sequence=*/1, pair, NumThreads());
  const auto accuracy = AccuracyOnTrueStills(detector, 40, /*sequence=*/2, pair, NumThreads());
  for (int a = 0; a < kNumStillAttributes; ++a) {
    RecordProperty(StillAttributeName(a), std::to_string(accuracy[a]));
    EXPECT_GE(accuracy[a], a == kStillShape || a == kStillSecondShape ? 0.85 : 0.9) << StillAttributeName(a);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Stills, testing::Bool(),
                         [](const auto& info) { return info.param ? "TwoObjects" : "Camera"; });

TEST(StillDetector, FindsNoSecondObjectWhereThereIsOne) {
  const StillScene scene = RandomStill(5, 3, /*pair=*/false);
  const Clip clip = RenderTrueStill(scene, 1);
  EXPECT_TRUE(MeasureStill(clip, 1).has_value());
  EXPECT_FALSE(MeasureStill(clip, 2).has_value());
}

TEST(StillDetector, TellsExchangedColoursApart) {
  const auto measure = [](const StillScene& scene) { return *MeasureStill(RenderTrueStill(scene, 8), 2); };
  const auto a = measure(Pair("cube", "red", "left", "sphere", "blue"));
  const auto b = measure(Pair("cube", "blue", "left", "sphere", "red"));
  EXPECT_EQ(a.objects[0].colour, b.objects[0].colour);  // both have a red object and a blue one
  EXPECT_LT(a.place[0], -30);                           // the red one is at the left here
  EXPECT_GT(b.place[0], 30);
}

TEST(StillScene, ReversedTellsTheSameScene) {
  const StillScene scene = Pair("cube", "red", "front", "cone", "green");
  EXPECT_EQ(Reversed(scene), Pair("cone", "green", "behind", "cube", "red"));
  EXPECT_EQ(Reversed(Reversed(scene)), scene);
  EXPECT_EQ(ToldAs(Reversed(scene), scene), scene);
  EXPECT_NE(ToldAs(Pair("cube", "green", "front", "cone", "red"), scene), scene) << "exchanged colours are wrong";
}

TEST(StillScene, SequencesFollowTheGrammar) {
  for (int i = 0; i < 500; ++i) {
    const StillScene scene = RandomStill(3, i, /*pair=*/true);
    EXPECT_NE(scene[kStillColour], scene[kStillSecondColour] - 1);
    EXPECT_NE(StillWords(kStillColour)[scene[kStillColour]], StillWords(kStillFloor)[scene[kStillFloor]]);
  }
}

}  // namespace
}  // namespace quality
