// The text encoder against transformers, from prompt to embeddings: cleaning, tokens, padding and all.
#include "pipeline/encoders/umt5.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "attention/base/error.h"
#include "pipeline/models/wan_folder.h"
#include "pipeline/tokenizers/prompt_clean.h"
#include "pipeline/tokenizers/tokenizer.h"
#include "tests/support/golden.h"

namespace {

using pipeline::HostTensor;

class UMT5Golden : public testing::TestWithParam<std::string> {};

TEST_P(UMT5Golden, EmbeddingsEqualTransformers) {
  const c10::InferenceMode inference;
  const test::GoldenPipeline golden = test::OpenGoldenPipeline(GetParam());
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(golden.folder);
  pipeline::WeightLoader loader(&folder.text_encoder_files, at::kFloat, at::kCPU, nullptr);
  const pipeline::UMT5Encoder encoder(folder.text_encoder, loader);
  const auto tokenizer = pipeline::OpenTokenizer(folder.tokenizer_dir, folder.tokenizer_class);
  pipeline::NoProgress progress;
  int index = 0;
  for (const nlohmann::json& request : golden.json["requests"]) {
    const std::string key = "r" + std::to_string(index++);
    for (const auto& [prompt, expected_key] :
         {std::pair(request["prompt"].get<std::string>(), key + ".embeds"),
          std::pair(request["negative_prompt"].get<std::string>(), key + ".negative")}) {
      SCOPED_TRACE(expected_key + ": " + prompt);
      const int64_t max_length = request["length"];
      const auto padded = tokenizer->EncodePadded(pipeline::CleanPrompt(prompt).text, max_length);
      ASSERT_EQ(static_cast<int64_t>(padded.ids.size()), max_length);
      attention::StatsRecorder stats;
      attention::AttentionContext ctx;
      ctx.stats = &stats;
      const at::Tensor hidden = encoder.Forward(padded.ids, padded.length, ctx, progress);
      ASSERT_EQ(hidden.size(1), padded.length);
      // Rows past the prompt are zeros in diffusers; the rows before are compared.
      const HostTensor expected = golden.Tensor(expected_key);
      const at::Tensor reference = at::from_blob(const_cast<float*>(expected.data.data()), expected.shape, at::kFloat);
      EXPECT_EQ(reference.narrow(0, padded.length, max_length - padded.length).count_nonzero().item<int64_t>(), 0);
      EXPECT_LE(at::sub(hidden[0], reference.narrow(0, 0, padded.length)).abs().max().item<double>(),
                1e-5 * test::StandardDeviation(expected));
      EXPECT_EQ(stats.calls_by_kernel().at("sdpa"), folder.text_encoder.num_layers);
      EXPECT_TRUE(stats.denoising_calls().empty());  // text encoders are counted by kernel only
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, UMT5Golden, testing::ValuesIn(test::GoldenPipelineNames("r0.embeds")),
                         [](const auto& info) { return info.param; });

TEST(UMT5, RefusesIdsOfAnotherTokenizer) {
  const c10::InferenceMode inference;
  const pipeline::WanFolder folder = pipeline::WanFolder::Open(test::OpenGoldenPipeline("euler_tiny").folder);
  pipeline::WeightLoader loader(&folder.text_encoder_files, at::kFloat, at::kCPU, nullptr);
  const pipeline::UMT5Encoder encoder(folder.text_encoder, loader);
  pipeline::NoProgress progress;
  EXPECT_THROW(encoder.Forward({1, static_cast<int32_t>(folder.text_encoder.vocab_size)}, 2, {}, progress),
               base::Error);
  EXPECT_THROW(encoder.Forward({-1}, 1, {}, progress), base::Error);
}

}  // namespace
