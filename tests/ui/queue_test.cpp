#include <gtest/gtest.h>

#include "tests/ui/bench.h"

namespace ui {
namespace {

Bench& WithJobs(Bench& bench) {
  bench.view.jobs = {SampleJob(7, JobState::kRunning, "one"), SampleJob(8, JobState::kWaiting, "two"),
                     SampleJob(9, JobState::kWaiting, "three"), SampleJob(10, JobState::kFailed, "four")};
  bench.view.jobs[0].step = 3;
  bench.view.jobs[0].total = 8;
  bench.view.jobs[0].stage = "denoise";
  bench.view.why_not.pause = "";
  bench.Frames(2);
  return bench;
}

TEST(Queue, AClickShowsTheJob) {
  Bench bench;
  WithJobs(bench);
  const auto shown = Only<ShowJob>(bench.Click("job/1"));
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].id, 8u);
}

TEST(Queue, DraggingReorders) {
  Bench bench;
  WithJobs(bench);
  const auto moved = Only<MoveJob>(bench.Drag("job/2", "job/1"));
  ASSERT_EQ(moved.size(), 1u);
  EXPECT_EQ(moved[0].id, 9u);
  EXPECT_EQ(moved[0].to, 1u);
}

TEST(Queue, WhatRendersCannotBeDragged) {
  Bench bench;
  WithJobs(bench);
  EXPECT_TRUE(Only<MoveJob>(bench.Drag("job/0", "job/2")).empty());
}

TEST(Queue, PauseAndResume) {
  Bench bench;
  WithJobs(bench);
  auto pause = Only<PauseQueue>(bench.Click("pause"));
  ASSERT_EQ(pause.size(), 1u);
  EXPECT_TRUE(pause[0].on);
  bench.view.paused = true;
  pause = Only<PauseQueue>(bench.Click("pause"));
  ASSERT_EQ(pause.size(), 1u);
  EXPECT_FALSE(pause[0].on);
}

TEST(Queue, ButtonsWithoutWorkDoNothing) {
  Bench bench;
  EXPECT_TRUE(bench.Click("pause").empty());
  EXPECT_TRUE(bench.Click("cancel_all").empty());
  EXPECT_TRUE(bench.Click("clear_finished").empty());
  bench.Click("save");
  EXPECT_FALSE(bench.Has("path"));
}

TEST(Queue, CancelAllAndClearFinished) {
  Bench bench;
  WithJobs(bench);
  EXPECT_EQ(Only<CancelAll>(bench.Click("cancel_all")).size(), 1u);
  EXPECT_EQ(Only<ClearFinished>(bench.Click("clear_finished")).size(), 1u);
}

TEST(Queue, TheRunningJobIsOnEveryWorkspace) {
  Bench bench;
  WithJobs(bench);
  for (const int key : {'1', '2', '3'}) {
    bench.Frame({{key, true}});
    bench.Frames(2);
    const auto cancel = Only<CancelJob>(bench.Click("cancel_running"));
    ASSERT_EQ(cancel.size(), 1u) << key;
    EXPECT_EQ(cancel[0].id, 7u);
  }
}

TEST(Queue, SavingAsksForAPath) {
  Bench bench;
  WithJobs(bench);
  bench.Frame({{'S', true}});
  bench.Frames(3);
  ASSERT_TRUE(bench.Has("path"));
  bench.Type("a.yaml");
  const auto saved = Only<SaveQueue>(bench.Frame({{kKeyEnter}}));
  ASSERT_EQ(saved.size(), 1u);
  EXPECT_EQ(saved[0].path, "a.yaml");
  bench.Frames(2);
  EXPECT_FALSE(bench.Has("path"));
}

TEST(Queue, OpeningTakesAPathOrNothing) {
  Bench bench;
  bench.Frame({{'O', true}});
  bench.Frames(3);
  EXPECT_TRUE(Only<OpenPath>(bench.Frame({{kKeyEnter}})).empty()) << "nothing was typed";
  bench.Type("m/toy");
  const auto opened = Only<OpenPath>(bench.Click("path/ok"));
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].path, "m/toy");
}

TEST(Queue, HundredsOfJobsDraw) {
  Bench bench;
  for (uint64_t i = 1; i <= 500; ++i)
    bench.view.jobs.push_back(SampleJob(i, JobState::kWaiting, "job " + std::to_string(i)));
  bench.Frames(3);
  EXPECT_TRUE(bench.Has("job/0"));
}

}  // namespace
}  // namespace ui
