#include <ATen/Functions.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <chrono>

#include "attention/attention.h"
#include "attention/base/error.h"

namespace attention {
namespace {

using base::Check;
using base::ErrorCode;
using base::Fail;

constexpr int64_t kQueryBlock = 128, kKeyBlock = 64, kRowGroup = 64;
// Heads wider than this have no fused SDPA kernel: libtorch would write out the whole score matrix.
constexpr int64_t kWidestFusedHead = 256;
constexpr int64_t kScoreBytes = int64_t{64} << 20;  // of one chunk's score matrix

constexpr const char* kSDPA = "sdpa";
constexpr const char* kSDPAChunked = "sdpa_chunked";

std::string Join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

void CheckTensors(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  Check(q.dim() == 4 && k.dim() == 4 && v.dim() == 4, ErrorCode::kInvalidInput, "attention: got q ", q.sizes(), ", k ",
        k.sizes(), ", v ", v.sizes(), ", expected four dimensions [B, H, L, D] each");
  const bool fits = q.size(0) == k.size(0) && q.size(0) == v.size(0) && k.size(1) == v.size(1) &&
                    k.size(2) == v.size(2) && q.size(3) == k.size(3) && k.size(1) > 0 && q.size(1) % k.size(1) == 0 &&
                    q.numel() > 0 && k.numel() > 0 && v.size(3) > 0;
  Check(fits, ErrorCode::kInvalidInput, "attention: got q ", q.sizes(), ", k ", k.sizes(), ", v ", v.sizes(),
        ", expected q [B, Hq, Lq, D], k [B, Hkv, Lkv, D], v [B, Hkv, Lkv, Dv], none empty, Hq divisible by Hkv");
  Check(q.scalar_type() == k.scalar_type() && q.scalar_type() == v.scalar_type() && q.is_floating_point(),
        ErrorCode::kInvalidInput, "attention: got dtypes ", q.scalar_type(), ", ", k.scalar_type(), ", ",
        v.scalar_type(), " for q, k, v, expected one floating dtype");
  Check(q.device() == k.device() && q.device() == v.device(), ErrorCode::kInvalidInput,
        "attention: q, k and v are on different devices");
}

// A slice of the bias along its query dimension, which may be broadcast.
at::Tensor BiasRows(const at::Tensor& bias, int64_t begin, int64_t length) {
  if (bias.dim() < 2 || bias.size(-2) == 1) return bias;
  return bias.narrow(-2, begin, length);
}

at::Tensor SDPA(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                std::optional<double> scale) {
  const bool gqa = q.size(1) != k.size(1);
  return at::scaled_dot_product_attention(q, k, v, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt,
                                          /*dropout_p=*/0.0, /*is_causal=*/false, scale, gqa);
}

at::Tensor SDPAChunked(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                       std::optional<double> scale) {
  const int64_t row_bytes = q.size(0) * q.size(1) * k.size(2) * 4;
  const int64_t rows = std::clamp(kScoreBytes / row_bytes, int64_t{1}, q.size(2));
  if (rows == q.size(2)) return SDPA(q, k, v, bias, scale);
  at::Tensor out = at::empty({q.size(0), q.size(1), q.size(2), v.size(3)}, q.options());
  for (int64_t begin = 0; begin < q.size(2); begin += rows) {
    const int64_t length = std::min(rows, q.size(2) - begin);
    const at::Tensor chunk_bias = bias.defined() ? BiasRows(bias, begin, length) : bias;
    out.narrow(2, begin, length).copy_(SDPA(q.narrow(2, begin, length), k, v, chunk_bias, scale));
  }
  return out;
}

void Record(const at::Tensor& q, const at::Tensor& k, const AttentionContext& ctx, std::string kernel,
            std::string reason, double seconds) {
  CallRecord record;
  record.step = ctx.step;
  record.layer = ctx.layer;
  record.kind = ctx.kind;
  record.pass = ctx.pass;
  record.kernel = std::move(kernel);
  record.reason = std::move(reason);
  record.seconds = seconds;
  const int64_t key_blocks = CeilDiv(k.size(2), kKeyBlock);
  const int64_t blocks = q.size(0) * CeilDiv(q.size(2), kQueryBlock) * key_blocks;
  const int64_t tiles = q.size(0) * CeilDiv(q.size(2), kRowGroup) * key_blocks;
  const size_t heads = static_cast<size_t>(q.size(1));
  record.visible_blocks.assign(heads, blocks);
  record.kept_blocks.assign(heads, blocks);
  record.pv_tiles.assign(heads, tiles);
  record.pv_skipped.assign(heads, 0);
  ctx.stats->Add(std::move(record));
}

}  // namespace

const std::vector<std::string>& Modes() {
  static const std::vector<std::string> modes = {"dense"};
  return modes;
}

const std::vector<std::string>& Kernels() {
  static const std::vector<std::string> kernels = {kSDPA, kSDPAChunked};
  return kernels;
}

void CheckOptions(const AttentionOptions& options) {
  Check(Has(Modes(), options.mode), ErrorCode::kUnsupported, "attention mode '", options.mode,
        "' is not in this build; there is: ", Join(Modes()));
  Check(options.kernel == "auto" || Has(Kernels(), options.kernel), ErrorCode::kUnsupported, "attention kernel '",
        options.kernel, "' is not in this build; there are: auto, ", Join(Kernels()));
}

at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx) {
  static const AttentionOptions defaults;
  const AttentionOptions& options = ctx.options ? *ctx.options : defaults;
  CheckOptions(options);
  CheckTensors(q, k, v);

  std::string kernel = options.kernel, reason = "asked for by name";
  if (kernel == "auto") {
    const bool wide = std::max(q.size(3), v.size(3)) > kWidestFusedHead;
    kernel = wide ? kSDPAChunked : kSDPA;
    reason =
        wide ? base::StrCat("mode dense; no fused kernel for a head of ", std::max(q.size(3), v.size(3)), " channels")
             : "mode dense";
  }
  const auto start = std::chrono::steady_clock::now();
  at::Tensor out = kernel == kSDPA ? SDPA(q, k, v, ctx.bias, ctx.scale) : SDPAChunked(q, k, v, ctx.bias, ctx.scale);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (ctx.stats) Record(q, k, ctx, std::move(kernel), std::move(reason), seconds);
  return out;
}

}  // namespace attention
