#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace app {

// `sparge bench attention`: our kernels and libtorch's SDPA by turns, on the same device and in the same threads. No
// libtorch in this header.
struct MeasureRequest {
  std::string device = "cpu";                   // or "cuda", "cuda:N"
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
  double skipped = 0;           // share of the key blocks
  double ms = 0;                // of our call
  std::vector<double> sdpa_ms;  // a peer
  double gops = 0;              // executed by our call, 1e9 a second
  double ceiling_share = 0;     // the time that the two products would take at the ceilings' rates, of our time
  double prepare_share = 0;     // prediction and quantisation, of our time
  double rate = 0;              // per executed block, of dense8's

  size_t best_peer() const;
  double ratio() const { return sdpa_ms[best_peer()] / ms; }
};

// The ways in which libtorch's SDPA is timed on the device: on the CPU its dtypes, on CUDA its back ends, in bfloat16.
std::vector<std::string> MeasurePeers(const std::string& device);

// One row for each entry of `skip`. `poll` is called before each call and may throw to stop.
std::vector<MeasuredRow> MeasureAttention(const MeasureRequest& request, const std::function<void()>& poll);

}  // namespace app
