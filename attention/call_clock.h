#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>

#include <chrono>
#include <memory>
#include <optional>

#include "attention/stats.h"

namespace attention {

// How long a call takes: on the CPU by the clock, elsewhere by events in the device's current stream, which nobody
// waits for until the times are asked for.
class CallClock {
 public:
  explicit CallClock(const at::Device& device);  // starts
  void Predicted();                              // the first stage is done, or queued
  void Stop();

  bool asynchronous() const { return !device_.is_cpu(); }
  double Seconds() const;           // waits for the device
  double PredictedSeconds() const;  // waits for the device; 0 without a first stage

 private:
  void Mark(int which);
  double Between(int first, int second) const;

  at::Device device_;
  std::chrono::steady_clock::time_point times_[3];
  std::optional<c10::Event> events_[3];
  bool predicted_ = false;
};

// Sums counts [B, Hq, 4] int64 (HeadCounts) over the batch into the record; waits for the device that they are on.
void SetCounts(const at::Tensor& counts, CallRecord& record);

// What a device has yet to say of a call: its times and counts.
std::shared_ptr<LateRecord> QueuedCall(CallClock clock, at::Tensor counts);

}  // namespace attention
