#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "attention/options.h"
#include "attention/stats.h"

namespace attention {

// Where a DiT's tokens sit: what the sparse modes need to know about a sequence.
struct TokenLayout {
  int64_t grid_t = 0, grid_h = 0, grid_w = 0;       // latent grid of the video tokens, w fastest; 0: no grid
  std::optional<std::pair<int64_t, int64_t>> text;  // [begin, end) of text tokens inside a joint sequence
};

// What a caller may ask for besides the output. `want_…` is read, the rest is written. Tensors are on q's device.
struct CallResults {
  bool want_lse = false;
  bool want_block_map = false;  // not with mode dense
  bool want_counts = false;     // not with mode dense

  at::Tensor lse;                                                // [B, Hq, Lq] float32
  at::Tensor block_map;                                          // [B, Hq, nq, nk] uint8: the map used, 0 or 1
  at::Tensor visible_blocks, kept_blocks, pv_tiles, pv_skipped;  // [B, Hq] int64
  std::string kernel, reason;                                    // what ran, and why that
  bool fallback = false;                                         // another kernel would have been preferred
  // On the CPU; 0 where the device is asynchronous: there the statistics know, once they are settled.
  double seconds = 0, predict_seconds = 0, quantize_seconds = 0;
};

class CallPolicy;
class CallTap;

// One call's place and needs. Made by the pipeline, narrowed by the model with At().
struct AttentionContext {
  const AttentionOptions* options = nullptr;  // null: the defaults
  const CallPolicy* policy = nullptr;         // not null: decides in place of options, maps and per-head tensors
  StatsRecorder* stats = nullptr;             // null: nothing is recorded
  CallTap* tap = nullptr;                     // null: nobody watches
  int step = -1;                              // −1 outside the denoising loop
  int layer = 0;
  Kind kind = Kind::kSelf;
  Pass pass = Pass::kCond;
  TokenLayout layout;
  std::optional<double> scale;  // 1/sqrt(D) where absent
  at::Tensor bias;              // additive, broadcast to [B, Hq, Lq, Lkv], q's dtype; undefined: none. Dense mode only.

  bool causal = false;  // query i sees key j iff j ≤ i + Lkv − Lq

  // In host memory, whatever q's device; undefined: none.
  at::Tensor key_lengths;               // [B] int64 in [0, Lkv]: keys from there on are invisible
  at::Tensor block_map;                 // [B, Hq, nq, nk] uint8, nonzero = kept: replaces the choice of blocks
  at::Tensor topk, cdf, theta, lambda;  // [Hq] float32, before the options; NaN: not given for this head

  std::string why;        // why these options at this place: recorded before the kernel's reason
  bool fallback = false;  // other options would have been preferred: recorded

  CallResults* results = nullptr;  // null: nothing but the output is wanted

  AttentionContext At(int layer_index, Kind call_kind) const {
    AttentionContext ctx = *this;
    ctx.layer = layer_index;
    ctx.kind = call_kind;
    return ctx;
  }
};

// How the call at one place is to run.
struct CallPlan {
  AttentionOptions options;
  at::Tensor topk, cdf, theta, lambda, block_map;  // as in AttentionContext
  std::string why;
  bool fallback = false;
};

// Decides how each call of a job runs. Made by the pipeline from a job's settings.
class CallPolicy {
 public:
  virtual ~CallPolicy() = default;
  // `ctx` says where the call is: step, layer, kind, pass. Throws base::Error.
  virtual CallPlan Plan(const AttentionContext& ctx, const at::Tensor& q, const at::Tensor& k) const = 0;
};

// A call that is done, as it ran.
struct SeenCall {
  const at::Tensor &q, &k, &v, &o;
  const AttentionContext& ctx;  // with what the policy decided
  const CallResults& results;
};

// Watches calls: audits, dumps. Its time is no part of the call's (StatsRecorder::tap_seconds).
class CallTap {
 public:
  virtual ~CallTap() = default;
  // Before a call whose context asks for no results: which of them the tap wants to see (`want_…`). `ctx` says where
  // the call is, and its options how it runs.
  virtual void Wants(const AttentionContext& /*ctx*/, CallResults& /*results*/) {}
  virtual void Seen(const SeenCall& call) = 0;
};

// softmax(scale·q·kᵀ + bias)·v for q [B, Hq, Lq, D], k [B, Hkv, Lkv, D], v [B, Hkv, Lkv, Dv] of one floating dtype on
// one device, any strides, Hq divisible by Hkv. Returns [B, Hq, Lq, Dv] in q's dtype. What is computed:
// docs/attention_spec.md. Mode dense runs on any device; the others on the CPU, in libtorch's threads, and on CUDA
// devices where the build has kernels (WhyOnlyDense). Asynchronous where the device is: nothing is waited for. Throws
// base::Error: kInvalidInput with what it got and what it expected, kUnsupported for a mode or kernel that is not there
// (the message names those that are) or cannot run this call.
at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx);

// What this build has.
const std::vector<std::string>& Modes();
const std::vector<std::string>& Kernels();
std::vector<std::string> KernelsOf(const std::string& mode);  // those that compute it, on whatever device

// Why the modes other than dense cannot run on the device; "": they can.
std::string WhyOnlyDense(const at::Device& device);

// Throws unless `options` names a mode and a kernel of this build, the kernel can do the mode (kUnsupported), and every
// value is in range (kInvalidInput). What depends on a call's sizes is checked by Attend.
void CheckOptions(const AttentionOptions& options);

}  // namespace attention
