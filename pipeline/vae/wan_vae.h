#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "attention/attention.h"
#include "pipeline/progress.h"
#include "pipeline/vae/wan_vae_layers.h"
#include "pipeline/weights/weights.h"

namespace pipeline {

class Config;

struct WanVAEConfig {
  int64_t base_dim = 96, decoder_base_dim = 96, z_dim = 16, num_res_blocks = 2, in_channels = 3, out_channels = 3;
  std::vector<int64_t> dim_mult = {1, 2, 4, 4};
  std::vector<double> attn_scales;
  std::vector<bool> temporal_downsample = {false, true, true};
  std::vector<double> latents_mean, latents_std;  // [z_dim]
  int64_t scale_factor_temporal = 4, scale_factor_spatial = 8;

  // Reads what diffusers' AutoencoderKLWan writes, with its defaults. Throws Error{kUnsupported} for the 2.2 kind.
  static WanVAEConfig Parse(Config& config);
  // What the layers do, whatever the scale factors in the config say.
  int64_t spatial_factor() const { return int64_t{1} << (dim_mult.size() - 1); }
  int64_t temporal_factor() const;
  // Of the decoder, for a pixel of the clip: numbers of its widest tensor, and those that its causal convolutions keep
  // from chunk to chunk.
  struct DecoderSizes {
    int64_t width, kept;
  };
  DecoderSizes decoder_sizes() const;
  // Of a tiled decode, in latent pixels; and whether latents of this size are more than one tile.
  struct TileSize {
    int64_t side, stride;
  };
  TileSize tiles() const;
  bool WouldTile(int64_t height, int64_t width) const;
};

// diffusers' AutoencoderKLWan of the Wan 2.1 kind (models/autoencoders/autoencoder_kl_wan.py, 0.42). Frames go through
// in chunks of one latent frame; every causal convolution keeps the last frames it saw.
class WanVAE {
 public:
  WanVAE(const WanVAEConfig& config, WeightLoader& loader);
  ~WanVAE();

  // Normalised latents [1, z, t, h, w] (any float dtype) → frames [1, 3, F, H, W] in −1…1 in the VAE's dtype.
  // Throws Error{kCancelled} between chunks.
  // `tiled`: in tiles of 256 x 256 pixels, where the clip is larger, which takes less memory, more time, and gives
  // frames that differ a little (wan_vae_tiles.cpp).
  at::Tensor Decode(const at::Tensor& latents, const attention::AttentionContext& ctx, Progress& progress,
                    bool tiled = false) const;

  // Frames [1, 3, F, H, W] in −1…1 → the posterior's mean as normalised latents [1, z, t, h, w].
  at::Tensor Encode(const at::Tensor& frames, const attention::AttentionContext& ctx, Progress& progress) const;

  // What `vae.encode(frames)` holds before it is split: mean and log-variance [1, 2·z, t, h, w].
  at::Tensor EncodeMoments(const at::Tensor& frames, const attention::AttentionContext& ctx, Progress& progress) const;

  const WanVAEConfig& config() const { return config_; }
  at::ScalarType dtype() const;

 private:
  // Latent frames done, of a decode.
  struct Count {
    int64_t done, total;
    Progress* progress;
  };
  // Of the VAE's own latents [1, z, t, h, w], frames not yet clamped.
  at::Tensor DecodeFrames(const at::Tensor& z, const attention::AttentionContext& ctx, Count& count) const;
  at::Tensor DecodeTiles(const at::Tensor& z, const attention::AttentionContext& ctx, Progress& progress) const;

  WanVAEConfig config_;
  std::unique_ptr<wan_vae::Encoder> encoder_;
  std::unique_ptr<wan_vae::Decoder> decoder_;
  wan_vae::Conv quant_conv_, post_quant_conv_;
};

}  // namespace pipeline
