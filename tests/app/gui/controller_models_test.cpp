#include <gtest/gtest.h>

#include "tests/app/gui/controller_fixture.h"

// A model's folder goes away and comes back: while it is chosen, while clips wait for it, while the worker has it.
namespace app {
namespace {

using nlohmann::json;
using ui::JobState;

class ControllerModels : public ControllerTest {
 protected:
  void TakeAway() { std::filesystem::rename(model_, model_ + " elsewhere"); }
  void PutBack() { std::filesystem::rename(model_ + " elsewhere", model_); }
  bool HasNotice(const std::string& text) {
    for (const ui::NoticeRow& notice : view().notices) {
      if (notice.text.find(text) != std::string::npos) return !notice.remedy.empty();
    }
    return false;
  }
  std::string SavedQueue() {
    std::ifstream in(Path("state/queue.yaml"));
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(ControllerModels, ChosenAndGoneAndBack) {
  ASSERT_EQ(view().why_not.generate, "");
  TakeAway();
  ASSERT_TRUE(TickUntil([&] { return !view().why_not.generate.empty(); }));
  EXPECT_TRUE(HasNotice(model_ + " is not there any more"));
  EXPECT_EQ(view().Find("model")->value, model_) << "the choice stays";
  EXPECT_EQ(view().Find("prompt")->value, "a sphere");
  PutBack();
  ASSERT_TRUE(TickUntil([&] { return view().why_not.generate.empty(); }));
}

TEST_F(ControllerModels, ClipsInTheQueueWaitForIt) {
  const uint64_t one = Add(), two = Add(), three = Add();
  Say(one, "done");
  ASSERT_EQ(Row(two).state, JobState::kRunning);
  TakeAway();
  Say(two, "failed", {{"status", "failed"}, {"error", {{"cause", "invalid_input"}, {"message", "model: no folder"}}}});
  EXPECT_EQ(Row(two).state, JobState::kWaiting);
  EXPECT_NE(Row(three).error.find("waits for its model"), std::string::npos);
  EXPECT_TRUE(HasNotice("its clips wait for it"));
  Tick();
  EXPECT_EQ(worker_->Sent("render").size(), 2u) << "it is not tried again and again";
  ASSERT_TRUE(TickUntil([&] { return SavedQueue().find("a sphere 3") != std::string::npos; })) << SavedQueue();
  EXPECT_NE(SavedQueue().find("a sphere 2"), std::string::npos) << "a crash now loses nothing";
  PutBack();
  ASSERT_TRUE(TickUntil([&] { return worker_->Sent("render").size() == 3; }));
  EXPECT_EQ(Row(two).state, JobState::kRunning);
  EXPECT_EQ(Row(two).error, "");
  Say(two, "done");
  EXPECT_EQ(Row(three).state, JobState::kRunning);
}

TEST_F(ControllerModels, OtherModelsGoOn) {
  const uint64_t one = Add();
  const std::string other = Path("other");
  std::filesystem::copy(model_, other);
  const std::string first = std::exchange(model_, other);
  controller_->Open(model_);
  const uint64_t two = Add();
  std::filesystem::remove_all(first);
  Say(one, "failed", {{"status", "failed"}, {"error", {{"cause", "io"}, {"message", "cannot read"}}}});
  EXPECT_EQ(Row(one).state, JobState::kWaiting);
  EXPECT_EQ(Row(two).state, JobState::kRunning);
  EXPECT_EQ(worker_->Sent("render").back()["settings"]["model"], other);
}

TEST_F(ControllerModels, AWorkerThatDiesOfItHasNotFailedTheClip) {
  const uint64_t one = Add();
  TakeAway();
  for (int i = 0; i < 3; ++i) {
    Say(one, "failed",
        {{"status", "failed"}, {"worker_died", true}, {"error", {{"cause", "signal"}, {"message", "signal 7"}}}});
    EXPECT_EQ(Row(one).state, JobState::kWaiting);
    PutBack();
    ASSERT_TRUE(TickUntil([&] { return Row(one).state == JobState::kRunning; }));
    TakeAway();
  }
}

}  // namespace
}  // namespace app
