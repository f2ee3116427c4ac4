// Whole renders against diffusers 0.42: latents within 1e-4 of their standard deviation, frames within 1e-4.
#include <gtest/gtest.h>

#include <cmath>
#include <new>
#include <numeric>

#include "attention/base/error.h"
#include "pipeline/pipeline.h"
#include "tests/support/golden.h"
#include "tests/support/scratch.h"

namespace {

using pipeline::HostTensor;

std::unique_ptr<pipeline::Pipeline> Open(const std::string& folder, const std::string& dtype = "float32") {
  pipeline::RuntimeOptions options;
  options.device = "cpu";
  options.dtype = dtype;
  return pipeline::Pipeline::Open(folder, options);
}

class WanPipelineGolden : public testing::TestWithParam<std::string> {};

TEST_P(WanPipelineGolden, RendersAsDiffusers) {
  const test::GoldenPipeline golden = test::OpenGoldenPipeline(GetParam());
  const auto pipe = Open(golden.folder);
  pipeline::NoProgress progress;
  int index = 0;
  for (const nlohmann::json& request : golden.json["requests"]) {
    SCOPED_TRACE(request.dump());
    const std::string key = "r" + std::to_string(index++);
    const pipeline::Denoised result = pipe->Denoise(test::RequestOf(request), progress);
    const HostTensor latents = golden.Tensor(key + ".latents");
    const double difference = test::MaxDifference(result.latents, latents) / test::StandardDeviation(latents);
    EXPECT_LE(difference, 1e-4);
    EXPECT_EQ(result.sigmas.size(), request["steps"].get<size_t>());
    const double frames_difference =
        test::MaxDifference(pipe->Decode(result.latents, progress), golden.Tensor(key + ".frames"));
    EXPECT_LE(frames_difference, 1e-4);
    RecordProperty(key + "_latents", std::to_string(difference));
    RecordProperty(key + "_frames", std::to_string(frames_difference));
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, WanPipelineGolden, testing::ValuesIn(test::GoldenPipelineNames()),
                         [](const auto& info) { return info.param; });

// bfloat16 is no worse than diffusers' own, over 8 seeds.
TEST(WanPipeline, Bfloat16IsAsCloseAsDiffusers) {
  const test::GoldenPipeline golden = test::OpenGoldenPipeline("unipc_deep");
  const auto exact = Open(golden.folder, "float32"), rounded = Open(golden.folder, "bfloat16");
  pipeline::NoProgress progress;
  pipeline::Request request = test::RequestOf(golden.json["requests"][0]);
  double sum = 0;
  const std::vector<int64_t> seeds = golden.json["bf16"]["seeds"];
  for (int64_t seed : seeds) {
    request.seed = seed;
    sum += test::RelativeL2(rounded->Denoise(request, progress).latents, exact->Denoise(request, progress).latents);
  }
  const double mean = sum / static_cast<double>(seeds.size());
  RecordProperty("mean_relative_l2", std::to_string(mean));
  EXPECT_LE(mean, 1.1 * golden.json["bf16"]["mean"].get<double>());
  EXPECT_GT(mean, 0.0);
}

TEST(WanPipeline, SameRequestSameBitsAndStagesInOrder) {
  const auto pipe = Open(test::OpenGoldenPipeline("euler_tiny").folder);
  class Watch : public pipeline::Progress {
   public:
    void Update(pipeline::Stage stage, int64_t done, int64_t total) override {
      if (seen.empty() || seen.back() != stage) seen.push_back(stage);
      EXPECT_LE(done, total);
    }
    std::vector<pipeline::Stage> seen;
  } watch;
  pipeline::Request request = test::RequestOf(test::OpenGoldenPipeline("euler_tiny").json["requests"][0]);
  const pipeline::Denoised first = pipe->Denoise(request, watch);
  const HostTensor frames = pipe->Decode(first.latents, watch);
  using pipeline::Stage;
  EXPECT_EQ(watch.seen, (std::vector<Stage>{Stage::kLoadTextEncoder, Stage::kEncodePrompt, Stage::kLoadTransformer,
                                            Stage::kDenoise, Stage::kLoadVAE, Stage::kDecode}));
  pipeline::NoProgress progress;
  EXPECT_EQ(pipe->Denoise(request, progress).latents.data, first.latents.data);
  request.seed += 1;
  EXPECT_NE(pipe->Denoise(request, progress).latents.data, first.latents.data);
  for (float value : frames.data) ASSERT_TRUE(value >= 0 && value <= 1);
  EXPECT_EQ(pipe->attention_stats().calls_by_kernel().count("sdpa"), 1u);
}

TEST(WanPipeline, EncodeUndoesDecodeInShape) {
  const auto pipe = Open(test::OpenGoldenPipeline("unipc_deep").folder);
  pipeline::NoProgress progress;
  HostTensor frames{{5, 32, 48, 3}, std::vector<float>(5 * 32 * 48 * 3, 0.25f)};
  EXPECT_EQ(pipe->Encode(frames, progress).shape, (std::vector<int64_t>{16, 2, 4, 6}));
  frames.shape = {5, 33, 48, 3};
  EXPECT_THROW(pipe->Encode(frames, progress), base::Error);
}

// Latents of more than one tile: 280 x 280 px.
HostTensor LargeLatents() {
  HostTensor latents{{12, 2, 70, 70}, {}};
  latents.data.resize(static_cast<size_t>(latents.numel()));
  for (size_t i = 0; i < latents.data.size(); ++i) latents.data[i] = std::sin(static_cast<float>(i) * 0.37f);
  return latents;
}

TEST(WanPipeline, TilesWhereItIsAskedFor) {
  const auto pipe = Open(test::OpenGoldenPipeline("unipc_patch_t").folder);
  pipeline::NoProgress progress;
  const HostTensor latents = LargeLatents();
  const HostTensor whole = pipe->Decode(latents, progress);
  EXPECT_EQ(pipe->decode_notice(), "") << "there is room for the whole picture";
  pipe->set_vae_tiling(pipeline::VAETiling::kOff);
  EXPECT_EQ(pipe->Decode(latents, progress).data, whole.data);
  pipe->set_vae_tiling(pipeline::VAETiling::kOn);
  const HostTensor tiled = pipe->Decode(latents, progress);
  EXPECT_EQ(pipe->decode_notice(), "");
  EXPECT_EQ(tiled.shape, whole.shape);
  EXPECT_NE(tiled.data, whole.data);
  HostTensor small = latents;
  small.shape = {12, 2, 7, 7};
  small.data.resize(static_cast<size_t>(small.numel()));
  const HostTensor small_tiled = pipe->Decode(small, progress);
  pipe->set_vae_tiling(pipeline::VAETiling::kOff);
  EXPECT_EQ(pipe->Decode(small, progress).data, small_tiled.data);
}

TEST(WanPipeline, TilesAfterRunningOutOfMemory) {
  class FullAtTheFirstChunk : public pipeline::NoProgress {
   public:
    void Update(pipeline::Stage stage, int64_t done, int64_t total) override {
      if (stage != pipeline::Stage::kDecode) return;
      if (total == 2 && done == 1) throw std::bad_alloc();
      last = done;
    }
    int64_t last = 0;
  } progress;
  const HostTensor latents = LargeLatents();
  const auto pipe = Open(test::OpenGoldenPipeline("unipc_patch_t").folder);
  const HostTensor retried = pipe->Decode(latents, progress);
  EXPECT_NE(pipe->decode_notice().find("ran out of memory"), std::string::npos);
  EXPECT_EQ(progress.last, 8) << "2 x 2 tiles of 2 latent frames";
  pipe->set_vae_tiling(pipeline::VAETiling::kOn);
  pipeline::NoProgress quiet;
  EXPECT_EQ(pipe->Decode(latents, quiet).data, retried.data);
  EXPECT_EQ(pipe->decode_notice(), "");
  pipe->set_vae_tiling(pipeline::VAETiling::kOff);
  EXPECT_THROW(pipe->Decode(latents, progress), std::bad_alloc);
}

TEST(WanPipeline, CancelsWithinAStep) {
  const auto pipe = Open(test::OpenGoldenPipeline("unipc_deep").folder);
  class CancelAtStepTwo : public pipeline::Progress {
   public:
    void Update(pipeline::Stage stage, int64_t done, int64_t) override {
      if (stage == pipeline::Stage::kDenoise && done == 2) Cancel();
    }
  } progress;
  const pipeline::Request request = test::RequestOf(test::OpenGoldenPipeline("unipc_deep").json["requests"][0]);
  try {
    pipe->Denoise(request, progress);
    FAIL() << "not cancelled";
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::ErrorCode::kCancelled);
  }
  EXPECT_EQ(pipe->seconds().steps.size(), 2u);
}

std::string ErrorOf(const std::function<void()>& run, base::ErrorCode code) {
  try {
    run();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

TEST(WanPipeline, RefusesWhatItCannotDo) {
  const auto pipe = Open(test::OpenGoldenPipeline("euler_tiny").folder);
  pipeline::NoProgress progress;
  const pipeline::Request good = test::RequestOf(test::OpenGoldenPipeline("euler_tiny").json["requests"][0]);
  auto refused = [&](auto change, base::ErrorCode code = base::ErrorCode::kInvalidInput) {
    pipeline::Request request = good;
    change(request);
    return ErrorOf([&] { pipe->Denoise(request, progress); }, code);
  };
  EXPECT_NE(refused([](auto& r) { r.width_px = 24; }).find("multiple of 16"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.height_px = 1 << 20; }).find("up to 512"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.num_frames = 8; }).find("1 + n"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.num_steps = 0; }).find("steps"), std::string::npos);
  EXPECT_NE(refused([](auto& r) { r.attention.choice.kernel = "magic"; }, base::ErrorCode::kUnsupported).find("sdpa"),
            std::string::npos);
  EXPECT_TRUE(pipe->attention_stats().calls_by_kernel().empty());  // refused before anything ran
  EXPECT_NE(ErrorOf(
                [&] {
                  pipe->Decode({{3, 1, 2, 2}, std::vector<float>(12)}, progress);
                },
                base::ErrorCode::kInvalidInput)
                .find("[16, T, h, w]"),
            std::string::npos);
}

// A kernel asked for by name runs, gives the same result, and is recorded.
TEST(WanPipeline, KernelByName) {
  const auto pipe = Open(test::OpenGoldenPipeline("euler_tiny").folder);
  pipeline::NoProgress progress;
  pipeline::Request request = test::RequestOf(test::OpenGoldenPipeline("euler_tiny").json["requests"][0]);
  const HostTensor automatic = pipe->Denoise(request, progress).latents;
  request.attention.choice.kernel = "sdpa_chunked";
  EXPECT_LE(test::MaxDifference(pipe->Denoise(request, progress).latents, automatic), 1e-5);
  EXPECT_GT(pipe->attention_stats().calls_by_kernel().at("sdpa_chunked"), 0);
}

TEST(WanPipeline, NonFiniteWeightsAreNamed) {
  const test::Scratch scratch;
  const std::string folder = scratch.Copy(test::OpenGoldenPipeline("euler_tiny").folder, "nan");
  const std::string path = folder + "/transformer/diffusion_pytorch_model.safetensors";
  std::string bytes = test::ReadFile(path);
  const auto file = pipeline::SafetensorsFile::Open(path);
  const pipeline::TensorEntry& entry = file->tensors().at("proj_out.bias");
  const size_t offset = static_cast<size_t>(entry.data - file->mapping()->data());
  const float nan = std::nanf("");
  bytes.replace(offset, sizeof nan, reinterpret_cast<const char*>(&nan), sizeof nan);
  test::WriteFile(path, bytes);
  const auto pipe = Open(folder);
  pipeline::NoProgress progress;
  const std::string message = ErrorOf(
      [&] { pipe->Denoise(test::RequestOf(test::OpenGoldenPipeline("euler_tiny").json["requests"][0]), progress); },
      base::ErrorCode::kNonFinite);
  EXPECT_NE(message.find("step 1 of 2"), std::string::npos) << message;
  EXPECT_NE(message.find("proj_out.bias"), std::string::npos) << message;
}

}  // namespace
