// How latents look, and that looking changes nothing.
#include "pipeline/latent_rgb.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>

#include "pipeline/pipeline.h"
#include "tests/support/golden.h"

namespace {

using pipeline::HostTensor;
using pipeline::LatentRGB;
using pipeline::PreviewFrames;

// [1, C, T, h, w] of values that vary in every direction.
at::Tensor Latents(int64_t channels, int64_t frames, int64_t side) {
  const at::Tensor n = at::arange(channels * frames * side * side, at::kDouble);
  return (at::frac(at::sin(n * 12.9898) * 43758.5453) * 1.5).to(at::kFloat).view({1, channels, frames, side, side});
}

// What a linear VAE of 4 × 8 × 8 pixels a latent pixel would decode them to: colours are the first three channels, each
// later frame of four a little darker.
at::Tensor LinearFrames(const at::Tensor& latents) {
  const at::Tensor colour = latents.narrow(1, 0, 3) * 0.2;
  std::vector<at::Tensor> frames = {colour.narrow(2, 0, 1)};
  for (int64_t t = 1; t < latents.size(2); ++t) {
    for (int k = 0; k < 4; ++k) frames.push_back(colour.narrow(2, t, 1) - 0.05 * k + 0.075);
  }
  const at::Tensor small = at::cat(frames, 2)[0].permute({1, 0, 2, 3});
  return at::_upsample_nearest_exact2d(small, at::IntArrayRef({latents.size(3) * 8, latents.size(4) * 8}))
      .permute({1, 0, 2, 3})
      .unsqueeze(0);
}

TEST(LatentRGB, FindsALinearMap) {
  const at::Tensor latents = Latents(5, 3, 6), frames = LinearFrames(latents);
  const LatentRGB map = pipeline::FitLatentRGB(latents, frames, nullptr);
  EXPECT_EQ(map.frames_each, 4);
  EXPECT_EQ(map.patch, 2);
  const at::Tensor others = at::roll(latents, {7}, {4}) * 0.7;
  const at::Tensor expected = LinearFrames(others);
  const PreviewFrames seen = pipeline::Preview(others, map);
  ASSERT_EQ(seen.frames, 9);
  ASSERT_EQ(seen.width, 12);
  ASSERT_EQ(seen.height, 12);
  int64_t worst = 0;
  for (int64_t f = 0; f < 9; ++f) {
    for (int64_t i = 0; i < 12; ++i) {
      for (int64_t j = 0; j < 12; ++j) {
        for (int64_t c = 0; c < 3; ++c) {
          const double value = expected[0][c][f][i * 4][j * 4].item<double>();
          const auto wanted = static_cast<int64_t>(std::lround(std::clamp(value * 0.5 + 0.5, 0.0, 1.0) * 255));
          const int64_t got = seen.rgb[static_cast<size_t>(((f * 12 + i) * 12 + j) * 3 + c)];
          worst = std::max(worst, std::abs(got - wanted));
        }
      }
    }
  }
  EXPECT_LE(worst, 5);  // of 255: the fit leans a little towards nothing
}

TEST(LatentRGB, KeepsOfThePriorWhatTheLatentsDoNotTell) {
  const at::Tensor latents = Latents(5, 3, 6);
  const LatentRGB prior = pipeline::FitLatentRGB(latents, LinearFrames(latents), nullptr);
  at::Tensor poor = latents.clone();
  poor.narrow(1, 0, 1).fill_(0);  // no red varies here
  const LatentRGB map = pipeline::FitLatentRGB(poor, LinearFrames(poor), &prior);
  const PreviewFrames seen = pipeline::Preview(latents, map), before = pipeline::Preview(latents, prior);
  for (size_t i = 0; i < seen.rgb.size(); ++i) ASSERT_NEAR(seen.rgb[i], before.rgb[i], 5) << i;
}

TEST(LatentRGB, OneFrameAndOddSizes) {
  const at::Tensor latents = Latents(4, 1, 4);
  const at::Tensor frames = at::zeros({1, 3, 1, 12, 12});
  const LatentRGB map = pipeline::FitLatentRGB(latents, frames, nullptr);
  EXPECT_EQ(map.patch, 1);
  const PreviewFrames seen = pipeline::Preview(latents, map);
  EXPECT_EQ(seen.frames, 1);
  EXPECT_EQ(seen.rgb, std::vector<uint8_t>(48, 128));
  EXPECT_EQ(pipeline::Preview(latents / 0.0, map).rgb.size(), 48u);  // infinities are no reason to fail
}

TEST(LatentRGB, ThePatternHasManyColours) {
  const at::Tensor pattern = pipeline::ColourPattern(9, 64, 64);
  EXPECT_TRUE(pattern.equal(pipeline::ColourPattern(9, 64, 64)));
  EXPECT_LE(pattern.abs().max().item<double>(), 1.0);
  const at::Tensor colours = pattern[0].reshape({3, -1});
  const at::Tensor covariance = at::cov(colours);
  for (int c = 0; c < 3; ++c) EXPECT_GT(covariance[c][c].item<double>(), 0.05);
  EXPECT_GT(at::linalg_det(covariance).item<double>(), 1e-4) << "the channels vary apart";
  EXPECT_FALSE(pattern.select(2, 0).equal(pattern.select(2, 8)));
}

struct Case {
  std::string scheduler, mode, dtype;
};
class Previews : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Renders, Previews,
                         testing::Values(Case{"unipc", "sparge", "float32"}, Case{"euler", "dense", "bfloat16"}));

class Looker : public pipeline::DenoiseControl {
 public:
  std::optional<pipeline::AttentionSettings> BeforeStep(int64_t, const TakeState&) override { return std::nullopt; }
  void Cancelled(const TakeState&) override {}
  void AfterStep(int64_t step, const TakePreview& preview) override {
    EXPECT_EQ(step, static_cast<int64_t>(seen.size()));
    ASSERT_TRUE(preview);
    seen.push_back(preview());
  }
  std::vector<PreviewFrames> seen;
};

double PSNR(const PreviewFrames& seen, const HostTensor& frames) {
  const int64_t side_y = frames.shape[1] / seen.height, side_x = frames.shape[2] / seen.width;
  double sum = 0;
  for (int64_t f = 0; f < seen.frames; ++f) {
    for (int64_t i = 0; i < seen.height; ++i) {
      for (int64_t j = 0; j < seen.width; ++j) {
        for (int64_t c = 0; c < 3; ++c) {
          double mean = 0;
          for (int64_t y = 0; y < side_y; ++y) {
            for (int64_t x = 0; x < side_x; ++x) {
              const int64_t row = (f * frames.shape[1] + i * side_y + y) * frames.shape[2] + j * side_x + x;
              mean += frames.data[static_cast<size_t>(row * 3 + c)] / static_cast<double>(side_x * side_y);
            }
          }
          const double d =
              seen.rgb[static_cast<size_t>(((f * seen.height + i) * seen.width + j) * 3 + c)] / 255.0 - mean;
          sum += d * d;
        }
      }
    }
  }
  return -10 * std::log10(sum / static_cast<double>(seen.rgb.size()));
}

TEST_P(Previews, ChangeNoBitAndLookLikeTheClip) {
  pipeline::RuntimeOptions options;
  options.device = "cpu";
  options.dtype = GetParam().dtype;
  const std::string folder = std::string(SPARGE_SOURCE_DIR) + "/assets/toybox";
  pipeline::Request request;
  request.prompt = "a red sphere bouncing on a gray floor";
  request.width_px = request.height_px = 64;
  request.num_frames = 9;
  request.num_steps = 4;
  request.max_sequence_length = 32;
  request.guidance = 4;
  request.seed = 7;
  request.scheduler = GetParam().scheduler;
  request.attention.choice.mode = GetParam().mode;
  pipeline::NoProgress quiet;
  const auto plain = pipeline::Pipeline::Open(folder, options);
  const HostTensor latents = plain->Denoise(request, quiet).latents;
  const HostTensor frames = plain->Decode(latents, quiet);
  const auto calls = plain->attention_stats().calls_by_kernel();
  EXPECT_EQ(plain->latent_rgb(), nullptr);

  const auto watched = pipeline::Pipeline::Open(folder, options);
  Looker first, second;
  request.control = &first;
  request.preview = true;
  EXPECT_EQ(watched->Denoise(request, quiet).latents.data, latents.data);
  ASSERT_NE(watched->latent_rgb(), nullptr);
  EXPECT_FALSE(watched->latent_rgb()->from_decode);
  EXPECT_EQ(watched->Decode(latents, quiet).data, frames.data);
  EXPECT_EQ(watched->attention_stats().calls_by_kernel(), calls) << "what previews do is not counted";
  EXPECT_TRUE(watched->latent_rgb()->from_decode);
  request.control = &second;
  EXPECT_EQ(watched->Denoise(request, quiet).latents.data, latents.data);
  ASSERT_EQ(first.seen.size(), 4u);
  ASSERT_EQ(second.seen.size(), 4u);
  EXPECT_EQ(second.seen[3].frames, 9);
  EXPECT_EQ(second.seen[3].width, 32);
  const double fitted = PSNR(second.seen[3], frames);
  EXPECT_GT(fitted, 17);
  EXPECT_GT(PSNR(first.seen[3], frames), 10) << "a map from a pattern of colours shows the clip too";
  EXPECT_GT(fitted, PSNR(second.seen[0], frames)) << "estimates become better";

  // A map of another model is not taken.
  pipeline::LatentRGB other = *watched->latent_rgb();
  other.channels += 1;
  const auto before = watched->latent_rgb();
  watched->set_latent_rgb(std::make_shared<pipeline::LatentRGB>(other));
  EXPECT_EQ(watched->latent_rgb(), before);
}

}  // namespace
