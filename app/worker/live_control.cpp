#include "app/worker/live_control.h"

#include <chrono>
#include <utility>

namespace app {

bool LiveControl::Set(const Value& rule) {
  const std::lock_guard lock(mutex_);
  if (closed_) return false;
  rules_.push_back(rule);
  return true;
}

bool LiveControl::Audit() {
  const std::lock_guard lock(mutex_);
  audit_ = !closed_;
  return audit_;
}

bool LiveControl::TakeAudit(int64_t step) {
  const std::lock_guard lock(mutex_);
  closed_ = step == last_step_;
  return std::exchange(audit_, false);
}

void LiveControl::Audited(int64_t step, const nlohmann::json& audit) {
  nlohmann::json event = audit;
  event["event"] = "audit";
  event["step"] = step;
  events_->Send(std::move(event));
}

void LiveControl::Pause(bool paused) {
  const std::lock_guard lock(mutex_);
  paused_ = paused;
  changed_.notify_all();
}

std::vector<Value> LiveControl::TakeRules(int64_t step) {
  const std::lock_guard lock(mutex_);
  closed_ = step == last_step_;
  return std::exchange(rules_, {});
}

void LiveControl::RuleHolds(int64_t step, const Value& rule, const std::string& hash) {
  events_->Send({{"event", "set"}, {"step", step}, {"rule", rule}, {"hash", hash}});
}

void LiveControl::Preview(int64_t step, const pipeline::PreviewFrames& frames) {
  const std::string path = previews_->Write(frames);
  events_->Send({{"event", "preview"},
                 {"step", step},
                 {"path", path},
                 {"width", frames.width},
                 {"height", frames.height},
                 {"frames", frames.frames},
                 {"format", "rgb24"}});
}

void LiveControl::PauseIfAsked(const std::function<void()>& checkpoint) {
  {
    const std::lock_guard lock(mutex_);
    if (!paused_) return;
  }
  checkpoint();
  events_->Send({{"event", "paused"}});
  std::unique_lock lock(mutex_);
  // A signal cancels without a word to this object: hence the look now and then.
  while (paused_ && !events_->Cancelled()) changed_.wait_for(lock, std::chrono::milliseconds(100));
  if (!paused_) events_->Send({{"event", "resumed"}});
}

}  // namespace app
