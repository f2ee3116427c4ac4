#include "attention/call_clock.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace attention {
namespace {
enum { kStart, kPredicted, kStop };
}

CallClock::CallClock(const at::Device& device) : device_(device) { Mark(kStart); }

void CallClock::Predicted() {
  predicted_ = true;
  Mark(kPredicted);
}

void CallClock::Stop() { Mark(kStop); }

void CallClock::Mark(int which) {
  if (!asynchronous()) {
    times_[which] = std::chrono::steady_clock::now();
    return;
  }
  events_[which].emplace(device_.type(), c10::EventFlag::BACKEND_DEFAULT);  // with times
  events_[which]->record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

double CallClock::Between(int first, int second) const {
  if (!asynchronous()) return std::chrono::duration<double>(times_[second] - times_[first]).count();
  events_[second]->synchronize();
  return events_[first]->elapsedTime(*events_[second]) / 1e3;
}

double CallClock::Seconds() const { return Between(kStart, kStop); }
double CallClock::PredictedSeconds() const { return predicted_ ? Between(kStart, kPredicted) : 0; }

}  // namespace attention
