#include "app/job/live_looks.h"

#include <algorithm>
#include <iterator>

#include "app/job/sidecar.h"

namespace app {

using nlohmann::json;

LiveLooks::LiveLooks(LiveJob* live, JobObserver& observer, pipeline::AttentionTaps& taps)
    : live_(live), observer_(observer) {
  taps.Add(audit_.tap());
  const std::string folder = live_->MapsFolder();
  if (folder.empty()) return;
  maps_.emplace(folder, kMostMapBytes);
  taps.Add(maps_->tap());
  observer_.set_step_extra([this](int64_t step) {
    json maps = json::array();
    for (const auto& map : maps_->Write(step)) {
      maps.push_back({{"layer", map.layer}, {"pass", attention::PassName(map.pass)}, {"path", map.path}});
    }
    return json{{"maps", std::move(maps)}};
  });
}

LiveLooks::~LiveLooks() {
  if (maps_) observer_.set_step_extra(nullptr);
}

void LiveLooks::BeforeStep(int64_t step) {
  if (!live_->TakeAudit(step)) return;
  audit_.Also(step);
  audited_step_ = step;
}

void LiveLooks::AfterStep(int64_t step) {
  if (audited_step_ == step) {
    std::vector<pipeline::AuditedCall> calls;
    std::copy_if(audit_.calls().begin(), audit_.calls().end(), std::back_inserter(calls),
                 [&](const pipeline::AuditedCall& call) { return call.step == step; });
    live_->Audited(step, AuditRecord(calls));
  }
  if (maps_ && !maps_->error().empty() && !error_said_) {
    error_said_ = true;
    observer_.Notice("no more block maps: " + maps_->error());
  }
}

}  // namespace app
