#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "attention/call.h"

namespace attention {

// How a call is to run. Checked in every mode, used by those that have a use for it. No torch here.
struct AttentionOptions {
  std::string mode = "dense";   // see Modes()
  std::string kernel = "auto";  // see Kernels(); a name forces that kernel or throws its reason

  // The block map of sparge and sparge_exact (docs/attention_spec.md, "First stage"). Absent: the defaults, which are
  // topk 0.5 where neither topk nor cdf is given for a head, here or in AttentionContext, theta 0.3 and lambda -7.
  std::optional<double> topk, cdf;  // (0, 1]
  std::optional<double> theta;      // [0, 1]
  std::optional<double> lambda;     // ≤ 0, natural-log units
  bool sink = false;                // keep key block 0
  TokenRange keep_keys, keep_queries;
  std::string selector = "spargeattn";  // or another of block_map's selectors
  int64_t window = 0;                   // of the selector sliding_window: key blocks to either side
};

}  // namespace attention
