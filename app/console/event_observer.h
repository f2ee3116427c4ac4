#pragma once

#include <chrono>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>

#include "app/job/run.h"
#include "attention/stats.h"

namespace app {

// Turns what happens to a job into events (docs/worker.md). For two threads: one renders, the other writes files.
class EventObserver : public JobObserver {
 public:
  using Sink = std::function<void(const nlohmann::json&)>;
  // `id` stands in every event.
  EventObserver(nlohmann::json id, Sink sink) : id_(std::move(id)), sink_(std::move(sink)) {}

  void set_id(nlohmann::json id) { id_ = std::move(id); }
  // What `done` says besides.
  void set_result(nlohmann::json result);
  // What `device_memory` is in `progress` and `done` events: {"used_bytes", "total_bytes"}; null leaves it out. Called
  // from both threads.
  void set_device_memory(std::function<nlohmann::json()> look);
  // From when they are known: `stats` events, and sparsity in `progress`. Null ends it.
  void set_stats(const attention::StatsRecorder* stats, const pipeline::StageSeconds* seconds);
  void set_step_extra(std::function<nlohmann::json(int64_t step)> extra) override;  // for `stats`

  void Update(pipeline::Stage stage, int64_t done, int64_t total) override;
  void Started(const Job& job) override;
  void Notice(const std::string& text) override;
  void Output(const std::string& path) override;
  void Done(const Job& job, double seconds) override;
  void Failed(const std::string& cause, const std::string& message) override;
  // An event of the caller's own; `id` is added.
  void Send(nlohmann::json event);

 private:
  using Clock = std::chrono::steady_clock;
  void SendLocked(nlohmann::json event);
  void SendStats(int64_t step);
  void AddDeviceMemory(nlohmann::json& event) const;

  std::mutex mutex_;
  nlohmann::json id_;
  Sink sink_;
  nlohmann::json result_ = nlohmann::json::object();
  std::function<nlohmann::json()> device_memory_;
  const attention::StatsRecorder* stats_ = nullptr;
  const pipeline::StageSeconds* seconds_ = nullptr;
  std::function<nlohmann::json(int64_t)> step_extra_;
  size_t calls_sent_ = 0;
  double attention_sent_s_ = 0;  // of attention so far
  bool in_stage_ = false;
  pipeline::Stage stage_ = pipeline::Stage::kLoadTextEncoder;
  int64_t first_done_ = 0, last_done_ = 0, last_total_ = 0;
  Clock::time_point stage_start_, last_sent_;
};

}  // namespace app
