#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "ui/view.h"

namespace app {

// What attention calls that skipped nothing took, by visible blocks and heads.
struct FullTimes {
  struct Sum {
    double ms = 0;
    int64_t calls = 0;
  };
  std::map<std::pair<int64_t, int>, Sum> by_size;

  void Add(std::pair<int64_t, int> size, double ms, int64_t calls = 1);
  // Of one call; 0 where none of this size is known.
  double Mean(std::pair<int64_t, int> size) const;
};

// What a job's attention does, from a worker's events and then from the job's sidecar, as the window draws it. Either
// may be of any form: what is not as expected is left out.
class StatsBoard {
 public:
  // The shape, as far as it is known before: steps of the job, layers and heads of the model.
  void Begin(int num_steps, int num_layers, int num_heads);
  // What each step and layer runs as, [steps, num_layers]: tells dense calls from 8-bit ones that skip nothing. Empty:
  // not known.
  void SetModes(std::vector<ui::CellMode> modes, int num_layers) {
    modes_ = std::move(modes);
    mode_layers_ = num_layers;
  }
  // Dense calls of earlier clips of the same model, type and device: what speed is measured against where this clip
  // has none of its own.
  void SetEarlier(const FullTimes& dense) { earlier_ = dense; }

  void TakeStats(const nlohmann::json& event);
  void TakeAudit(const nlohmann::json& audit);      // an `audit` event, a sidecar's `audit`
  void TakeSidecar(const nlohmann::json& sidecar);  // of the job when it is done

  const ui::SparsityView& view() const { return view_; }
  const FullTimes& dense() const { return dense_; }  // of this job's own dense calls
  uint64_t revision() const { return revision_; }    // another one whenever the view is

 private:
  using Size = std::pair<int64_t, int>;  // visible blocks, heads
  struct Step {
    double seconds = 0, attention_seconds = 0;  // 0: not known
    double self_ms = 0;                         // of self- and joint attention
    std::map<Size, int64_t> calls;              // of those, by size
    FullTimes dense, dense8;                    // those that skipped nothing
    std::vector<ui::FallbackRow> fallbacks;     // `where` is the kind alone
    std::vector<int> fallback_layers;           // of each
  };

  void Fit(int steps, int layers, int heads);
  void TakeStep(int step, const nlohmann::json& layers);
  void TakeFallbacks(const nlohmann::json& list, int only_step);
  void TakeKernels(const nlohmann::json& kernels);
  ui::CellMode ModeAt(int step, int layer) const;
  void Measure();
  void CollectFallbacks();

  ui::SparsityView view_;
  std::map<int, Step> steps_;
  std::vector<ui::CellMode> modes_;
  int mode_layers_ = 0;
  FullTimes earlier_, dense_;
  uint64_t revision_ = 0;
};

}  // namespace app
