#include "pipeline/vae/wan_vae_layers.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

#include "attention/base/error.h"

namespace pipeline::wan_vae {
namespace {

constexpr int64_t kCachedFrames = 2;  // a kernel of 3 frames looks back 2

at::Tensor LastFrames(const at::Tensor& x, int64_t count) {
  const int64_t n = std::min(count, x.size(2));
  return x.narrow(2, x.size(2) - n, n);
}

// [1, C, T, H, W] ↔ [T, C, H, W]
at::Tensor ToImages(const at::Tensor& x) {
  return x.permute({0, 2, 1, 3, 4}).reshape({x.size(0) * x.size(2), x.size(1), x.size(3), x.size(4)});
}
at::Tensor FromImages(const at::Tensor& x, int64_t frames) {
  return x.view({-1, frames, x.size(1), x.size(2), x.size(3)}).permute({0, 2, 1, 3, 4});
}

class ResidualBlock : public Layer {
 public:
  ResidualBlock(WeightLoader& loader, const std::string& name, int64_t in, int64_t out)
      : norm1_(RMSNorm::Load(loader, name + ".norm1", in, false)),
        norm2_(RMSNorm::Load(loader, name + ".norm2", out, false)),
        conv1_(CausalConv::Load(loader, name + ".conv1", in, out)),
        conv2_(CausalConv::Load(loader, name + ".conv2", out, out)),
        has_shortcut_(in != out) {
    if (has_shortcut_) shortcut_ = Conv::Load(loader, name + ".conv_shortcut", in, out, {1, 1, 1});
  }

  at::Tensor Forward(const at::Tensor& x, Run& run) const override {
    const at::Tensor shortcut = has_shortcut_ ? shortcut_.Pointwise(x) : x;
    const at::Tensor h = conv1_(at::silu(norm1_(x)), run);
    return conv2_(at::silu(norm2_(h)), run) + shortcut;
  }

 private:
  RMSNorm norm1_, norm2_;
  CausalConv conv1_, conv2_;
  bool has_shortcut_;
  Conv shortcut_;
};

class AttentionBlock : public Layer {
 public:
  AttentionBlock(WeightLoader& loader, const std::string& name, int64_t channels)
      : norm_(RMSNorm::Load(loader, name + ".norm", channels, true)),
        to_qkv_(Conv::Load(loader, name + ".to_qkv", channels, 3 * channels, {1, 1})),
        proj_(Conv::Load(loader, name + ".proj", channels, channels, {1, 1})) {}

  at::Tensor Forward(const at::Tensor& x, Run& run) const override {
    const at::Tensor images = norm_(ToImages(x));
    const at::Tensor qkv = at::conv2d(images, to_qkv_.weight, to_qkv_.bias)
                               .reshape({images.size(0), 1, 3 * x.size(1), -1})
                               .permute({0, 1, 3, 2})
                               .contiguous();
    const std::vector<at::Tensor> parts = qkv.chunk(3, -1);
    const attention::AttentionContext ctx = run.attention->At(run.next_attention_layer++, attention::Kind::kVAE);
    at::Tensor out = attention::Attend(parts[0], parts[1], parts[2], ctx);
    out = out.squeeze(1).permute({0, 2, 1}).reshape(images.sizes());
    return FromImages(at::conv2d(out, proj_.weight, proj_.bias), x.size(2)) + x;
  }

 private:
  RMSNorm norm_;
  Conv to_qkv_, proj_;
};

class Upsample : public Layer {
 public:
  Upsample(WeightLoader& loader, const std::string& name, int64_t channels, bool temporal)
      : temporal_(temporal), resample_(Conv::Load(loader, name + ".resample.1", channels, channels / 2, {3, 3})) {
    if (temporal_) time_conv_ = Conv::Load(loader, name + ".time_conv", channels, 2 * channels, {3, 1, 1});
  }

  at::Tensor Forward(const at::Tensor& input, Run& run) const override {
    at::Tensor x = input;
    if (temporal_ && !run.cache.first_chunk) x = DoubleFrames(x, run);
    const int64_t frames = x.size(2);
    at::Tensor images = ToImages(x);
    // Nearest-exact by a factor of 2 copies values: no need for the float32 that diffusers takes it through.
    images = at::_upsample_nearest_exact2d(images, at::IntArrayRef({images.size(2) * 2, images.size(3) * 2}));
    return FromImages(at::conv2d(images, resample_.weight, resample_.bias, 1, 1), frames);
  }

 private:
  // A convolution over time makes two frames of one. The first chunk (one frame) leaves no trace in its cache: the
  // second sees zeros before it.
  at::Tensor DoubleFrames(const at::Tensor& x, Run& run) const {
    at::Tensor& cached = run.cache.frames[this];
    const at::Tensor before =
        cached.defined() ? cached : at::zeros({x.size(0), x.size(1), kCachedFrames, x.size(3), x.size(4)}, x.options());
    const at::Tensor joined = at::cat({before, x}, 2);
    cached = LastFrames(joined, kCachedFrames);
    const at::Tensor y = at::conv3d(joined, time_conv_.weight, time_conv_.bias);
    const int64_t c = x.size(1), t = x.size(2);
    const at::Tensor pairs = y.reshape({x.size(0), 2, c, t, x.size(3), x.size(4)});
    return at::stack({pairs.select(1, 0), pairs.select(1, 1)}, 3).reshape({x.size(0), c, 2 * t, x.size(3), x.size(4)});
  }

  bool temporal_;
  Conv resample_, time_conv_;
};

class Downsample : public Layer {
 public:
  Downsample(WeightLoader& loader, const std::string& name, int64_t channels, bool temporal)
      : temporal_(temporal), resample_(Conv::Load(loader, name + ".resample.1", channels, channels, {3, 3})) {
    if (temporal_) time_conv_ = Conv::Load(loader, name + ".time_conv", channels, channels, {3, 1, 1});
  }

  at::Tensor Forward(const at::Tensor& x, Run& run) const override {
    const at::Tensor padded = at::constant_pad_nd(ToImages(x), {0, 1, 0, 1});
    const at::Tensor y = FromImages(at::conv2d(padded, resample_.weight, resample_.bias, 2), x.size(2));
    if (!temporal_) return y;
    at::Tensor& cached = run.cache.frames[this];
    const at::Tensor before = cached;
    cached = LastFrames(y, 1).clone();
    if (!before.defined()) return y;
    return at::conv3d(at::cat({before, y}, 2), time_conv_.weight, time_conv_.bias, {2, 1, 1});
  }

 private:
  bool temporal_;
  Conv resample_, time_conv_;
};

void AddMidBlock(std::vector<std::unique_ptr<Layer>>& layers, WeightLoader& loader, const std::string& name,
                 int64_t channels) {
  layers.push_back(MakeResidualBlock(loader, name + ".resnets.0", channels, channels));
  layers.push_back(MakeAttentionBlock(loader, name + ".attentions.0", channels));
  layers.push_back(MakeResidualBlock(loader, name + ".resnets.1", channels, channels));
}

}  // namespace

at::Tensor ChannelsLast(const at::Tensor& x) {
  if (!x.is_cpu() || x.dim() < 4) return x;
  return x.contiguous(x.dim() == 5 ? at::MemoryFormat::ChannelsLast3d : at::MemoryFormat::ChannelsLast);
}

Conv Conv::Load(WeightLoader& loader, const std::string& name, int64_t in, int64_t out, std::vector<int64_t> kernel) {
  kernel.insert(kernel.begin(), {out, in});
  return {ChannelsLast(loader.Get(name + ".weight", kernel)), loader.Get(name + ".bias", {out})};
}

at::Tensor Conv::Pointwise(const at::Tensor& x) const { return at::conv3d(x, weight, bias); }

CausalConv CausalConv::Load(WeightLoader& loader, const std::string& name, int64_t in, int64_t out) {
  return {Conv::Load(loader, name, in, out, {3, 3, 3})};
}

at::Tensor CausalConv::operator()(const at::Tensor& x, Run& run) const {
  run.progress->ThrowIfCancelled();
  at::Tensor& cached = run.cache.frames[this];
  at::Tensor joined = cached.defined() ? at::cat({cached, x}, 2) : x;
  const int64_t missing = kCachedFrames - (joined.size(2) - x.size(2));
  cached = LastFrames(joined, kCachedFrames).clone();
  if (missing > 0) joined = at::constant_pad_nd(joined, {0, 0, 0, 0, missing, 0});
  return at::conv3d(joined, conv.weight, conv.bias, /*stride=*/1, /*padding=*/{0, 1, 1});
}

RMSNorm RMSNorm::Load(WeightLoader& loader, const std::string& name, int64_t channels, bool images) {
  return {loader.Get(name + ".gamma",
                     images ? std::vector<int64_t>{channels, 1, 1} : std::vector<int64_t>{channels, 1, 1, 1})};
}

at::Tensor RMSNorm::operator()(const at::Tensor& x) const {
  const bool half = x.scalar_type() == at::kHalf || x.scalar_type() == at::kBFloat16;
  const at::Tensor wide = half ? x.to(at::kFloat) : x;
  const at::Tensor norm = at::linalg_vector_norm(wide, 2, at::IntArrayRef({1}), true).clamp_min_(1e-12);
  const at::Tensor normalised = (wide / norm).to(x.scalar_type());
  return normalised * std::sqrt(static_cast<double>(x.size(1))) * gamma;
}

std::unique_ptr<Layer> MakeResidualBlock(WeightLoader& loader, const std::string& name, int64_t in, int64_t out) {
  return std::make_unique<ResidualBlock>(loader, name, in, out);
}
std::unique_ptr<Layer> MakeAttentionBlock(WeightLoader& loader, const std::string& name, int64_t channels) {
  return std::make_unique<AttentionBlock>(loader, name, channels);
}
std::unique_ptr<Layer> MakeUpsample(WeightLoader& loader, const std::string& name, int64_t channels, bool temporal) {
  return std::make_unique<Upsample>(loader, name, channels, temporal);
}
std::unique_ptr<Layer> MakeDownsample(WeightLoader& loader, const std::string& name, int64_t channels, bool temporal) {
  return std::make_unique<Downsample>(loader, name, channels, temporal);
}

at::Tensor Net::Forward(at::Tensor x, Run& run) const {
  run.next_attention_layer = 0;
  x = conv_in_(ChannelsLast(x), run);
  for (const auto& layer : layers_) x = layer->Forward(x, run);
  x = conv_out_(at::silu(norm_out_(x)), run);
  run.cache.first_chunk = false;
  return x;
}

Encoder::Encoder(const NetConfig& config, WeightLoader& loader) {
  const std::string root = "encoder.";
  int64_t channels = config.base_dim;
  conv_in_ = CausalConv::Load(loader, root + "conv_in", config.in_channels, channels);
  int index = 0;
  auto next_name = [&] { return base::StrCat(root, "down_blocks.", index++); };
  double scale = 1.0;
  for (size_t stage = 0; stage < config.dim_mult.size(); ++stage) {
    const int64_t out = config.base_dim * config.dim_mult[stage];
    for (int64_t block = 0; block < config.num_res_blocks; ++block) {
      layers_.push_back(MakeResidualBlock(loader, next_name(), channels, out));
      channels = out;
      const bool attend =
          std::find(config.attn_scales.begin(), config.attn_scales.end(), scale) != config.attn_scales.end();
      if (attend) layers_.push_back(MakeAttentionBlock(loader, next_name(), out));
    }
    if (stage + 1 < config.dim_mult.size()) {
      layers_.push_back(MakeDownsample(loader, next_name(), out, config.temporal[stage]));
      scale /= 2;
    }
    channels = out;
  }
  AddMidBlock(layers_, loader, root + "mid_block", channels);
  norm_out_ = RMSNorm::Load(loader, root + "norm_out", channels, false);
  conv_out_ = CausalConv::Load(loader, root + "conv_out", channels, config.out_channels);
}

Decoder::Decoder(const NetConfig& config, WeightLoader& loader) {
  const std::string root = "decoder.";
  const std::vector<int64_t> mult(config.dim_mult.rbegin(), config.dim_mult.rend());
  int64_t channels = config.base_dim * mult[0];
  conv_in_ = CausalConv::Load(loader, root + "conv_in", config.in_channels, channels);
  AddMidBlock(layers_, loader, root + "mid_block", channels);
  for (size_t stage = 0; stage < mult.size(); ++stage) {
    const std::string name = base::StrCat(root, "up_blocks.", stage);
    const int64_t out = config.base_dim * mult[stage];
    if (stage > 0) channels /= 2;  // what the upsampling before left
    for (int64_t block = 0; block < config.num_res_blocks + 1; ++block) {
      layers_.push_back(MakeResidualBlock(loader, base::StrCat(name, ".resnets.", block), channels, out));
      channels = out;
    }
    if (stage + 1 < mult.size())
      layers_.push_back(MakeUpsample(loader, name + ".upsamplers.0", out, config.temporal[stage]));
  }
  norm_out_ = RMSNorm::Load(loader, root + "norm_out", channels, false);
  conv_out_ = CausalConv::Load(loader, root + "conv_out", channels, config.out_channels);
}

}  // namespace pipeline::wan_vae
