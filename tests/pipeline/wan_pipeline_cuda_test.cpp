// The same renders on a CUDA device. Skipped, saying so, where there is none.
#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/pipeline.h"
#include "pipeline/version.h"
#include "tests/support/golden.h"

namespace {

class WanPipelineCuda : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (pipeline::DetectRuntime().cuda_devices == 0) GTEST_SKIP() << "no CUDA device with a working driver";
  }
};

// cuDNN's convolutions run in TF32 (10-bit mantissas) by default, in PyTorch as here: hence the bound.
TEST_P(WanPipelineCuda, Float32IsWithinTF32OfTheCpu) {
  const test::GoldenPipeline golden = test::OpenGoldenPipeline(GetParam());
  const auto pipe = pipeline::Pipeline::Open(golden.folder, {.device = "cuda:0", .dtype = "float32"});
  EXPECT_EQ(pipe->device_name(), "cuda:0");
  pipeline::NoProgress progress;
  int index = 0;
  for (const nlohmann::json& request : golden.json["requests"]) {
    const std::string key = "r" + std::to_string(index++);
    const pipeline::Denoised result = pipe->Denoise(test::RequestOf(request), progress);
    const double latents = test::RelativeL2(result.latents, golden.Tensor(key + ".latents"));
    const double frames = test::RelativeL2(pipe->Decode(result.latents, progress), golden.Tensor(key + ".frames"));
    std::printf("%s %s: relative L2 error of latents %.2e, frames %.2e\n", GetParam().c_str(), key.c_str(), latents,
                frames);
    EXPECT_LE(latents, 5e-3);
    EXPECT_LE(frames, 5e-3);
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, WanPipelineCuda, testing::ValuesIn(test::GoldenPipelineNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
