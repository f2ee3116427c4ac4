#include "pipeline/vae/wan_vae.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>

#include "attention/base/error.h"

namespace pipeline {
namespace {

// Frames a chunk of the encoder takes after the first (fixed in diffusers, whatever the temporal factor).
constexpr int64_t kEncoderChunk = 4;

// A vector of channel constants as [1, z, 1, 1, 1] in the dtype and on the device of `like`.
at::Tensor PerChannel(const std::vector<double>& values, const at::Tensor& like) {
  return at::tensor(values, at::kDouble).to(at::kFloat).view({1, -1, 1, 1, 1}).to(like.options());
}

// The reciprocal through which diffusers applies the standard deviation; float32 rounding included.
at::Tensor InverseStd(const std::vector<double>& std, const at::Tensor& like) { return 1.0 / PerChannel(std, like); }

}  // namespace

int64_t WanVAEConfig::temporal_factor() const {
  int64_t factor = 1;
  for (size_t i = 0; i + 1 < dim_mult.size(); ++i) factor *= temporal_downsample[i] ? 2 : 1;
  return factor;
}

// The layers of wan_vae::Decoder, level by level: a tensor of c channels at a level has c / 4^(levels above) numbers a
// pixel, and half of them a frame where a level above doubles the frames (not counted: the widest layers are the last).
WanVAEConfig::DecoderSizes WanVAEConfig::decoder_sizes() const {
  const std::vector<int64_t> mult(dim_mult.rbegin(), dim_mult.rend());
  double width = 0, kept = 0;
  double area = 1.0 / static_cast<double>(spatial_factor() * spatial_factor());
  constexpr double kKept = 2;  // frames of each convolution
  int64_t channels = decoder_base_dim * mult[0];
  kept += kKept * area * static_cast<double>(z_dim + 4 * channels);  // conv_in and the mid-block
  for (size_t stage = 0; stage < mult.size(); ++stage) {
    const int64_t out = decoder_base_dim * mult[stage];
    if (stage > 0) channels /= 2;
    kept += kKept * area * static_cast<double>(channels + (2 * num_res_blocks + 1) * out);
    width = std::max(width, area * static_cast<double>(std::max(channels, out)));
    channels = out;
    if (stage + 1 == mult.size()) break;
    if (temporal_downsample[mult.size() - 2 - stage]) kept += kKept * area * static_cast<double>(out);
    area *= 4;
    width = std::max(width, area * static_cast<double>(out));  // upsampled, before the convolution halves it
  }
  kept += kKept * static_cast<double>(channels);
  return {static_cast<int64_t>(width), static_cast<int64_t>(kept)};
}

WanVAE::WanVAE(const WanVAEConfig& config, WeightLoader& loader) : config_(config) {
  wan_vae::NetConfig encoder{config.base_dim, config.in_channels, 2 * config.z_dim,          config.num_res_blocks,
                             config.dim_mult, config.attn_scales, config.temporal_downsample};
  encoder_ = std::make_unique<wan_vae::Encoder>(encoder, loader);
  quant_conv_ = wan_vae::Conv::Load(loader, "quant_conv", 2 * config.z_dim, 2 * config.z_dim, {1, 1, 1});
  post_quant_conv_ = wan_vae::Conv::Load(loader, "post_quant_conv", config.z_dim, config.z_dim, {1, 1, 1});
  std::vector<bool> upsample(config.temporal_downsample.rbegin(), config.temporal_downsample.rend());
  wan_vae::NetConfig decoder{
      config.decoder_base_dim, config.z_dim, config.out_channels, config.num_res_blocks, config.dim_mult, {}, upsample};
  decoder_ = std::make_unique<wan_vae::Decoder>(decoder, loader);
}

WanVAE::~WanVAE() = default;

at::ScalarType WanVAE::dtype() const { return quant_conv_.weight.scalar_type(); }

at::Tensor WanVAE::DecodeFrames(const at::Tensor& z, const attention::AttentionContext& ctx, Count& count) const {
  const at::Tensor x = post_quant_conv_.Pointwise(z);
  wan_vae::Run run{{}, &ctx, 0, count.progress};
  std::vector<at::Tensor> chunks;
  for (int64_t i = 0; i < x.size(2); ++i) {
    count.progress->ThrowIfCancelled();
    chunks.push_back(decoder_->Forward(x.narrow(2, i, 1), run));
    count.progress->Update(Stage::kDecode, ++count.done, count.total);
  }
  return at::cat(chunks, 2);
}

at::Tensor WanVAE::Decode(const at::Tensor& latents, const attention::AttentionContext& ctx, Progress& progress,
                          bool tiled) const {
  const at::Tensor typed = latents.to(post_quant_conv_.weight.options());
  const at::Tensor z = typed / InverseStd(config_.latents_std, typed) + PerChannel(config_.latents_mean, typed);
  if (tiled && config_.WouldTile(z.size(3), z.size(4))) return DecodeTiles(z, ctx, progress);
  Count count{0, z.size(2), &progress};
  progress.Update(Stage::kDecode, 0, count.total);
  return DecodeFrames(z, ctx, count).clamp_(-1.0, 1.0);
}

at::Tensor WanVAE::EncodeMoments(const at::Tensor& frames, const attention::AttentionContext& ctx,
                                 Progress& progress) const {
  const at::Tensor x = frames.to(quant_conv_.weight.options());
  wan_vae::Run run{{}, &ctx, 0, &progress};
  std::vector<at::Tensor> chunks;
  const int64_t total = 1 + (x.size(2) - 1) / kEncoderChunk;
  for (int64_t i = 0; i < total; ++i) {
    progress.ThrowIfCancelled();
    const int64_t begin = i == 0 ? 0 : 1 + kEncoderChunk * (i - 1), length = i == 0 ? 1 : kEncoderChunk;
    chunks.push_back(encoder_->Forward(x.narrow(2, begin, length), run));
  }
  return quant_conv_.Pointwise(at::cat(chunks, 2));
}

at::Tensor WanVAE::Encode(const at::Tensor& frames, const attention::AttentionContext& ctx, Progress& progress) const {
  const at::Tensor mean = EncodeMoments(frames, ctx, progress).chunk(2, 1)[0];
  return (mean - PerChannel(config_.latents_mean, mean)) * InverseStd(config_.latents_std, mean);
}

}  // namespace pipeline
