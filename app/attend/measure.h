#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace app {

// `sparge bench attention`: our kernels and libtorch's SDPA by turns, in the same threads. No libtorch in this header.
struct MeasureRequest {
  int64_t tokens = 0, head_dim = 0, heads = 0;  // batch 1
  std::string dtype;                            // of our inputs: bfloat16, float32, float16
  std::string kernel = "auto";
  std::vector<int64_t> skip;  // percent of the key blocks that sparge is to skip; 0 is dense8
  int repeat = 5;             // rounds, after one that does not count
};

// Medians over the rounds. Operations: two (a multiply and an add) for each channel of each product of a kept pair.
struct MeasuredRow {
  std::string mode, kernel;
  int64_t tokens = 0, head_dim = 0;
  double skipped = 0;  // share of the key blocks
  double ms = 0;       // of our call
  double sdpa_bf16_ms = 0, sdpa_f32_ms = 0;
  double gops = 0;           // executed by our call, 1e9 a second
  double ceiling_share = 0;  // the time that the two products would take at MeasureCeiling's rates, of our time
  double prepare_share = 0;  // prediction and quantisation, of our time
  double rate = 0;           // per executed block, of dense8's

  double sdpa_ms() const { return sdpa_bf16_ms < sdpa_f32_ms ? sdpa_bf16_ms : sdpa_f32_ms; }
  double ratio() const { return sdpa_ms() / ms; }
};

// One row for each entry of `skip`. `poll` is called before each call and may throw to stop.
std::vector<MeasuredRow> MeasureAttention(const MeasureRequest& request, const std::function<void()>& poll);

}  // namespace app
