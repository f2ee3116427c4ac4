#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "attention/stats.h"

namespace attention {
class CallTap;
}

// Looking into a render's attention: audits and dumps, at chosen steps and layers of the DiT's self and joint
// attention. Their time is in none of the render's. No torch here.
namespace pipeline {

struct Places {
  std::set<int64_t> steps, layers;  // from 0; empty: all
  bool Has(int64_t step, int64_t layer) const {
    return (steps.empty() || steps.count(step) > 0) && (layers.empty() || layers.count(layer) > 0);
  }
};

// One call's error a query head: Σ|a − b| / Σ|dense|, dense being exact attention on the same inputs in float32.
struct AuditedCall {
  int step = 0, layer = 0;
  attention::Kind kind = attention::Kind::kSelf;
  attention::Pass pass = attention::Pass::kCond;
  std::string mode;               // that the render used here
  std::vector<double> total;      // its output against dense
  std::vector<double> skipping;   // sparge_exact, same blocks, against dense: what skipping costs
  std::vector<double> eight_bit;  // its output against sparge_exact: what 8 bits cost
  std::vector<double> dense8;     // dense8 against dense
};

// Runs dense, dense8 and sparge_exact on the inputs of each call that the places name.
class AttentionAudit {
 public:
  explicit AttentionAudit(Places places);
  AttentionAudit();  // of nothing, until Also
  ~AttentionAudit();
  AttentionAudit(AttentionAudit&&) noexcept;
  attention::CallTap* tap();
  void Also(int64_t step);  // every layer of a step that has not begun
  const std::vector<AuditedCall>& calls() const;

 private:
  class Tap;
  std::unique_ptr<Tap> tap_;
};

// Writes calls as `sS_lL_PASS.safetensors` into a folder that is made if need be: files that `sparge attend` reads.
// `what` is of q, k, v, o, lse and map. Throws base::Error: kIo from the render where the disk is full.
class AttentionDump {
 public:
  AttentionDump(std::string folder, std::set<std::string> what, Places places);
  ~AttentionDump();
  AttentionDump(AttentionDump&&) noexcept;
  attention::CallTap* tap();
  int64_t files() const;

 private:
  class Tap;
  std::unique_ptr<Tap> tap_;
};

// Several taps as one. They have to outlive it.
class AttentionTaps {
 public:
  AttentionTaps();
  ~AttentionTaps();
  void Add(attention::CallTap* tap);
  attention::CallTap* tap();  // null: there are none

 private:
  class Tap;
  std::unique_ptr<Tap> tap_;
};

}  // namespace pipeline
