#include <gtest/gtest.h>

#include <set>

#include "tests/ui/bench.h"

namespace ui {
namespace {

std::set<uint64_t> ShownDuring(Bench& bench, int frames) {
  bench.textures.shown.clear();
  bench.Frames(frames);
  return {bench.textures.shown.begin(), bench.textures.shown.end()};
}

TEST(Viewer, PlaysAndLoops) {
  Bench bench;
  bench.view.clip = SampleClip(5, 4);
  EXPECT_EQ(ShownDuring(bench, 60).size(), 4u) << "10 frames a second, one second";
  EXPECT_TRUE(bench.studio.wants_frames());
}

TEST(Viewer, StopsAtTheEndWithoutTheLoop) {
  Bench bench;
  bench.Click("generate");
  bench.view.clip = SampleClip(5, 4);
  bench.Frames(2);
  bench.Click("loop");
  bench.Frames(120);
  EXPECT_EQ(ShownDuring(bench, 10), (std::set<uint64_t>{503}));
  EXPECT_FALSE(bench.studio.wants_frames());
}

TEST(Viewer, KeysStepFrames) {
  Bench bench;
  bench.view.clip = SampleClip(5, 4);
  bench.Frame();
  bench.Frame({{'D'}});
  EXPECT_EQ(ShownDuring(bench, 20), (std::set<uint64_t>{501}));
  bench.Frame({{'A'}});
  bench.Frame({{'A'}});
  EXPECT_EQ(ShownDuring(bench, 2), (std::set<uint64_t>{503})) << "before the first comes the last";
  bench.Frame({{' '}});
  EXPECT_GT(ShownDuring(bench, 60).size(), 1u);
}

TEST(Viewer, APreviewLoopsAllItsFrames) {
  Bench bench;
  bench.Click("generate");
  bench.view.clip = SampleClip(5, 4, true);
  bench.view.clip->badge = "preview, step 2 of 9";
  bench.Frames(2);
  bench.Click("loop");  // a preview loops whatever this says
  EXPECT_EQ(ShownDuring(bench, 90).size(), 4u);
}

TEST(Viewer, SpeedChangesByKeys) {
  Bench bench;
  bench.view.clip = SampleClip(5, 40);
  bench.Frame({{'L'}});
  EXPECT_EQ(bench.studio.state().speed, 2);
  for (int i = 0; i < 9; ++i) bench.Frame({{'J'}});
  EXPECT_EQ(bench.studio.state().speed, 0.25);
}

TEST(Viewer, APreviewGoesOnWhereTheLastOneIs) {
  Bench bench;
  bench.view.clip = SampleClip(5, 10, true);
  bench.Frames(30);  // half a second: frame 5
  bench.view.clip = SampleClip(6, 10, true);
  const auto shown = ShownDuring(bench, 2);
  EXPECT_EQ(shown.count(600), 0u);
  bench.view.clip = SampleClip(7, 10);
  EXPECT_EQ(ShownDuring(bench, 1), (std::set<uint64_t>{700})) << "the finished clip starts at its beginning";
}

TEST(Viewer, LettersGoToThePromptWhileItIsEdited) {
  Bench bench;
  bench.view.clip = SampleClip(5, 4);
  bench.Click("prompt");
  bench.Frames(2);
  const bool playing_before = bench.studio.wants_frames();
  EXPECT_TRUE(Only<SetSetting>(bench.Frame({{'T'}})).empty());
  bench.Frame({{' '}});
  bench.Frames(2);
  EXPECT_EQ(bench.studio.wants_frames(), playing_before);
}

TEST(Viewer, AnImageHasNothingToPlay) {
  Bench bench;
  bench.view.clip = SampleClip(5, 1);
  EXPECT_EQ(ShownDuring(bench, 30), (std::set<uint64_t>{500}));
  EXPECT_FALSE(bench.studio.wants_frames());
}

TEST(Viewer, AShorterClipDoesNotRunOver) {
  Bench bench;
  bench.view.clip = SampleClip(5, 40);
  bench.Frames(180);
  bench.view.clip = SampleClip(5, 2);  // the same id: the position stays
  EXPECT_FALSE(ShownDuring(bench, 30).empty());
}

}  // namespace
}  // namespace ui
