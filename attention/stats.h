#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
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
  std::string mode;  // "dense", "dense8", "sparge", "sparge_exact"
  std::string kernel;
  std::string reason;     // why this mode at this place, where it is not the job's, and why this kernel
  bool fallback = false;  // another kernel would have been preferred
  double seconds = 0;
  double predict_seconds = 0;
  std::vector<int64_t> visible_blocks, kept_blocks, pv_tiles, pv_skipped;
};

// What a device has yet to tell of a call that is queued.
class LateRecord {
 public:
  virtual ~LateRecord() = default;
  virtual void Settle(CallRecord& record) = 0;  // waits for the device; fills times and counts
};

struct Fallback {
  int step, layer;
  Kind kind;
  std::string kernel, reason;
  int64_t calls;
};

// A step whose latents were not finite, and which ran again.
struct Redo {
  int step;
  std::string reason;
  int64_t calls;   // of the attempt that was dropped, all kinds
  double seconds;  // their time
};

// Collects what every attention call did. Owned by whoever runs the pipeline; not for two threads at once. Of a call
// that comes with a `late` part nothing is seen before Settle.
class StatsRecorder {
 public:
  void Add(CallRecord record, std::shared_ptr<LateRecord> late = nullptr);
  // Waits for what is queued and takes it in. Between steps, not within them.
  void Settle();
  void Clear();
  // Adds all that `later` has, after what is here. Both are settled.
  void Append(const StatsRecorder& later);
  // Notes that the calls of `dropped` came to nothing: their time counts, nothing else of them does.
  void AddRedo(int step, const std::string& reason, const StatsRecorder& dropped);
  void AddTapSeconds(double seconds) { tap_seconds_ += seconds; }

  // Calls of a DiT's self and joint attention, in the order in which they ran.
  const std::vector<CallRecord>& denoising_calls() const { return denoising_calls_; }
  const std::map<std::string, int64_t>& calls_by_kernel() const { return calls_by_kernel_; }
  const std::map<std::string, int64_t>& calls_by_mode() const { return calls_by_mode_; }
  std::vector<Fallback> fallbacks() const;
  const std::vector<Redo>& redone() const { return redone_; }
  double seconds() const { return seconds_; }          // all kinds
  double tap_seconds() const { return tap_seconds_; }  // spent watching, in no other time here

  // 1 − kept/visible · (1 + (pv_tiles − pv_skipped)/pv_tiles)/2 over denoising_calls(); 0 where a divisor is 0.
  double sparsity() const;

 private:
  void TakeIn(CallRecord record);

  std::vector<std::pair<CallRecord, std::shared_ptr<LateRecord>>> queued_;
  std::vector<CallRecord> denoising_calls_;
  std::map<std::string, int64_t> calls_by_kernel_, calls_by_mode_;
  std::vector<Redo> redone_;
  std::map<std::tuple<int, int, Kind, std::string, std::string>, int64_t> fallbacks_;
  double seconds_ = 0, tap_seconds_ = 0;
};

}  // namespace attention
