#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "app/console/event_observer.h"
#include "app/job/run.h"

namespace app {

// What `set`, `pause` and `resume` do to a job; one thread commands, another renders.
class LiveControl : public LiveJob {
 public:
  explicit LiveControl(EventObserver* events) : events_(events) {}

  // Commands. `Set` returns false once the last step has begun: it would have no effect.
  bool Set(const Value& rule);
  void Pause(bool paused);
  void Wake() { changed_.notify_all(); }  // after a cancel

  // Of the job.
  std::vector<Value> TakeRules(int64_t step) override;
  void RuleHolds(int64_t step, const Value& rule, const std::string& hash) override;
  void PauseIfAsked(const std::function<void()>& checkpoint) override;
  void set_last_step(int64_t step) { last_step_ = step; }

 private:
  EventObserver* events_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Value> rules_;
  bool paused_ = false, closed_ = false;
  int64_t last_step_ = -1;
};

}  // namespace app
