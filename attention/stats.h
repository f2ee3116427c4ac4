#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace attention {

// What an attention call is for (docs/interfaces.md, `attention.steps[].layers[].kind`).
enum class Kind { kSelf, kCross, kJoint, kText, kVAE };
enum class Pass { kCond, kUncond };

const char* KindName(Kind kind);  // "self", "cross", "joint", "text", "vae"
const char* PassName(Pass pass);  // "cond", "uncond"

// One call of Attend. Counts as in docs/attention_spec.md, summed over the batch, one entry a query head.
struct CallRecord {
  int step = -1;  // -1 outside the denoising loop
  int layer = 0;  // counts blocks from 0
  Kind kind = Kind::kSelf;
  Pass pass = Pass::kCond;
  std::string kernel;
  std::string reason;     // why this kernel
  bool fallback = false;  // another kernel would have been preferred
  double seconds = 0;
  double predict_seconds = 0;
  std::vector<int64_t> visible_blocks, kept_blocks, pv_tiles, pv_skipped;
};

struct Fallback {
  int step, layer;
  Kind kind;
  std::string kernel, reason;
  int64_t calls;
};

// Collects what every attention call did. Owned by whoever runs the pipeline; not for two threads at once.
class StatsRecorder {
 public:
  void Add(CallRecord record);
  void Clear();

  // Calls of a DiT's self and joint attention, in the order in which they ran.
  const std::vector<CallRecord>& denoising_calls() const { return denoising_calls_; }
  const std::map<std::string, int64_t>& calls_by_kernel() const { return calls_by_kernel_; }
  std::vector<Fallback> fallbacks() const;
  double seconds() const { return seconds_; }  // all kinds

  // 1 − kept/visible · (1 + (pv_tiles − pv_skipped)/pv_tiles)/2 over denoising_calls(); 0 where a divisor is 0.
  double sparsity() const;

 private:
  std::vector<CallRecord> denoising_calls_;
  std::map<std::string, int64_t> calls_by_kernel_;
  std::map<std::tuple<int, int, Kind, std::string, std::string>, int64_t> fallbacks_;
  double seconds_ = 0;
};

}  // namespace attention
