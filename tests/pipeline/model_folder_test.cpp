// Inspect: what a folder is, and everything that can be wrong with one.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "attention/base/error.h"
#include "pipeline/pipeline.h"
#include "pipeline/weights/safetensors.h"
#include "tests/support/golden.h"
#include "tests/support/scratch.h"

namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

std::string ErrorOf(const std::string& folder, ErrorCode code = ErrorCode::kInvalidInput) {
  try {
    pipeline::Inspect(folder);
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }
  return "";
}

#define EXPECT_HAS(text, words) EXPECT_NE((text).find(words), std::string::npos) << (text)

TEST(ModelFolder, Describes) {
  const pipeline::ModelInfo info = pipeline::Inspect(test::OpenGoldenPipeline("unipc_patch_t").folder + "/");
  EXPECT_EQ(info.pipeline_class, "WanPipeline");
  EXPECT_EQ(info.scheduler, "unipc");
  EXPECT_EQ(info.num_layers, 2);
  EXPECT_EQ(info.num_heads, 1);
  EXPECT_EQ(info.size_rules.width_multiple, 8);
  EXPECT_EQ(info.size_rules.frames_first, 5);  // temporal patches of 2 over a temporal factor of 4: 5, 13, 21, …
  EXPECT_EQ(info.size_rules.frames_multiple, 8);
  ASSERT_EQ(info.components.size(), 5u);
  EXPECT_EQ(info.components[0].class_name, "WanTransformer3DModel");
  EXPECT_EQ(info.components[0].dtypes.count("F16"), 1u);
  EXPECT_GT(info.components[0].parameters, 0);
  EXPECT_EQ(info.config_files.size(), 8u);  // model_index.json, four configs, three files of the tokenizer
  EXPECT_TRUE(info.notices.empty()) << info.notices[0];
}

class DamagedFolder : public testing::Test {
 protected:
  test::Scratch scratch_;
  std::string folder_ = scratch_.Copy(test::OpenGoldenPipeline("unipc_deep").folder, "model");
  void Edit(const std::string& file, const std::string& from, const std::string& to) {
    std::string text = test::ReadFile(folder_ + "/" + file);
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << file << " has no " << from;
    test::WriteFile(folder_ + "/" + file, text.replace(at, from.size(), to));
  }
};

TEST_F(DamagedFolder, NoFolderNoIndex) {
  EXPECT_HAS(ErrorOf(folder_ + "/nowhere"), "no such model folder");
  EXPECT_HAS(ErrorOf(folder_ + "/model_index.json"), "is no folder");
  fs::remove(folder_ + "/model_index.json");
  EXPECT_HAS(ErrorOf(folder_), "no model_index.json");
  test::WriteFile(folder_ + "/model_index.json", "{\"_class_name\": ");
  EXPECT_HAS(ErrorOf(folder_), "not valid JSON");
}

TEST_F(DamagedFolder, OtherClassesByName) {
  Edit("model_index.json", "\"WanPipeline\"", "\"FluxPipeline\"");
  EXPECT_HAS(ErrorOf(folder_, ErrorCode::kUnsupported), "FluxPipeline");
  Edit("model_index.json", "\"FluxPipeline\"", "\"WanPipeline\"");
  Edit("model_index.json", "\"UMT5EncoderModel\"", "\"CLIPTextModel\"");
  EXPECT_HAS(ErrorOf(folder_, ErrorCode::kUnsupported), "CLIPTextModel");
  Edit("model_index.json", "\"CLIPTextModel\"", "\"UMT5EncoderModel\"");
  Edit("model_index.json", "\"UniPCMultistepScheduler\"", "\"EulerDiscreteScheduler\"");
  EXPECT_HAS(ErrorOf(folder_, ErrorCode::kUnsupported), "EulerDiscreteScheduler");
}

TEST_F(DamagedFolder, OtherKindsOfWanByName) {
  Edit("model_index.json", "\"boundary_ratio\": null", "\"boundary_ratio\": 0.875");
  EXPECT_HAS(ErrorOf(folder_, ErrorCode::kUnsupported), "boundary_ratio");
  Edit("model_index.json", "\"boundary_ratio\": 0.875", "\"boundary_ratio\": null");
  Edit("transformer/config.json", "\"image_dim\": null", "\"image_dim\": 1280");
  EXPECT_HAS(ErrorOf(folder_, ErrorCode::kUnsupported), "image_dim");
  Edit("transformer/config.json", "\"image_dim\": 1280", "\"image_dim\": null");
  Edit("vae/config.json", "\"is_residual\": false", "\"is_residual\": true");
  EXPECT_HAS(ErrorOf(folder_, ErrorCode::kUnsupported), "is_residual");
}

TEST_F(DamagedFolder, MissingFilesAndShards) {
  fs::remove(folder_ + "/vae/diffusion_pytorch_model-00002-of-00007.safetensors");
  const std::string shard = ErrorOf(folder_);
  EXPECT_HAS(shard, "index.json");
  EXPECT_HAS(shard, "00002-of-00007");
  fs::remove_all(folder_ + "/vae");
  EXPECT_HAS(ErrorOf(folder_), "vae");
  fs::remove_all(folder_ + "/scheduler");
  EXPECT_HAS(ErrorOf(folder_), "scheduler_config.json");
}

TEST_F(DamagedFolder, OtherFormatsGetARemedy) {
  for (const auto& entry : fs::directory_iterator(folder_ + "/transformer"))
    if (entry.path().filename() != "config.json") fs::remove(entry.path());
  test::WriteFile(folder_ + "/transformer/diffusion_pytorch_model.bin", "x");
  EXPECT_HAS(ErrorOf(folder_), "diffusion_pytorch_model.bin");
}

TEST_F(DamagedFolder, IndexPointsOutside) {
  Edit("vae/diffusion_pytorch_model.safetensors.index.json", "\"diffusion_pytorch_model-00001",
       "\"../diffusion_pytorch_model-00001");
  EXPECT_HAS(ErrorOf(folder_), "beside the index");
}

TEST_F(DamagedFolder, TensorsAreListedTogether) {
  const std::string path = folder_ + "/text_encoder/model.safetensors";
  // One file of our own in place of the shards: a wrong shape, an extra tensor, all else missing.
  for (const auto& entry : fs::directory_iterator(folder_ + "/text_encoder"))
    if (entry.path().filename() != "config.json") fs::remove(entry.path());
  const pipeline::HostTensor wrong{{3, 3}, std::vector<float>(9)}, extra{{1}, {0}};
  pipeline::WriteSafetensors(path, {{"shared.weight", &wrong}, {"surprise", &extra}, {"decoder.ignored", &extra}}, {});
  const std::string error = ErrorOf(folder_);
  EXPECT_HAS(error, "missing: 'encoder.block.0.layer.0.SelfAttention.q.weight'");
  EXPECT_HAS(error, "unexpected: 'surprise' in model.safetensors");
  EXPECT_HAS(error, "'shared.weight' in model.safetensors is [3, 3], expected [");
  EXPECT_EQ(error.find("decoder.ignored"), std::string::npos);
}

TEST_F(DamagedFolder, EitherNameOfTheTiedEmbedding) {
  const std::string source = test::OpenGoldenPipeline("euler_tiny").folder;
  const std::string folder = scratch_.Copy(source, "tied"), path = folder + "/text_encoder/model.safetensors";
  std::string bytes = test::ReadFile(path);
  const size_t at = bytes.find("\"shared.weight\"");
  ASSERT_NE(at, std::string::npos);
  const std::string longer = "\"encoder.embed_tokens.weight\"";
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  bytes.replace(at, 15, longer);
  header += longer.size() - 15;
  std::memcpy(bytes.data(), &header, 8);
  test::WriteFile(path, bytes);
  EXPECT_EQ(ErrorOf(folder), "");
}

TEST_F(DamagedFolder, ConfigsDoNotFitEachOther) {
  Edit("transformer/config.json", "\"text_dim\": 48", "\"text_dim\": 64");
  EXPECT_HAS(ErrorOf(folder_), "text_dim");
}

TEST_F(DamagedFolder, HugeNumbersAreRefusedBeforeTheyAreUsed) {
  Edit("transformer/config.json", "\"num_layers\": 3", "\"num_layers\": 3000000000");
  EXPECT_HAS(ErrorOf(folder_), "num_layers");
}

TEST_F(DamagedFolder, UnknownKeysAreNoted) {
  Edit("vae/config.json", "\"dropout\": 0.0", "\"dropout\": 0.0, \"flavour\": 1");
  const pipeline::ModelInfo info = pipeline::Inspect(folder_);
  ASSERT_EQ(info.notices.size(), 1u);
  EXPECT_HAS(info.notices[0], "flavour");
}

TEST_F(DamagedFolder, MissingKeysTakeTheClassDefaults) {
  Edit("vae/config.json", "\"num_res_blocks\": 2,", "");
  Edit("transformer/config.json", "\"eps\": 1e-06,", "");
  EXPECT_EQ(ErrorOf(folder_), "");
}

}  // namespace
