#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attention/options.h"
#include "pipeline/attention_settings.h"
#include "pipeline/block_maps.h"

namespace pipeline {

// How a layer's self or joint attention runs at one step.
struct PlannedAttention {
  attention::AttentionOptions options;
  std::vector<float> topk, cdf, theta, lambda;  // per head, before the options'; empty: not given; NaN: not this head
  std::string why;                              // where the mode comes from if not from the job's choice; "" if it does
};

// What a plan is made for.
struct AttentionShape {
  int64_t steps = 0, layers = 0, heads = 0;
  int64_t tokens = 0;  // of the sequence; 0: unknown, maps are not held against it
};

// Resolves a job's attention settings. No torch in this header; calls themselves are planned by AttentionPolicy.
class AttentionPlan {
 public:
  // Checks everything against the shape and reads the block maps. Throws Error{kInvalidInput} or, for modes and kernels
  // that are not there or cannot be combined, Error{kUnsupported}, naming setting, rule or layer.
  AttentionPlan(AttentionSettings settings, const AttentionShape& shape);

  PlannedAttention At(int64_t step, int64_t layer) const;
  BlockMap MapAt(int64_t step, int64_t layer) const { return maps_ ? maps_->Find(step, layer) : BlockMap(); }
  const AttentionSettings& settings() const { return settings_; }
  bool hilbert() const { return settings_.order == "hilbert"; }

 private:
  struct Level;
  void Apply(const AttentionChoice& choice, const std::string& why, Level& level) const;

  AttentionSettings settings_;
  std::vector<bool> dense_step_, dense_layer_;
  struct Scope {  // of a rule
    std::vector<bool> steps, layers;
  };
  std::vector<Scope> scopes_;
  std::shared_ptr<const BlockMaps> maps_;
};

}  // namespace pipeline
