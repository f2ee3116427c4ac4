// VAE encode and decode of 1, 5, 9 and 17 frames against diffusers.
#include "pipeline/vae/wan_vae.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cstring>

#include "attention/base/error.h"
#include "pipeline/models/wan_folder.h"
#include "tests/support/golden.h"
#include "tests/support/tensors.h"

namespace {

using pipeline::HostTensor;
using test::ToHost;
using test::ToTensor;

at::Tensor PerChannel(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat).view({1, -1, 1, 1, 1});
}

class WanVAEGolden : public testing::TestWithParam<std::string> {};

TEST_P(WanVAEGolden, EncodesAndDecodesAsDiffusers) {
  const c10::InferenceMode inference;
  const test::GoldenPipeline golden = test::OpenGoldenPipeline(GetParam());
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(golden.folder);
  pipeline::WeightLoader loader(&folder.vae_files, at::kFloat, at::kCPU, nullptr);
  const pipeline::WanVAE vae(folder.vae, loader);
  pipeline::NoProgress progress;
  int decoded = 0;
  for (const int frames : {1, 5, 9, 17}) {
    const std::string key = "vae.f" + std::to_string(frames);
    if (!golden.tensors->tensors().count(key + ".mode")) continue;
    SCOPED_TRACE(key);
    if (golden.tensors->tensors().count(key + ".frames")) {
      const HostTensor moments = golden.Tensor(key + ".moments");
      EXPECT_LE(test::MaxDifference(ToHost(vae.EncodeMoments(ToTensor(golden.Tensor(key + ".frames")), {}, progress)),
                                    moments),
                1e-5 * test::StandardDeviation(moments));
    }
    // Decode takes normalised latents; the golden is of the VAE's own.
    const at::Tensor mode = ToTensor(golden.Tensor(key + ".mode"));
    const at::Tensor normalised = (mode - PerChannel(folder.vae.latents_mean)) / PerChannel(folder.vae.latents_std);
    EXPECT_LE(test::MaxDifference(ToHost(vae.Decode(normalised, {}, progress)), golden.Tensor(key + ".decoded")), 2e-5);
    ++decoded;
  }
  EXPECT_GE(decoded, 2);
}

INSTANTIATE_TEST_SUITE_P(Pipelines, WanVAEGolden, testing::ValuesIn(test::GoldenPipelineNames("vae.f1.mode")),
                         [](const auto& info) { return info.param; });

// In tiles, as diffusers' enable_tiling() (tests/golden/make_vae_tiling_goldens.py).
class WanVAETiles : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Pipelines, WanVAETiles, testing::Values("unipc_deep", "unipc_patch_t", "unipc_bh1_half"),
                         [](const auto& info) { return info.param; });

TEST_P(WanVAETiles, DecodeAsDiffusers) {
  const c10::InferenceMode inference;
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(test::OpenGoldenPipeline(GetParam()).folder);
  pipeline::WeightLoader loader(&folder.vae_files, at::kFloat, at::kCPU, nullptr);
  const pipeline::WanVAE vae(folder.vae, loader);
  const auto golden = pipeline::SafetensorsFile::Open(test::GoldenDir() + "/vae_tiling.safetensors");
  const auto& entry = golden->tensors().at(GetParam() + ".size");
  std::vector<int64_t> size(3);
  std::memcpy(size.data(), entry.data, 3 * sizeof(int64_t));
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{1});
  const at::Tensor mode = at::randn({1, folder.vae.z_dim, size[0], size[1], size[2]}, generator, at::kFloat);
  const at::Tensor latents = (mode - PerChannel(folder.vae.latents_mean)) / PerChannel(folder.vae.latents_std);
  EXPECT_TRUE(folder.vae.WouldTile(size[1], size[2]));
  class Steps : public pipeline::NoProgress {
   public:
    void Update(pipeline::Stage, int64_t done, int64_t of) override {
      EXPECT_EQ(done, last + 1);
      last = done;
      total = of;
    }
    int64_t last = -1, total = 0;
  } progress;
  const at::Tensor tiled = vae.Decode(latents, {}, progress, /*tiled=*/true);
  EXPECT_EQ(progress.last, progress.total);
  const HostTensor expected = golden->ReadFloat(GetParam() + ".sampled");
  EXPECT_LE(test::MaxDifference(ToHost(tiled.slice(3, 0, std::nullopt, 6).slice(4, 0, std::nullopt, 6)), expected),
            2e-5);
  EXPECT_NEAR(tiled.to(at::kDouble).mean().item<double>(), golden->ReadFloat(GetParam() + ".mean").data[0], 1e-6);
  // What fits into one tile is not cut.
  const at::Tensor small = latents.narrow(3, 0, 8).narrow(4, 0, 8).contiguous();
  pipeline::NoProgress quiet;
  EXPECT_FALSE(folder.vae.WouldTile(8, 8));
  EXPECT_TRUE(vae.Decode(small, {}, quiet, true).equal(vae.Decode(small, {}, quiet, false)));
}

TEST(WanVAE, CancelsBetweenChunksAndCountsThem) {
  const c10::InferenceMode inference;
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(test::OpenGoldenPipeline("euler_tiny").folder);
  pipeline::WeightLoader loader(&folder.vae_files, at::kFloat, at::kCPU, nullptr);
  const pipeline::WanVAE vae(folder.vae, loader);
  class CancelAfterTwo : public pipeline::Progress {
   public:
    void Update(pipeline::Stage stage, int64_t done, int64_t total) override {
      EXPECT_EQ(stage, pipeline::Stage::kDecode);
      EXPECT_EQ(total, 4);
      last = done;
      if (done == 2) Cancel();
    }
    int64_t last = -1;
  } progress;
  try {
    vae.Decode(at::zeros({1, 16, 4, 2, 2}), {}, progress);
    FAIL() << "not cancelled";
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::ErrorCode::kCancelled);
  }
  EXPECT_EQ(progress.last, 2);
}

}  // namespace
