#include "attention/call_clock.h"

#include <ATen/ops/sum.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

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

void SetCounts(const at::Tensor& counts, CallRecord& record) {
  const at::Tensor sums = counts.sum(0).to(at::kCPU).t().contiguous();  // [4, Hq]
  const int64_t* from = sums.const_data_ptr<int64_t>();
  for (auto field :
       {&CallRecord::visible_blocks, &CallRecord::kept_blocks, &CallRecord::pv_tiles, &CallRecord::pv_skipped}) {
    (record.*field).assign(from, from + sums.size(1));
    from += sums.size(1);
  }
}

std::shared_ptr<LateRecord> QueuedCall(CallClock clock, at::Tensor counts) {
  class Queued : public LateRecord {
   public:
    Queued(CallClock clock, at::Tensor counts) : clock_(std::move(clock)), counts_(std::move(counts)) {}
    void Settle(CallRecord& record) override {
      record.seconds = clock_.Seconds();
      record.predict_seconds = clock_.PredictedSeconds();
      SetCounts(counts_, record);
    }

   private:
    CallClock clock_;
    at::Tensor counts_;
  };
  return std::make_shared<Queued>(std::move(clock), std::move(counts));
}

}  // namespace attention
