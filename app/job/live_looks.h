#pragma once

#include <optional>
#include <vector>

#include "app/job/run.h"
#include "pipeline/attention_looks.h"
#include "pipeline/attention_maps.h"

namespace app {

// What a LiveJob wants to see of a render's attention: audits of single steps, and block maps of all.
class LiveLooks {
 public:
  // Adds to `taps`. `live` and `observer` outlive this.
  LiveLooks(LiveJob* live, JobObserver& observer, pipeline::AttentionTaps& taps);
  ~LiveLooks();
  LiveLooks(const LiveLooks&) = delete;
  LiveLooks& operator=(const LiveLooks&) = delete;

  void BeforeStep(int64_t step);
  void AfterStep(int64_t step);
  const std::vector<pipeline::AuditedCall>& audited() const { return audit_.calls(); }

 private:
  LiveJob* live_;
  JobObserver& observer_;
  pipeline::AttentionAudit audit_;
  std::optional<pipeline::AttentionMaps> maps_;
  int64_t audited_step_ = -1;
  bool error_said_ = false;
};

}  // namespace app
