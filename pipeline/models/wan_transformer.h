#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <string>
#include <vector>

#include "attention/attention.h"
#include "pipeline/layers/linear.h"
#include "pipeline/layers/rotary.h"
#include "pipeline/progress.h"
#include "pipeline/weights/weights.h"

namespace pipeline {

class Config;

struct WanTransformerConfig {
  std::array<int64_t, 3> patch_size = {1, 2, 2};  // t, h, w
  int64_t num_heads = 40, head_dim = 128, in_channels = 16, out_channels = 16, text_dim = 4096, freq_dim = 256;
  int64_t ffn_dim = 13824, num_layers = 40, rope_max_seq_len = 1024;
  bool cross_attn_norm = true;
  double eps = 1e-6;

  int64_t dim() const { return num_heads * head_dim; }

  // Reads what diffusers' WanTransformer3DModel writes, with its defaults. Throws Error{kUnsupported} for image
  // conditioning.
  static WanTransformerConfig Parse(Config& config);
};

// diffusers' WanTransformer3DModel (models/transformers/transformer_wan.py, 0.42), text-to-video: same arithmetic in
// the same order and dtypes.
class WanTransformer {
 public:
  WanTransformer(const WanTransformerConfig& config, WeightLoader& loader);

  // Names whose tensors stay in float32 whatever the model's dtype (`_keep_in_fp32_modules`).
  static bool KeepsFloat32(const std::string& name);
  // Names in a checkpoint that diffusers skips (`_keys_to_ignore_on_load_unexpected`).
  static bool Ignores(const std::string& name);

  // What the blocks need of a prompt, the same at every step: keys and values of the cross-attention, [1, H, L, D] a
  // layer.
  struct TextContext {
    std::vector<std::pair<at::Tensor, at::Tensor>> keys_values;
  };
  // embeddings [1, L, text_dim] in the model's dtype.
  TextContext PrepareText(const at::Tensor& embeddings, Progress& progress) const;

  // Where the tokens stand: their order and, in that order, their position embedding.
  struct Positions {
    RotaryTable rotary;
    at::Tensor order,
        inverse;  // [L] int64 on the device: raster index of each token, and back; undefined: raster order
  };
  // Positions for latents of this shape [1, C, T, h, w], the same at every step, in raster or Hilbert order. Throws
  // Error{kInvalidInput} when an axis has more patches than the model was made for.
  Positions PreparePositions(const at::Tensor& latents, bool hilbert = false) const;

  // Predicts the flow's velocity: latents [1, C, T, h, w] in the model's dtype, timestep [1] (any dtype) → same shape
  // with out_channels. `ctx` names step and pass; layer and kind are filled in. Blocks see the tokens in the order of
  // `positions`. Throws Error{kCancelled} between blocks.
  at::Tensor Forward(const at::Tensor& latents, const at::Tensor& timestep, const TextContext& text,
                     const Positions& positions, const attention::AttentionContext& ctx, Progress& progress) const;

  const WanTransformerConfig& config() const { return config_; }
  at::ScalarType dtype() const { return patch_weight_.scalar_type(); }

 private:
  struct Attention {
    Linear to_q, to_k, to_v, to_out;
    at::Tensor norm_q, norm_k;
  };
  struct Block {
    Attention self, cross;
    at::Tensor norm2_weight, norm2_bias;  // undefined without cross_attn_norm
    Linear ffn_in, ffn_out;
    at::Tensor scale_shift_table;  // [1, 6, dim] float32
  };

  std::array<int64_t, 3> Grid(const at::Tensor& latents) const;  // patches along t, h, w
  Attention LoadAttention(WeightLoader& loader, const std::string& name) const;
  at::Tensor SplitHeads(const at::Tensor& x) const;
  at::Tensor NormQK(const at::Tensor& x, const at::Tensor& weight) const;
  at::Tensor SelfAttention(const Attention& attn, const at::Tensor& x, const RotaryTable& rotary,
                           const attention::AttentionContext& ctx) const;
  at::Tensor CrossAttention(const Attention& attn, const at::Tensor& x, const std::pair<at::Tensor, at::Tensor>& text,
                            const attention::AttentionContext& ctx) const;
  at::Tensor RunBlock(const Block& block, at::Tensor x, const at::Tensor& time_modulation,
                      const std::pair<at::Tensor, at::Tensor>& text, const RotaryTable& rotary,
                      const attention::AttentionContext& ctx) const;

  WanTransformerConfig config_;
  at::Tensor patch_weight_, patch_bias_;
  Linear time_1_, time_2_, time_proj_, text_1_, text_2_;
  std::vector<Block> blocks_;
  at::Tensor scale_shift_table_;  // [1, 2, dim] float32
  Linear proj_out_;
};

}  // namespace pipeline
