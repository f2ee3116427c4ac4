#include "pipeline/models/wan_transformer.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>

#include "attention/base/error.h"
#include "pipeline/layers/token_order.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;

constexpr double kRotaryTheta = 10000.0;

// FP32LayerNorm of x [B, L, C] over its last dimension with float32 weight and bias [C]; result in x's dtype. On the
// CPU libtorch takes half-precision x with float32 weights and computes in float32: no copies.
at::Tensor LayerNorm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, double eps) {
  const at::Tensor in = x.is_cpu() ? x : x.to(at::kFloat);
  return at::layer_norm(in, {x.size(-1)}, weight.to(at::kFloat), bias.to(at::kFloat), eps).to(x.scalar_type());
}

// LayerNorm(x) · (1 + scale) + shift in float32, scale and shift [B, 1, C]; result in x's dtype. For one batch entry
// they are the norm's own weight and bias.
at::Tensor ModulatedNorm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, double eps) {
  if (x.size(0) == 1) return LayerNorm(x, (1 + scale).flatten(), shift.flatten(), eps);
  const at::Tensor norm = at::layer_norm(x.to(at::kFloat), {x.size(-1)}, {}, {}, eps);
  return at::addcmul(shift, norm, 1 + scale).to(x.scalar_type());
}

// x + h · gate in float32, gate [B, 1, C]; result in x's dtype.
at::Tensor GatedSum(const at::Tensor& x, const at::Tensor& h, const at::Tensor& gate) {
  return at::addcmul(x.to(at::kFloat), h.to(at::kFloat), gate).to(x.scalar_type());
}

// diffusers' Timesteps(flip_sin_to_cos=True, downscale_freq_shift=0): [cos | sin], an odd dimension padded with a zero.
at::Tensor SinusoidalEmbedding(const at::Tensor& timestep, int64_t dim) {
  const int64_t half = dim / 2;
  at::Tensor exponent = -std::log(10000.0) * at::arange(0, half, timestep.options().dtype(at::kFloat));
  exponent = exponent / static_cast<double>(half);
  const at::Tensor angles = timestep.unsqueeze(-1).to(at::kFloat) * exponent.exp().unsqueeze(0);
  at::Tensor out = at::cat({angles.cos(), angles.sin()}, -1);
  return dim % 2 ? at::constant_pad_nd(out, {0, 1}) : out;
}

}  // namespace

bool WanTransformer::KeepsFloat32(const std::string& name) {
  static const char* const kKept[] = {"rope", "time_embedder", "scale_shift_table", "norm1", "norm2", "norm3"};
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    for (const char* kept : kKept)
      if (name.compare(begin, end - begin, kept) == 0) return true;
    begin = end + 1;
  }
  return false;
}

bool WanTransformer::Ignores(const std::string& name) { return name.find("norm_added_q") != std::string::npos; }

WanTransformer::Attention WanTransformer::LoadAttention(WeightLoader& loader, const std::string& name) const {
  const int64_t dim = config_.dim();
  Attention attn;
  attn.to_q = Linear::Load(loader, name + ".to_q", dim, dim);
  attn.to_k = Linear::Load(loader, name + ".to_k", dim, dim);
  attn.to_v = Linear::Load(loader, name + ".to_v", dim, dim);
  attn.to_out = Linear::Load(loader, name + ".to_out.0", dim, dim);
  attn.norm_q = loader.Get(name + ".norm_q.weight", {dim});
  attn.norm_k = loader.Get(name + ".norm_k.weight", {dim});
  return attn;
}

WanTransformer::WanTransformer(const WanTransformerConfig& config, WeightLoader& loader) : config_(config) {
  const int64_t dim = config.dim();
  const auto [pt, ph, pw] = config.patch_size;
  patch_weight_ = loader.Get("patch_embedding.weight", {dim, config.in_channels, pt, ph, pw});
  patch_bias_ = loader.Get("patch_embedding.bias", {dim});
  const std::string embedder = "condition_embedder.";
  time_1_ = Linear::Load(loader, embedder + "time_embedder.linear_1", config.freq_dim, dim);
  time_2_ = Linear::Load(loader, embedder + "time_embedder.linear_2", dim, dim);
  time_proj_ = Linear::Load(loader, embedder + "time_proj", dim, 6 * dim);
  text_1_ = Linear::Load(loader, embedder + "text_embedder.linear_1", config.text_dim, dim);
  text_2_ = Linear::Load(loader, embedder + "text_embedder.linear_2", dim, dim);
  for (int64_t i = 0; i < config.num_layers; ++i) {
    const std::string name = base::StrCat("blocks.", i, ".");
    Block block;
    block.self = LoadAttention(loader, name + "attn1");
    block.cross = LoadAttention(loader, name + "attn2");
    if (config.cross_attn_norm) {
      block.norm2_weight = loader.Get(name + "norm2.weight", {dim});
      block.norm2_bias = loader.Get(name + "norm2.bias", {dim});
    }
    block.ffn_in = Linear::Load(loader, name + "ffn.net.0.proj", dim, config.ffn_dim);
    block.ffn_out = Linear::Load(loader, name + "ffn.net.2", config.ffn_dim, dim);
    block.scale_shift_table = loader.Get(name + "scale_shift_table", {1, 6, dim});
    blocks_.push_back(std::move(block));
  }
  scale_shift_table_ = loader.Get("scale_shift_table", {1, 2, dim});
  proj_out_ = Linear::Load(loader, "proj_out", dim, config.out_channels * pt * ph * pw);
}

at::Tensor WanTransformer::SplitHeads(const at::Tensor& x) const { return x.unflatten(2, {config_.num_heads, -1}); }

at::Tensor WanTransformer::NormQK(const at::Tensor& x, const at::Tensor& weight) const {
  return at::rms_norm(x, {x.size(-1)}, weight, config_.eps);
}

WanTransformer::TextContext WanTransformer::PrepareText(const at::Tensor& embeddings, Progress& progress) const {
  const at::Tensor text = text_2_(text_1_.GeluTanh(embeddings));
  TextContext context;
  for (const Block& block : blocks_) {
    progress.ThrowIfCancelled();
    const at::Tensor k = SplitHeads(NormQK(block.cross.to_k(text), block.cross.norm_k));
    const at::Tensor v = SplitHeads(block.cross.to_v(text));
    context.keys_values.emplace_back(k.transpose(1, 2), v.transpose(1, 2));
  }
  return context;
}

at::Tensor WanTransformer::SelfAttention(const Attention& attn, const at::Tensor& x, const RotaryTable& rotary,
                                         const attention::AttentionContext& ctx) const {
  const at::Tensor q = ApplyRotary(SplitHeads(NormQK(attn.to_q(x), attn.norm_q)), rotary);
  const at::Tensor k = ApplyRotary(SplitHeads(NormQK(attn.to_k(x), attn.norm_k)), rotary);
  const at::Tensor v = SplitHeads(attn.to_v(x));
  const at::Tensor out = attention::Attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), ctx);
  return attn.to_out(out.transpose(1, 2).flatten(2, 3));
}

at::Tensor WanTransformer::CrossAttention(const Attention& attn, const at::Tensor& x,
                                          const std::pair<at::Tensor, at::Tensor>& text,
                                          const attention::AttentionContext& ctx) const {
  const at::Tensor q = SplitHeads(NormQK(attn.to_q(x), attn.norm_q));
  const at::Tensor out = attention::Attend(q.transpose(1, 2), text.first, text.second, ctx);
  return attn.to_out(out.transpose(1, 2).flatten(2, 3));
}

at::Tensor WanTransformer::RunBlock(const Block& block, at::Tensor x, const at::Tensor& time_modulation,
                                    const std::pair<at::Tensor, at::Tensor>& text, const RotaryTable& rotary,
                                    const attention::AttentionContext& ctx) const {
  const std::vector<at::Tensor> mod = (block.scale_shift_table + time_modulation.to(at::kFloat)).chunk(6, 1);
  const at::Tensor &shift = mod[0], &scale = mod[1], &gate = mod[2], &ffn_shift = mod[3], &ffn_scale = mod[4],
                   &ffn_gate = mod[5];

  at::Tensor h = ModulatedNorm(x, scale, shift, config_.eps);
  h = SelfAttention(block.self, h, rotary, ctx.At(ctx.layer, attention::Kind::kSelf));
  x = GatedSum(x, h, gate);

  h = config_.cross_attn_norm ? LayerNorm(x, block.norm2_weight, block.norm2_bias, config_.eps) : x;
  x = x + CrossAttention(block.cross, h, text, ctx.At(ctx.layer, attention::Kind::kCross));

  h = ModulatedNorm(x, ffn_scale, ffn_shift, config_.eps);
  return GatedSum(x, block.ffn_out(block.ffn_in.GeluTanh(h)), ffn_gate);
}

std::array<int64_t, 3> WanTransformer::Grid(const at::Tensor& latents) const {
  const auto [pt, ph, pw] = config_.patch_size;
  return {latents.size(2) / pt, latents.size(3) / ph, latents.size(4) / pw};
}

WanTransformer::Positions WanTransformer::PreparePositions(const at::Tensor& latents, bool hilbert) const {
  const std::array<int64_t, 3> grid = Grid(latents);
  for (int64_t size : grid)
    Check(size >= 1 && size <= config_.rope_max_seq_len, ErrorCode::kInvalidInput, "latents ", latents.sizes(),
          " make ", size, " patches along one axis; this model takes 1 to ", config_.rope_max_seq_len);
  Positions positions;
  positions.rotary = MakeRotaryTable3D(config_.head_dim, grid, kRotaryTheta, latents.device());
  if (!hilbert) return positions;
  const std::vector<int64_t> order = HilbertOrder(grid);
  positions.order = at::tensor(order, at::kLong).to(latents.device());
  positions.inverse = at::tensor(InverseOrder(order), at::kLong).to(latents.device());
  positions.rotary = {positions.rotary.turns.index_select(1, positions.order)};
  return positions;
}

at::Tensor WanTransformer::Forward(const at::Tensor& latents, const at::Tensor& timestep, const TextContext& text,
                                   const Positions& positions, const attention::AttentionContext& ctx,
                                   Progress& progress) const {
  const auto [pt, ph, pw] = config_.patch_size;
  const std::array<int64_t, 3> grid = Grid(latents);
  attention::AttentionContext block_ctx = ctx;
  block_ctx.layout = {grid[0], grid[1], grid[2], std::nullopt};

  at::Tensor x = at::conv3d(latents, patch_weight_, patch_bias_, config_.patch_size).flatten(2).transpose(1, 2);
  x = positions.order.defined() ? x.index_select(1, positions.order) : x.contiguous();
  const at::Tensor sinusoid = SinusoidalEmbedding(timestep, config_.freq_dim).to(time_1_.weight.scalar_type());
  const at::Tensor time = time_2_(at::silu(time_1_(sinusoid))).to(dtype());
  const at::Tensor modulation = time_proj_(at::silu(time)).unflatten(1, {6, -1});

  for (size_t i = 0; i < blocks_.size(); ++i) {
    progress.ThrowIfCancelled();
    block_ctx.layer = static_cast<int>(i);
    x = RunBlock(blocks_[i], std::move(x), modulation, text.keys_values[i], positions.rotary, block_ctx);
  }

  const std::vector<at::Tensor> mod = (scale_shift_table_ + time.unsqueeze(1)).chunk(2, 1);
  x = proj_out_(ModulatedNorm(x, mod[1], mod[0], config_.eps));
  if (positions.inverse.defined()) x = x.index_select(1, positions.inverse);
  x = x.reshape({latents.size(0), grid[0], grid[1], grid[2], pt, ph, pw, -1});
  return x.permute({0, 7, 1, 4, 2, 5, 3, 6}).flatten(6, 7).flatten(4, 5).flatten(2, 3);
}

}  // namespace pipeline
