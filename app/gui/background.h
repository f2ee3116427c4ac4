#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace app {

// A thread that answers the newest question: what takes long happens beside the window, not in it. An answer that a
// later question overtook is dropped.
template <class Question, class Answer>
class Background {
 public:
  using Outdated = std::function<bool()>;  // whether a newer question waits: the answer is not wanted any more
  using Work = std::function<Answer(const Question&, const Outdated&)>;

  // `work` runs on the thread and does not throw; `ready` is called there after each answer that can be taken.
  Background(Work work, std::function<void()> ready)
      : work_(std::move(work)), ready_(std::move(ready)), thread_([this] { Run(); }) {}
  ~Background() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void Ask(Question question) {
    const std::lock_guard lock(mutex_);
    question_ = std::move(question);
    ++asked_;
    answer_.reset();
    changed_.notify_all();
  }
  // Nothing is wanted any more.
  void Forget() {
    const std::lock_guard lock(mutex_);
    question_.reset();
    ++asked_;
    answer_.reset();
  }
  // The answer to the newest question, once.
  std::optional<Answer> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(answer_, std::nullopt);
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return ending_ || question_.has_value(); });
      if (ending_) return;
      const Question question = *std::exchange(question_, std::nullopt);
      const uint64_t number = asked_;
      lock.unlock();
      Answer answer = work_(question, [this, number] {
        const std::lock_guard inner(mutex_);
        return ending_ || asked_ != number;
      });
      lock.lock();
      if (ending_) return;
      if (number != asked_) continue;
      answer_ = std::move(answer);
      lock.unlock();
      ready_();
      lock.lock();
    }
  }

  const Work work_;
  const std::function<void()> ready_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Question> question_;
  std::optional<Answer> answer_;
  uint64_t asked_ = 0;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace app
