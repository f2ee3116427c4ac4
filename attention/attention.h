#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "attention/stats.h"

namespace attention {

// Where a DiT's tokens sit: what the sparse modes need to know about a sequence.
struct TokenLayout {
  int64_t grid_t = 0, grid_h = 0, grid_w = 0;       // latent grid of the video tokens, w fastest; 0: no grid
  std::optional<std::pair<int64_t, int64_t>> text;  // [begin, end) of text tokens inside a joint sequence
};

// How attention is to run, the same for every call of a job.
struct AttentionOptions {
  std::string mode = "dense";   // see Modes()
  std::string kernel = "auto";  // see Kernels(); a name forces that kernel or throws its reason
};

// One call's place and needs. Made by the pipeline, narrowed by the model with At().
struct AttentionContext {
  const AttentionOptions* options = nullptr;  // null: the defaults
  StatsRecorder* stats = nullptr;             // null: nothing is recorded
  int step = -1;                              // −1 outside the denoising loop
  int layer = 0;
  Kind kind = Kind::kSelf;
  Pass pass = Pass::kCond;
  TokenLayout layout;
  std::optional<double> scale;  // 1/sqrt(D) where absent
  at::Tensor bias;              // additive, broadcast to [B, Hq, Lq, Lkv], q's dtype; undefined: none. Dense mode only.

  AttentionContext At(int layer_index, Kind call_kind) const {
    AttentionContext ctx = *this;
    ctx.layer = layer_index;
    ctx.kind = call_kind;
    return ctx;
  }
};

// softmax(scale·q·kᵀ + bias)·v for q [B, Hq, Lq, D], k [B, Hkv, Lkv, D], v [B, Hkv, Lkv, Dv] of one floating dtype on
// one device, any strides, Hq divisible by Hkv. Returns [B, Hq, Lq, Dv] in q's dtype. What is computed:
// docs/attention_spec.md. Asynchronous on the current stream where the device is. Throws base::Error: kInvalidInput
// with the shapes it got, kUnsupported for a mode or kernel that is not there (the message names those that are) or
// cannot run this call.
at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx);

// What this build has.
const std::vector<std::string>& Modes();
const std::vector<std::string>& Kernels();

// Throws kUnsupported unless `options` names a mode and a kernel of this build.
void CheckOptions(const AttentionOptions& options);

}  // namespace attention
