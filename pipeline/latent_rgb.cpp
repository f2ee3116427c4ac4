#include "pipeline/latent_rgb.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <utility>

#include "attention/base/error.h"

namespace pipeline {
namespace {

// [1, C, T, h, w] → [T·h·w, C + 1], the last column ones.
at::Tensor Rows(const at::Tensor& latents) {
  const at::Tensor rows = latents[0].permute({1, 2, 3, 0}).reshape({-1, latents.size(1)});
  return at::cat({rows, at::ones({rows.size(0), 1}, rows.options())}, 1);
}

// What each row should become, [T·h·w, outputs]; the first latent frame's only frame stands for all of them.
at::Tensor Targets(const at::Tensor& frames, int64_t num_latent, int64_t height, int64_t width, const LatentRGB& map) {
  const at::Tensor small =
      at::avg_pool2d(frames[0].permute({1, 0, 2, 3}).to(at::kFloat),
                     {frames.size(3) / (height * map.patch), frames.size(4) / (width * map.patch)});
  const at::Tensor first = small.narrow(0, 0, 1).expand({map.frames_each, -1, -1, -1});
  const at::Tensor all = num_latent == 1 ? first : at::cat({first, small.narrow(0, 1, small.size(0) - 1)});
  return all.reshape({num_latent, map.frames_each, 3, height, map.patch, width, map.patch})
      .permute({0, 3, 5, 1, 4, 6, 2})
      .reshape({num_latent * height * width, map.outputs()});
}

at::Tensor WeightsOf(const LatentRGB& map) {
  return at::from_blob(const_cast<float*>(map.weights.data()), {map.channels + 1, map.outputs()}, at::kFloat);
}

}  // namespace

LatentRGB FitLatentRGB(const at::Tensor& latents, const at::Tensor& frames, const LatentRGB* prior) {
  LatentRGB map;
  map.channels = latents.size(1);
  int64_t num_latent = latents.size(2);
  const int64_t height = latents.size(3), width = latents.size(4), num_frames = frames.size(2);
  base::Check(frames.size(3) % height == 0 && frames.size(4) % width == 0, base::ErrorCode::kInternal, "frames of ",
              frames.sizes(), " do not belong to latents of ", latents.sizes());
  const bool even = num_latent > 1 && num_frames > num_latent - 1 && (num_frames - 1) % (num_latent - 1) == 0;
  map.frames_each = even ? (num_frames - 1) / (num_latent - 1) : prior != nullptr ? prior->frames_each : 1;
  if (!even) num_latent = 1;
  map.patch = frames.size(3) / height % 2 == 0 && frames.size(4) / width % 2 == 0 ? 2 : 1;

  const at::Tensor x = Rows(latents.narrow(2, 0, num_latent).to(at::kCPU, at::kFloat)).to(at::kDouble);
  const at::Tensor y =
      Targets(frames.narrow(2, 0, even ? num_frames : 1), num_latent, height, width, map).to(at::kCPU, at::kDouble);
  const double count = static_cast<double>(x.size(0));
  const at::Tensor gram = at::matmul(x.t(), x) / count;
  at::Tensor wanted = at::matmul(x.t(), y) / count;
  // Normalised latents have a variance near 1. The prior counts as much as these latents do in a direction of that
  // variance: what one clip of few colours says by chance about the others does not hold for the next clip.
  const bool fits = prior != nullptr && prior->channels == map.channels && prior->outputs() == map.outputs();
  const double ridge = fits ? 1.0 : 0.01;
  const at::Tensor before = fits ? WeightsOf(*prior).to(at::kDouble) : at::zeros_like(wanted);
  wanted = wanted - at::matmul(gram, before);
  const at::Tensor weights = before + at::linalg_solve(gram + ridge * at::eye(gram.size(0), gram.options()), wanted);
  const at::Tensor out = weights.to(at::kFloat).contiguous();
  map.weights.assign(out.const_data_ptr<float>(), out.const_data_ptr<float>() + out.numel());
  return map;
}

at::Tensor ColourPattern(int64_t frames, int64_t height, int64_t width) {
  const int64_t field = std::max<int64_t>(1, std::min(height, width) / 4);  // px
  at::Tensor pattern = at::empty({1, 3, frames, height, width}, at::kFloat);
  float* out = pattern.mutable_data_ptr<float>();
  const auto hash = [](int64_t n) {  // to 0…26
    uint64_t h = static_cast<uint64_t>(n) * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 29)) * 0xbf58476d1ce4e5b9u;
    return static_cast<int64_t>((h ^ (h >> 32)) % 27);
  };
  for (int64_t c = 0; c < 3; ++c) {
    for (int64_t f = 0; f < frames; ++f) {
      for (int64_t i = 0; i < height; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          const int64_t row = i / field, column = (j + f * std::max<int64_t>(1, field / 8)) / field;
          int64_t colour = hash(row * 64 + column);
          for (int64_t k = 0; k < c; ++k) colour /= 3;
          const double slope = static_cast<double>(i + j) / static_cast<double>(height + width) - 0.5;
          const double value = static_cast<double>(colour % 3 - 1) * 0.5 + 0.4 * (c == 1 ? -slope : slope);
          *out++ = static_cast<float>(std::clamp(value, -1.0, 1.0));
        }
      }
    }
  }
  return pattern;
}

PreviewFrames Preview(const at::Tensor& latents, const LatentRGB& map) {
  const int64_t height = latents.size(3), width = latents.size(4);
  const at::Tensor weights = (WeightsOf(map) * 127.5).to(latents.device());
  // [t, h, w] latent pixels in `frames_each` frames of theirs.
  const auto show = [&](const at::Tensor& part, const at::Tensor& matrix, int64_t frames_each) {
    return at::matmul(Rows(part.to(at::kFloat).nan_to_num(0)), matrix)
        .add_(127.5)
        .clamp_(0, 255)
        .round_()
        .to(at::kByte)
        .view({part.size(2), height, width, frames_each, map.patch, map.patch, 3})
        .permute({0, 3, 1, 4, 2, 5, 6})
        .reshape({part.size(2) * frames_each, height * map.patch, width * map.patch, 3});
  };
  const at::Tensor mean = weights.view({map.channels + 1, map.frames_each, -1}).mean(1);
  const at::Tensor bytes = at::cat({show(latents.narrow(2, 0, 1), mean, 1),
                                    show(latents.narrow(2, 1, latents.size(2) - 1), weights, map.frames_each)})
                               .to(at::kCPU);
  const uint8_t* data = bytes.const_data_ptr<uint8_t>();
  return {bytes.size(2), bytes.size(1), bytes.size(0), {data, data + bytes.numel()}};
}

}  // namespace pipeline
