#include "pipeline/encoders/umt5.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attention/base/error.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;

// T5's RMSNorm: variance in float32, cast to a half-precision weight's dtype before the weight is applied.
at::Tensor RMSNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor variance = x.to(at::kFloat).pow(2).mean({-1}, true);
  at::Tensor out = x * at::rsqrt(variance + eps);
  if (weight.scalar_type() == at::kHalf || weight.scalar_type() == at::kBFloat16) out = out.to(weight.scalar_type());
  return weight * out;
}

// Bidirectional relative position buckets [L, L] int64: half of them for each sign, a quarter exact, the rest
// logarithmic.
at::Tensor RelativeBuckets(int64_t length, int64_t num_buckets, int64_t max_distance, at::Device device) {
  const at::TensorOptions options = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor position = at::arange(length, options);
  at::Tensor relative = position.unsqueeze(0) - position.unsqueeze(1);
  const int64_t half = num_buckets / 2, max_exact = half / 2;
  const at::Tensor sign = (relative > 0).to(at::kLong) * half;
  relative = relative.abs();
  const double span = std::log(static_cast<double>(max_distance) / static_cast<double>(max_exact));
  const at::Tensor ratio =
      at::log(relative.to(at::kFloat) / static_cast<double>(max_exact)) / span * static_cast<double>(half - max_exact);
  const at::Tensor large = at::clamp_max(max_exact + ratio.to(at::kLong), half - 1);
  return sign + at::where(relative < max_exact, relative, large);
}

// transformers' NewGELUActivation, op by op: in half precision every op rounds.
at::Tensor GeluNew(const at::Tensor& x) {
  return 0.5 * x * (1.0 + at::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * at::pow(x, 3.0))));
}

// torch.finfo(dtype).min: what masks a key out.
double LowestFinite(at::ScalarType dtype) {
  if (dtype == at::kHalf) return std::numeric_limits<at::Half>::lowest();
  if (dtype == at::kBFloat16) return std::numeric_limits<at::BFloat16>::lowest();
  return std::numeric_limits<float>::lowest();
}

// Keeps float16 activations finite, as transformers does.
at::Tensor ClampHalf(const at::Tensor& x) {
  if (x.scalar_type() != at::kHalf) return x;
  const double max = std::numeric_limits<at::Half>::max();
  const at::Tensor limit =
      at::where(at::isinf(x).any(), at::scalar_tensor(max - 1000, x.options()), at::scalar_tensor(max, x.options()));
  return at::clamp(x, -limit, limit);
}

}  // namespace

bool UMT5Encoder::KeepsFloat32InHalf(const std::string& name) { return name.find(".wo.") != std::string::npos; }

bool UMT5Encoder::Ignores(const std::string& name) {
  return name.rfind("decoder.", 0) == 0 || name == "lm_head.weight";
}

UMT5Encoder::UMT5Encoder(const UMT5Config& config, WeightLoader& loader) : config_(config) {
  const int64_t d = config.d_model, inner = config.num_heads * config.d_kv;
  embedding_ = loader.GetAny({"shared.weight", "encoder.embed_tokens.weight"}, {config.vocab_size, d});
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string name = base::StrCat("encoder.block.", i, ".layer.");
    const std::string attention = name + "0.SelfAttention.", dense = name + "1.DenseReluDense.";
    Block block;
    block.q = Linear::Load(loader, attention + "q", d, inner, false);
    block.k = Linear::Load(loader, attention + "k", d, inner, false);
    block.v = Linear::Load(loader, attention + "v", d, inner, false);
    block.o = Linear::Load(loader, attention + "o", inner, d, false);
    block.position_bias =
        loader.Get(attention + "relative_attention_bias.weight", {config.num_buckets, config.num_heads});
    block.attention_norm = loader.Get(name + "0.layer_norm.weight", {d});
    block.wi = Linear::Load(loader, dense + (config.gated ? "wi_0" : "wi"), d, config.d_ff, false);
    if (config.gated) block.wi_gate = Linear::Load(loader, dense + "wi_1", d, config.d_ff, false);
    block.wo = Linear::Load(loader, dense + "wo", config.d_ff, d, false);
    block.ffn_norm = loader.Get(name + "1.layer_norm.weight", {d});
    blocks_.push_back(std::move(block));
  }
  final_norm_ = loader.Get("encoder.final_layer_norm.weight", {d});
}

at::Tensor UMT5Encoder::Activate(const at::Tensor& x) const {
  if (config_.activation == "relu") return at::relu(x);
  if (config_.activation == "gelu") return at::gelu(x);
  if (config_.activation == "silu") return at::silu(x);
  return GeluNew(x);
}

at::Tensor UMT5Encoder::RunBlock(const Block& block, at::Tensor x, const at::Tensor& buckets, const at::Tensor& visible,
                                 const attention::AttentionContext& ctx) const {
  auto heads = [&](const at::Tensor& t) { return t.view({1, -1, config_.num_heads, config_.d_kv}).transpose(1, 2); };
  attention::AttentionContext call = ctx;
  call.scale = 1.0;  // T5 folds 1/sqrt(d) into its initialisation
  const at::Tensor bias = at::embedding(block.position_bias, buckets).permute({2, 0, 1}).unsqueeze(0);
  call.bias =
      at::where(visible, bias, at::scalar_tensor(LowestFinite(bias.scalar_type()), bias.options())).contiguous();

  const at::Tensor normed = RMSNorm(x, block.attention_norm, config_.eps);
  const at::Tensor out =
      attention::Attend(heads(block.q(normed)), heads(block.k(normed)), heads(block.v(normed)), call);
  x = ClampHalf(x + block.o(out.transpose(1, 2).reshape({1, -1, config_.num_heads * config_.d_kv})));

  const at::Tensor in = RMSNorm(x, block.ffn_norm, config_.eps);
  at::Tensor h = Activate(block.wi(in));
  if (config_.gated) h = h * block.wi_gate(in);
  return ClampHalf(x + block.wo(h.to(block.wo.weight.scalar_type())));
}

at::Tensor UMT5Encoder::Forward(const std::vector<int32_t>& ids, int64_t length, const attention::AttentionContext& ctx,
                                Progress& progress) const {
  for (int32_t id : ids)
    Check(id >= 0 && id < config_.vocab_size, ErrorCode::kInvalidInput, "the tokenizer gives id ", id,
          ", but the text encoder's vocabulary has ", config_.vocab_size, " entries; they are not of one model");
  const at::Tensor tokens = at::tensor(ids, at::kInt).to(at::kLong).unsqueeze(0).to(embedding_.device());
  at::Tensor x = at::embedding(embedding_, tokens);
  const at::Tensor buckets =
      RelativeBuckets(tokens.size(1), config_.num_buckets, config_.max_distance, embedding_.device());
  const at::Tensor visible = at::arange(tokens.size(1), tokens.options()) < length;  // keys, for every query
  for (size_t i = 0; i < blocks_.size(); ++i) {
    progress.ThrowIfCancelled();
    x = RunBlock(blocks_[i], std::move(x), buckets, visible, ctx.At(static_cast<int>(i), attention::Kind::kText));
  }
  return RMSNorm(x, final_norm_, config_.eps).narrow(1, 0, length);
}

}  // namespace pipeline
