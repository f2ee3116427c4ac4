#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "attention/attention.h"
#include "pipeline/layers/linear.h"
#include "pipeline/progress.h"
#include "pipeline/weights/weights.h"

namespace pipeline {

class Config;

struct UMT5Config {
  int64_t vocab_size = 250112, d_model = 512, d_kv = 64, d_ff = 1024, num_layers = 8, num_heads = 6;
  int64_t num_buckets = 32, max_distance = 128;
  double eps = 1e-6;
  bool gated = true;
  std::string activation = "gelu_new";  // relu, gelu, gelu_new, silu

  // Reads what transformers' UMT5Config writes, with its defaults. Throws Error{kUnsupported} for another activation.
  static UMT5Config Parse(Config& config);
};

// transformers' UMT5EncoderModel (models/umt5/modeling_umt5.py, 5.23): same arithmetic in the same dtypes.
class UMT5Encoder {
 public:
  UMT5Encoder(const UMT5Config& config, WeightLoader& loader);

  // transformers keeps `wo` in float32 when the model is float16, and only then.
  static bool KeepsFloat32InHalf(const std::string& name);
  // A full UMT5 checkpoint's decoder is not used.
  static bool Ignores(const std::string& name);

  // Padded token ids [L], of which the first `length` count → [1, length, d_model]. The padding is masked out of every
  // row and could be left away; it is carried along so that the products have diffusers' shapes and thus its bits.
  // Throws Error{kInvalidInput} when an id is outside the vocabulary, Error{kCancelled} between layers.
  at::Tensor Forward(const std::vector<int32_t>& ids, int64_t length, const attention::AttentionContext& ctx,
                     Progress& progress) const;

  at::ScalarType dtype() const { return embedding_.scalar_type(); }
  const UMT5Config& config() const { return config_; }

 private:
  struct Block {
    at::Tensor attention_norm, ffn_norm;
    Linear q, k, v, o;
    at::Tensor position_bias;  // [num_buckets, num_heads]
    Linear wi, wi_gate, wo;    // wi_gate only when gated
  };
  at::Tensor Activate(const at::Tensor& x) const;
  at::Tensor RunBlock(const Block& block, at::Tensor x, const at::Tensor& buckets, const at::Tensor& visible,
                      const attention::AttentionContext& ctx) const;

  UMT5Config config_;
  at::Tensor embedding_, final_norm_;
  std::vector<Block> blocks_;
};

}  // namespace pipeline
