#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "tests/app/gui/controller_fixture.h"

// The session, the controller and the threads beside them, with a worker process that renders nothing; for the preset
// `tsan` too.
namespace app {
namespace {

using ui::JobState;
using Clock = std::chrono::steady_clock;

class ThreadsTest : public ControllerFixture {
 protected:
  void Complete(ControllerOptions& options) override {
    options.start_link = [] { return StartWorkerLink(SPARGE_BINARY_DIR "/bin/fake_worker"); };
    options.wake = [this] { ++woken_; };
  }

  // In real time, as the window does it.
  bool Until(const std::function<bool()>& done) {
    const auto end = Clock::now() + std::chrono::seconds(60);
    while (!done() && Clock::now() < end) {
      controller_->Tick(std::chrono::duration<double>(Clock::now().time_since_epoch()).count());
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return done();
  }
  bool Are(JobState state) {
    return !view().jobs.empty() && std::all_of(view().jobs.begin(), view().jobs.end(),
                                               [&](const ui::JobRow& job) { return job.state == state; });
  }

  std::atomic<int> woken_ = 0;  // used by threads until TearDown
};

TEST_F(ThreadsTest, ClipsPreviewsMapsAndSaves) {
  controller_->Handle(ui::SetSeeds{false, 4});
  controller_->Handle(ui::Generate{});
  bool previewed = false;
  ASSERT_TRUE(Until([&] {
    previewed |= view().clip && view().clip->preview;
    if (controller_->busy() && view().sparsity.grid.num_steps > 0) controller_->Handle(ui::ShowMap{0, 1, 1, ""});
    controller_->Handle(ui::SetSetting{"attention.topk", view().jobs.size() % 2 ? "0.3" : "0.4"});
    return Are(JobState::kDone);
  }));
  EXPECT_TRUE(previewed);
  EXPECT_GT(woken_, 0);
  controller_->Handle(ui::ShowMap{3, 1, 1, "cond"});
  ASSERT_TRUE(Until([&] { return view().sparsity.map && view().sparsity.map->cells; }));
  EXPECT_EQ(view().sparsity.map->kept, 3);
}

TEST_F(ThreadsTest, PauseResumeAuditCancelAndDeath) {
  controller_->Handle(ui::Generate{});
  ASSERT_TRUE(Until([&] { return !view().jobs.empty() && view().jobs[0].step > 1; }));
  controller_->Handle(ui::AuditStep{});
  controller_->Handle(ui::PauseQueue{true});
  ASSERT_TRUE(Until([&] { return Are(JobState::kPaused); }));
  EXPECT_TRUE(view().sparsity.errors.Total().known());
  controller_->Handle(ui::PauseQueue{false});
  ASSERT_TRUE(Until([&] { return Are(JobState::kDone); }));
  controller_->Handle(ui::SetSetting{"prompt", "crash"});
  controller_->Handle(ui::Generate{});
  ASSERT_TRUE(Until([&] { return view().jobs.size() == 2 && view().jobs[1].state == JobState::kFailed; }))
      << "after two workers";
  controller_->Handle(ui::SetSetting{"prompt", "a cube"});
  controller_->Handle(ui::Generate{});
  ASSERT_TRUE(Until([&] { return view().jobs.size() == 3 && view().jobs[2].step > 1; }));
  controller_->Handle(ui::CancelAll{});
  ASSERT_TRUE(Until([&] { return view().jobs.back().state == JobState::kCancelled; }));
}

TEST_F(ThreadsTest, EndsInTheMiddleOfEverything) {
  for (int i = 0; i < 3; ++i) {
    controller_->Handle(ui::Generate{});
    controller_->Open(model_ + "/model_index.json.mp4");
    std::ofstream(Path("no.png")) << "no picture";
    controller_->Open(Path("no.png"));
    ASSERT_TRUE(Until([&] { return !view().jobs.empty() && view().jobs[0].step > i; }));
    if (i == 1) controller_->Shutdown(5);
    Start();
    ASSERT_FALSE(view().jobs.empty()) << "what was under way is still there";
  }
}

}  // namespace
}  // namespace app
