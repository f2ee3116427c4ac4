#include "app/console/event_observer.h"

#include <filesystem>

#include "app/job/sidecar.h"

namespace app {

using nlohmann::json;

void EventObserver::set_stats(const attention::StatsRecorder* stats, const pipeline::StageSeconds* seconds) {
  const std::lock_guard lock(mutex_);
  stats_ = stats;
  seconds_ = seconds;
}

void EventObserver::set_step_extra(std::function<json(int64_t)> extra) {
  const std::lock_guard lock(mutex_);
  step_extra_ = std::move(extra);
}

void EventObserver::set_result(json result) {
  const std::lock_guard lock(mutex_);
  result_ = std::move(result);
}

void EventObserver::set_device_memory(std::function<json()> look) {
  const std::lock_guard lock(mutex_);
  device_memory_ = std::move(look);
}

void EventObserver::AddDeviceMemory(json& event) const {
  json memory = device_memory_ ? device_memory_() : json();
  if (!memory.is_null()) event["device_memory"] = std::move(memory);
}

void EventObserver::SendLocked(json event) {
  event["id"] = id_;
  sink_(event);
}

void EventObserver::Send(json event) {
  const std::lock_guard lock(mutex_);
  SendLocked(std::move(event));
}

void EventObserver::Started(const Job& job) {
  Send({{"event", "started"},
        {"name", job.names.name},
        {"variant", job.names.variant},
        {"index", job.names.index},
        {"hash", job.hash},
        {"model", job.names.model},
        {"outputs", job.files.outputs}});
}

void EventObserver::Notice(const std::string& text) { Send({{"event", "notice"}, {"message", text}}); }

void EventObserver::Output(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::is_regular_file(path, error) ? std::filesystem::file_size(path, error) : 0;
  Send({{"event", "output"}, {"path", path}, {"bytes", bytes}});
}

void EventObserver::Done(const Job& job, double seconds) {
  const std::lock_guard lock(mutex_);
  in_stage_ = false;
  json event = {{"event", "done"}, {"seconds", seconds}, {"hash", job.hash}, {"sidecar", job.files.sidecar}};
  event.update(result_);
  AddDeviceMemory(event);
  SendLocked(std::move(event));
}

void EventObserver::Failed(const std::string& cause, const std::string& message) {
  const std::lock_guard lock(mutex_);
  SendLocked({{"event", "failed"},
              {"status", cause == "cancelled" ? "cancelled" : "failed"},
              {"error",
               {{"cause", cause},
                {"stage", in_stage_ ? json(pipeline::StageName(stage_)) : json(nullptr)},
                {"step", in_stage_ ? json(last_done_) : json(nullptr)},
                {"message", message}}}});
}

// What the calls since the last of these events did.
void EventObserver::SendStats(int64_t step) {
  const std::vector<attention::CallRecord>& calls = stats_->denoising_calls();
  if (calls.size() < calls_sent_) calls_sent_ = 0;
  json layers = json::array();
  for (; calls_sent_ < calls.size(); ++calls_sent_) {
    if (calls[calls_sent_].step == step) layers.push_back(CallJSON(calls[calls_sent_]));
  }
  if (layers.empty()) return;
  json event = {{"event", "stats"},
                {"step", step},
                {"sparsity", stats_->sparsity()},
                {"seconds", seconds_->steps.empty() ? json(nullptr) : json(seconds_->steps.back())},
                {"attention_seconds", stats_->seconds() - attention_sent_s_},
                {"kernels", stats_->calls_by_kernel()},
                {"fallbacks", FallbacksJSON(*stats_, step)},
                {"layers", std::move(layers)}};
  attention_sent_s_ = stats_->seconds();
  if (step_extra_) event.update(step_extra_(step));
  SendLocked(std::move(event));
}

void EventObserver::Update(pipeline::Stage stage, int64_t done, int64_t total) {
  const std::lock_guard lock(mutex_);
  const Clock::time_point now = Clock::now();
  const bool begins = !in_stage_ || stage != stage_ || done < last_done_;
  const bool ends = total > 0 && done >= total;
  if (!begins && done == last_done_ && total == last_total_) return;
  if (begins) {
    if (!in_stage_ && ends && stage == stage_ && last_done_ == done) return;  // the end, said once more
    stage_ = stage;
    stage_start_ = now;
    first_done_ = done;
    last_sent_ = Clock::time_point();
  }
  in_stage_ = !ends;
  last_done_ = done;
  last_total_ = total;
  const bool denoises = stage == pipeline::Stage::kDenoise;
  if (!denoises && !begins && !ends && now - last_sent_ < std::chrono::milliseconds(200)) return;
  last_sent_ = now;
  json event = {{"event", "progress"}, {"stage", pipeline::StageName(stage)}, {"step", done}, {"total", total}};
  if (done > first_done_ && total > 0) {
    const double each =
        std::chrono::duration<double>(now - stage_start_).count() / static_cast<double>(done - first_done_);
    event["s_per_step"] = each;
    event["eta_s"] = each * static_cast<double>(total - done);
  }
  if (denoises && stats_ != nullptr) event["sparsity"] = stats_->sparsity();
  AddDeviceMemory(event);
  SendLocked(std::move(event));
  if (!denoises || stats_ == nullptr) return;
  if (begins) {  // where the steps begin: what was before is of none
    calls_sent_ = stats_->denoising_calls().size();
    attention_sent_s_ = stats_->seconds();
  } else {
    SendStats(done - 1);
  }
}

}  // namespace app
