#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "app/draw/canvas.h"

namespace app {

// Blocks and tiles of some attention calls (docs/attention_spec.md, "Counts").
struct BlockCounts {
  double visible_blocks = 0, kept_blocks = 0, pv_tiles = 0, pv_skipped = 0;

  void Add(const BlockCounts& other);
  double sparsity() const;  // as the paper counts it; 0 where nothing is visible
};

// What the sidecar's `attention` record says, as tables. Passes of one step are added up.
struct AttentionView {
  struct Step {
    int64_t step = 0;
    std::optional<double> sigma;
    std::vector<BlockCounts> layers;              // [num_layers]
    std::vector<std::vector<BlockCounts>> heads;  // [num_layers][num_heads]
  };
  std::vector<Step> steps;  // those recorded, ascending
  int64_t num_layers = 0, num_heads = 0;
  BlockCounts total;
  double share_of_time = 0;

  const Step* Find(int64_t step) const;  // null: not recorded
};

// Reads a record, which may come from any file: what has another form than ours is left out. Absent where no call of a
// DiT's self or joint attention is left.
std::optional<AttentionView> ViewOfRecord(const nlohmann::json& attention);

// Step × layer, and under it layer × head of one step (absent: the last recorded), as one picture. Throws
// Error{kInvalidInput} for a step that is not there.
Canvas DrawAttention(const AttentionView& view, const std::string& title, std::optional<int64_t> step);

// What an audit found, a layer and a step: means over heads and passes.
struct AuditView {
  struct Errors {
    double total = 0, skipping = 0, eight_bit = 0, dense8 = 0, count = 0;  // sums; count of heads
    void Add(const Errors& other);
    Errors Mean() const;
  };
  std::vector<int64_t> steps;                // ascending
  std::vector<int64_t> layers;               // ascending
  std::vector<std::vector<Errors>> by_step;  // [steps][layers]
  Errors all;
};
// As ViewOfRecord, of the sidecar's `audit`.
std::optional<AuditView> ViewOfAudit(const nlohmann::json& audit);
// Step × layer: the error of the mode in use, and how much of it is skipping.
Canvas DrawAudit(const AuditView& view, const std::string& title);

}  // namespace app
