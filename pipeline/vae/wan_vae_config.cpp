#include "attention/base/error.h"
#include "pipeline/vae/wan_vae.h"
#include "pipeline/weights/config.h"

namespace pipeline {
namespace {

// The class defaults of AutoencoderKLWan.
const std::vector<double> kMean16 = {-0.7571, -0.7089, -0.9113, 0.1075,  -0.1745, 0.9653,  -0.1517, 1.5508,
                                     0.4134,  -0.0715, 0.5517,  -0.3632, -0.1922, -0.9497, 0.2503,  -0.2921};
const std::vector<double> kStd16 = {2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
                                    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160};

}  // namespace

WanVAEConfig WanVAEConfig::Parse(Config& config) {
  WanVAEConfig c;
  const std::string why = "only the Wan 2.1 kind of VAE runs today";
  config.Require("is_residual", false, why);
  config.Require("patch_size", nullptr, why);
  c.base_dim = config.Int("base_dim", 96, 1, 4096);
  c.decoder_base_dim = config.Int("decoder_base_dim", c.base_dim, 1, 4096);
  c.z_dim = config.Int("z_dim", 16, 1, 4096);
  c.num_res_blocks = config.Int("num_res_blocks", 2, 1, 64);
  c.in_channels = config.Int("in_channels", 3, 1, 4096);
  c.out_channels = config.Int("out_channels", 3, 1, 4096);
  c.dim_mult = config.Ints("dim_mult", {1, 2, 4, 4}, 1, 1024);
  if (c.dim_mult.empty() || c.dim_mult.size() > 8) config.Fail("dim_mult", "is no list of 1 to 8 multipliers");
  c.attn_scales = config.Numbers("attn_scales", {});
  c.temporal_downsample = config.Bools("temperal_downsample", {false, true, true});
  if (c.temporal_downsample.size() + 1 < c.dim_mult.size())
    config.Fail("temperal_downsample", "is shorter than dim_mult less one");
  c.latents_mean = config.Numbers("latents_mean", kMean16);
  c.latents_std = config.Numbers("latents_std", kStd16);
  if (static_cast<int64_t>(c.latents_mean.size()) != c.z_dim)
    config.Fail("latents_mean", base::StrCat("has no z_dim = ", c.z_dim, " entries"));
  if (static_cast<int64_t>(c.latents_std.size()) != c.z_dim)
    config.Fail("latents_std", base::StrCat("has no z_dim = ", c.z_dim, " entries"));
  for (double std : c.latents_std)
    if (!(std > 0)) config.Fail("latents_std", "has an entry that is not above 0");
  c.scale_factor_temporal = config.Int("scale_factor_temporal", 4, 1, 256);
  c.scale_factor_spatial = config.Int("scale_factor_spatial", 8, 1, 256);
  config.Ignore({"dropout"});
  if (c.in_channels != 3 || c.out_channels != 3) config.Fail("in_channels", "and out_channels are not 3 (RGB)");
  return c;
}

}  // namespace pipeline
