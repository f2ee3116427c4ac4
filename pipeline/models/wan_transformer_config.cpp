#include <algorithm>

#include "pipeline/models/wan_transformer.h"
#include "pipeline/weights/config.h"

namespace pipeline {

WanTransformerConfig WanTransformerConfig::Parse(Config& config) {
  WanTransformerConfig c;
  constexpr int64_t kMax = int64_t{1} << 20;
  const std::vector<int64_t> patch = config.Ints("patch_size", {1, 2, 2}, 1, 64);
  if (patch.size() != 3) config.Fail("patch_size", "is no list of three sizes");
  std::copy(patch.begin(), patch.end(), c.patch_size.begin());
  c.num_heads = config.Int("num_attention_heads", 40, 1, 4096);
  c.head_dim = config.Int("attention_head_dim", 128, 2, 4096);
  c.in_channels = config.Int("in_channels", 16, 1, 65536);
  // `out_channels or in_channels` in diffusers.
  c.out_channels = config.Int("out_channels", 16, 0, 65536);
  if (c.out_channels == 0 || (config.json().contains("out_channels") && !config.Has("out_channels")))
    c.out_channels = c.in_channels;
  c.text_dim = config.Int("text_dim", 4096, 1, kMax);
  c.freq_dim = config.Int("freq_dim", 256, 2, kMax);
  c.ffn_dim = config.Int("ffn_dim", 13824, 1, kMax);
  c.num_layers = config.Int("num_layers", 40, 1, 4096);
  c.cross_attn_norm = config.Bool("cross_attn_norm", true);
  c.eps = config.Number("eps", 1e-6);
  c.rope_max_seq_len = config.Int("rope_max_seq_len", 1024, 1, kMax);
  config.Ignore(
      {"qk_norm", "window_size", "add_img_emb"});  // the class takes qk_norm and uses RMSNorm across heads in any case
  const std::string why = "only text-to-video models without an image branch run today";
  config.Require("image_dim", nullptr, why);
  config.Require("added_kv_proj_dim", nullptr, why);
  config.Require("pos_embed_seq_len", nullptr, why);
  if (c.head_dim % 2) config.Fail("attention_head_dim", "is odd");
  return c;
}

}  // namespace pipeline
