#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "app/console/event_observer.h"
#include "app/job/run.h"
#include "app/worker/preview_files.h"

namespace app {

// What `set`, `pause` and `resume` do to a job; one thread commands, another renders.
class LiveControl : public LiveJob {
 public:
  // `previews`: null where nobody looks. `maps`: a folder, or empty.
  explicit LiveControl(EventObserver* events, PreviewFiles* previews = nullptr, std::string maps = "")
      : events_(events), previews_(previews), maps_(std::move(maps)) {}

  // Commands. `Set` and `Audit` return false once the last step has begun: they would have no effect.
  bool Set(const Value& rule);
  bool Audit();
  void Pause(bool paused);
  void Wake() { changed_.notify_all(); }  // after a cancel

  // Of the job.
  std::vector<Value> TakeRules(int64_t step) override;
  void RuleHolds(int64_t step, const Value& rule, const std::string& hash) override;
  void PauseIfAsked(const std::function<void()>& checkpoint) override;
  bool WantsPreview() override { return previews_ != nullptr; }
  void Preview(int64_t step, const pipeline::PreviewFrames& frames) override;
  std::string MapsFolder() override { return maps_; }
  bool TakeAudit(int64_t step) override;
  void Audited(int64_t step, const nlohmann::json& audit) override;
  void set_last_step(int64_t step) { last_step_ = step; }

 private:
  EventObserver* events_;
  PreviewFiles* previews_;
  const std::string maps_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Value> rules_;
  bool paused_ = false, closed_ = false, audit_ = false;
  int64_t last_step_ = -1;
};

}  // namespace app
