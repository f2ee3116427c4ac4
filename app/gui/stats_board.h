#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "ui/view.h"

namespace app {

// What a job's attention does, from a worker's events and then from the job's sidecar, as the window draws it. Either
// may be of any form: what is not as expected is left out.
class StatsBoard {
 public:
  // The shape, as far as it is known before: steps of the job, layers and heads of the model.
  void Begin(int num_steps, int num_layers, int num_heads);
  void TakeProgress(const nlohmann::json& event);  // of the stage denoise
  void TakeStats(const nlohmann::json& event);
  void TakeRecord(const nlohmann::json& attention);  // a sidecar's `attention`

  const ui::SparsityView& view() const { return view_; }

 private:
  void TakeStep(int step, const nlohmann::json& layers);
  void Measure();

  ui::SparsityView view_;
  double step_seconds_ = 0;  // of the steps so far
  std::map<std::pair<int, int>, std::pair<double, int>>
      full_ms_;  // by visible blocks and heads: of calls that skipped nothing
};

}  // namespace app
