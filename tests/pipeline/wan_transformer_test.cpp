// One forward of the DiT, its expected tensors for the released models, and what it records.
#include "pipeline/models/wan_transformer.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <fstream>

#include "attention/base/error.h"
#include "pipeline/models/wan_folder.h"
#include "tests/support/golden.h"
#include "tests/support/tensors.h"

namespace {

using pipeline::HostTensor;
using test::ToHost;
using test::ToTensor;

class WanTransformerGolden : public testing::TestWithParam<std::string> {};

TEST_P(WanTransformerGolden, ForwardEqualsDiffusers) {
  const c10::InferenceMode inference;
  const test::GoldenPipeline golden = test::OpenGoldenPipeline(GetParam());
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(golden.folder);
  pipeline::WeightLoader loader(&folder.transformer_files, at::kFloat, at::kCPU,
                                pipeline::WanTransformer::KeepsFloat32);
  const pipeline::WanTransformer transformer(folder.transformer, loader);
  pipeline::NoProgress progress;
  attention::StatsRecorder stats;
  attention::AttentionContext ctx;
  ctx.stats = &stats;
  ctx.step = 3;
  const auto text = transformer.PrepareText(ToTensor(golden.Tensor("dit.text")), progress);
  const at::Tensor latents = ToTensor(golden.Tensor("dit.latents"));
  const at::Tensor out = transformer.Forward(latents, ToTensor(golden.Tensor("dit.timestep")), text,
                                             transformer.PreparePositions(latents), ctx, progress);
  const HostTensor expected = golden.Tensor("dit.out");
  EXPECT_LE(test::MaxDifference(ToHost(out), expected), 1e-5 * test::StandardDeviation(expected));

  // Every layer's self-attention is recorded once, with its blocks.
  ASSERT_EQ(stats.denoising_calls().size(), static_cast<size_t>(folder.transformer.num_layers));
  EXPECT_EQ(stats.calls_by_kernel().at("sdpa"), 2 * folder.transformer.num_layers);
  const attention::CallRecord& last = stats.denoising_calls().back();
  EXPECT_EQ(last.layer, folder.transformer.num_layers - 1);
  EXPECT_EQ(last.step, 3);
  EXPECT_EQ(last.kind, attention::Kind::kSelf);
  EXPECT_EQ(last.kept_blocks,
            std::vector<int64_t>(static_cast<size_t>(folder.transformer.num_heads), 1));  // 60 tokens: one block
  EXPECT_EQ(stats.sparsity(), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Pipelines, WanTransformerGolden, testing::ValuesIn(test::GoldenPipelineNames("dit.out")),
                         [](const auto& info) { return info.param; });

TEST_P(WanTransformerGolden, OneBlockEqualsDiffusers) {
  const c10::InferenceMode inference;
  const test::GoldenPipeline golden = test::OpenGoldenPipeline(GetParam());
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(golden.folder);
  pipeline::WanTransformerConfig config = folder.transformer;
  config.num_layers = 1;
  pipeline::WeightLoader loader(&folder.transformer_files, at::kFloat, at::kCPU,
                                pipeline::WanTransformer::KeepsFloat32);
  const pipeline::WanTransformer transformer(config, loader);
  pipeline::NoProgress progress;
  const auto text = transformer.PrepareText(ToTensor(golden.Tensor("dit.text")), progress);
  const at::Tensor latents = ToTensor(golden.Tensor("dit.latents"));
  const at::Tensor out = transformer.Forward(latents, ToTensor(golden.Tensor("dit.timestep")), text,
                                             transformer.PreparePositions(latents), {}, progress);
  const HostTensor expected = golden.Tensor("dit.one_block");
  EXPECT_LE(test::MaxDifference(ToHost(out), expected), 1e-5 * test::StandardDeviation(expected));
}

// Names and shapes of the released Wan 2.1 models as diffusers declares them (tests/golden/make_released_goldens.py).
TEST(WanTransformer, ExpectsWhatTheReleasedModelsHave) {
  std::ifstream in(test::GoldenDir() + "/released_wan.json");
  const nlohmann::json released = nlohmann::json::parse(in);
  ASSERT_EQ(released.size(), 2u);
  for (const auto& [name, model] : released.items()) {
    SCOPED_TRACE(name);
    pipeline::WanTransformerConfig config;
    const nlohmann::json& c = model["config"];
    config.num_heads = c["num_attention_heads"];
    config.head_dim = c["attention_head_dim"];
    config.num_layers = c["num_layers"];
    config.ffn_dim = c["ffn_dim"];
    config.text_dim = c["text_dim"];
    pipeline::WeightLoader loader;
    pipeline::WanTransformer declared(config, loader);
    std::map<std::string, std::vector<int64_t>> ours;
    for (const pipeline::TensorSpec& spec : loader.specs()) ours[spec.name] = spec.shape;
    EXPECT_EQ(ours, (model["tensors"].get<std::map<std::string, std::vector<int64_t>>>()));
  }
}

TEST(WanTransformer, CancelsBetweenBlocks) {
  const c10::InferenceMode inference;
  const test::GoldenPipeline golden = test::OpenGoldenPipeline("euler_tiny");
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(golden.folder);
  pipeline::WeightLoader loader(&folder.transformer_files, at::kFloat, at::kCPU,
                                pipeline::WanTransformer::KeepsFloat32);
  const pipeline::WanTransformer transformer(folder.transformer, loader);
  pipeline::NoProgress progress;
  const auto text = transformer.PrepareText(ToTensor(golden.Tensor("dit.text")), progress);
  const at::Tensor latents = ToTensor(golden.Tensor("dit.latents"));
  const auto positions = transformer.PreparePositions(latents);
  progress.Cancel();
  try {
    transformer.Forward(latents, ToTensor(golden.Tensor("dit.timestep")), text, positions, {}, progress);
    FAIL() << "not cancelled";
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::ErrorCode::kCancelled);
  }
}

}  // namespace
