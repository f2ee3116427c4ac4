#include "app/job/job.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/job/kept_latents.h"
#include "app/job/model.h"
#include "app/settings/text.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/fake_pipeline.h"

namespace app {
namespace {

class JobTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    model_ = MakeFakeModel(Path("tiny model"));
  }
  Job Prepare(Layer flags) {
    if (flags.count("prompt") == 0) flags["prompt"] = {"a ball", "--prompt"};
    if (flags.count("out") == 0) flags["out"] = {Value({Path("a.mp4")}), "--out"};
    return PrepareJob({{}, {flags}, ""}, model_, notes_);
  }
  std::string ErrorOf(const Layer& flags) {
    return ErrorText([&] { Prepare(flags); });
  }
  pipeline::ModelInfo model_;
  ModelNotes notes_;
};

TEST_F(JobTest, LayersStack) {
  notes_.settings = {{"steps", {7, "sparge.yaml"}}, {"guidance", {1.5, "sparge.yaml"}}};
  const Job job = Prepare({{"guidance", {4.0, "--guidance"}}});
  EXPECT_EQ(job.settings.Int("steps"), 7);
  EXPECT_EQ(job.settings.Number("guidance"), 4.0);
  EXPECT_EQ(job.settings.Int("width"), 32);
  EXPECT_EQ(job.settings.where("width"), "FakePipeline");
  EXPECT_EQ(job.settings.Text("scheduler"), "unipc");
  EXPECT_EQ(job.settings.Text("model"), model_.path);
  EXPECT_EQ(job.files.outputs, std::vector<std::string>{Path("a.mp4")});
  EXPECT_EQ(job.files.sidecar, Path("a.json"));
  EXPECT_EQ(job.files.kept_latents, Path("a.latents.safetensors"));
}

TEST_F(JobTest, SizesThatTheModelCannotDoSayTheNearest) {
  const std::string error =
      ErrorOf({{"width", {130, "--width"}}, {"height", {7, "--height"}}, {"frames", {32, "--frames"}}});
  EXPECT_NE(error.find("width: 128 px, not 130: this model makes multiples of 16 up to 1024 (--width)"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("height: 16 px, not 7"), std::string::npos) << error;
  EXPECT_NE(error.find("frames: 33 frames, not 32: this model makes 4n + 1"), std::string::npos) << error;
  EXPECT_NE(ErrorOf({{"frames", {2, "--frames"}}}).find("frames: 1 frames, not 2"), std::string::npos);
  EXPECT_NE(ErrorOf({{"width", {4096, "--width"}}}).find("width: 1024 px, not 4096"), std::string::npos);
  EXPECT_NE(ErrorOf({{"frames", {500, "--frames"}}}).find("frames: 201 frames, not 500"), std::string::npos);
  model_.size_rules.frames_first = 5;  // temporal patches of 2 over a temporal factor of 4
  model_.size_rules.frames_multiple = 8;
  EXPECT_NE(ErrorOf({{"frames", {9, "--frames"}}}).find("frames: 5 frames, not 9: this model makes 8n + 5"),
            std::string::npos);
  EXPECT_EQ(ErrorOf({{"frames", {21, "--frames"}}}), "");
  model_.size_rules.frames_first = 1;
  model_.size_rules.frames_multiple = 4;
  model_.max_sequence_length_limit = 48;
  EXPECT_NE(ErrorOf({}).find("max_sequence_length: 64 tokens, but this model reads 48 at most"), std::string::npos);
}

TEST_F(JobTest, WithoutAPrompt) {
  EXPECT_NE(ErrorOf({{"prompt", {nullptr, "--prompt"}}}).find("no prompt"), std::string::npos);
  EXPECT_EQ(ErrorOf({{"prompt", {"", "--prompt"}}}), "");
}

TEST_F(JobTest, WhatIsNotThereYetIsNeverIgnoredWhereverItComesFrom) {
  notes_.settings = {{"offload", {"blocks", "sparge.yaml"}}};
  EXPECT_NE(ErrorOf({}).find("offload: blocks is not there yet; there is: auto"), std::string::npos);
  notes_.settings = {};
  EXPECT_NE(ErrorOf({{"attention.kernel", {"sm90", "--kernel"}}}).find("sm90"), std::string::npos);
}

TEST_F(JobTest, ARandomSeedIsDrawnOnceAndRecorded) {
  const Job a = Prepare({{"seed", {"random", "--seed"}}}), b = Prepare({{"seed", {"random", "--seed"}}});
  EXPECT_TRUE(a.settings.at("seed").is_number_integer());
  EXPECT_NE(a.settings.Int("seed"), b.settings.Int("seed"));
  EXPECT_NE(a.hash, b.hash);
}

TEST_F(JobTest, UnknownWordsGiveANotice) {
  notes_.settings = {{"attention.topk", {0.5, "sparge.yaml"}}};  // tuned: nothing to note of that
  notes_.vocabulary = {{"shapes", {"ball", "cube", "a"}}};
  EXPECT_TRUE(Prepare({}).notices.empty());
  const Job job = Prepare({{"prompt", {"a bal and a dragon", "--prompt"}}});
  ASSERT_EQ(job.notices.size(), 1u);
  EXPECT_NE(job.notices[0].find("'bal' (did you mean 'ball'?)"), std::string::npos) << job.notices[0];
  EXPECT_NE(job.notices[0].find("'dragon'"), std::string::npos);
}

// ---- Files
// -----------------------------------------------------------------------------------------------------------

TEST_F(JobTest, OutputsOfEveryKindFromOneRender) {
  const Value out = {Path("x/a.mkv"),      Path("x/a.webm"), Path("x/a.gif"),
                     Path("x/f_%04d.png"), Path("x/dir/"),   Path("x/a.safetensors")};
  const Job job = Prepare({{"out", {out, "--out"}}});
  EXPECT_EQ(job.files.outputs, out.get<std::vector<std::string>>());
  EXPECT_EQ(job.files.sidecar, Path("x/a.json"));
  EXPECT_FALSE(std::filesystem::exists(Path("x")));  // nothing is made yet
  EXPECT_EQ(Prepare({{"out", {Value({Path("f_%04d.png")}), "--out"}}}).files.sidecar, Path("f.json"));
  EXPECT_EQ(Prepare({{"out", {Value({Path("DIR/")}), "--out"}}}).files.sidecar, Path("DIR.json"));
}

TEST_F(JobTest, BadOutputsAreSaidTogether) {
  std::filesystem::create_directories(Path("folder.mp4"));
  std::ofstream(Path("there.mp4")) << "x";
  const Value out = {Path("a.xyz"),      Path("a.png"), Path("folder.mp4"), Path("there.mp4"), Path("b_{nonsense}.mp4"),
                     Path("c_{name.mp4")};
  const std::string error = ErrorOf({{"out", {out, "--out"}}});
  for (const char* part : {"a.xyz", "is one image, but there are 5 frames", "folder.mp4", "there.mp4 exists already",
                           "unknown placeholder '{nonsense}'", "a { without its }"}) {
    EXPECT_NE(error.find(part), std::string::npos) << part << " in\n" << error;
  }
}

TEST_F(JobTest, CodecsAreCheckedBeforeAnythingRuns) {
  EXPECT_NE(ErrorOf({{"encode.codec", {"prores", "--codec"}}, {"out", {Value({Path("a.webm")}), "--out"}}}), "");
  EXPECT_NE(ErrorOf({{"encode.pixel_format", {"no_such_format", "--pixel-format"}}}), "");
}

TEST_F(JobTest, ExistingFilesNeedOverwrite) {
  std::ofstream(Path("a.json")) << "{}";
  EXPECT_NE(ErrorOf({}).find("a.json exists already"), std::string::npos);
  EXPECT_EQ(ErrorOf({{"sidecar", {false, "--sidecar"}}}), "");
  EXPECT_EQ(ErrorOf({{"overwrite", {true, "--overwrite"}}}), "");
}

TEST_F(JobTest, OneFileForTwoPurposes) {
  const auto error = [&](const Value& out) { return ErrorOf({{"out", {out, "--out"}}}); };
  EXPECT_NE(error({Path("a.mp4"), Path("x/../a.mp4")}).find("would be written twice"), std::string::npos);
  EXPECT_NE(error({Path("f_%04d.png"), Path("f_%04d.png")}).find("would be written twice"), std::string::npos);
  EXPECT_NE(error({Path("a.mp4"), Path("a.latents.safetensors")}).find("would be written twice"), std::string::npos);
  std::filesystem::create_directories(Path("real"));
  std::filesystem::create_directory_symlink(Path("real"), Path("link"));
  EXPECT_NE(error({Path("real/a.mp4"), Path("link/a.mp4")}).find("would be written twice"), std::string::npos);
  EXPECT_EQ(error({Path("a.mp4"), Path("a.mkv")}), "");
}

TEST_F(JobTest, DefaultOutputNamesTheJob) {
  Layer flags = {{"prompt", {"a ball", "--prompt"}}};
  const Job job = PrepareJob({{}, {flags}, ""}, model_, notes_);
  EXPECT_TRUE(job.files.outputs[0].ends_with("/out/clip_main_0_" + job.hash.substr(0, 8) + ".mp4"));
  flags["frames"] = {1, "--frames"};
  EXPECT_TRUE(PrepareJob({{}, {flags}, ""}, model_, notes_).files.outputs[0].ends_with(".png"));
}

TEST_F(JobTest, Placeholders) {
  const Job job = Prepare({{"prompt", {"a/b é ß 木 {x}", "--prompt"}}, {"guidance", {5.0, "--guidance"}}});
  const auto fill = [&](const std::string& pattern) {
    return FillPlaceholders(pattern, job.names, job.settings, job.hash);
  };
  EXPECT_EQ(fill("{name}-{variant}-{index}-{seed}-{model}"), "clip-main-0-0-tiny_model");
  EXPECT_EQ(fill("{guidance}_{flow_shift}_{attention.mode}"), "5_none_sparge");
  EXPECT_EQ(fill("{prompt}"), "a_b_é_ß_木__x_");
  EXPECT_EQ(fill("{{a}}_%04d"), "{a}_%04d");
  EXPECT_EQ(fill("a}b"), "a}b");
  EXPECT_EQ(fill("{hash8}"), job.hash.substr(0, 8));
  EXPECT_EQ(FileNamePart(".hidden"), "_hidden");
  EXPECT_EQ(FileNamePart(std::string(79, 'x') + "é"), std::string(79, 'x'));
}

// ---- Models
// ----------------------------------------------------------------------------------------------------------

TEST_F(JobTest, ModelsByFolderAndByName) {
  setenv("SPARGE_MODELS", ("/nowhere:" + folder_).c_str(), 1);
  EXPECT_EQ(FindModel(Path("tiny model/")), model_.path);
  EXPECT_EQ(FindModel("tiny model"), model_.path);
  const std::string error = ErrorText([] { FindModel("tiny_model"); });
  EXPECT_NE(error.find("did you mean 'tiny model'?"), std::string::npos) << error;
  EXPECT_NE(ErrorText([] { FindModel("x.gguf"); }).find("not there yet"), std::string::npos);
  EXPECT_NE(ErrorText([&] { FindModel(Path("tiny model/model_index.json")); }).find("is a file"), std::string::npos);
  EXPECT_THROW(FindModel("../x"), base::Error);
  unsetenv("SPARGE_MODELS");
}

TEST_F(JobTest, ModelHashIsOfContentsNotOfPlace) {
  const std::string hash = ModelHash(model_);
  EXPECT_EQ(ModelHash(MakeFakeModel(Path("elsewhere"))), hash);
  std::ofstream(model_.config_files[0]) << "{ }";
  const std::string other = ModelHash(model_);
  EXPECT_NE(other, hash);
  std::ofstream(model_.components[0].weight_files[0]) << "weighty";
  EXPECT_NE(ModelHash(model_), other);
}

TEST_F(JobTest, ModelHashSamplesLargeFiles) {
  const std::string path = model_.components[0].weight_files[0];
  constexpr int64_t kSize = 64 << 20;  // 64 samples of 64 KiB: every sixteenth piece
  std::ofstream(path) << "";
  std::filesystem::resize_file(path, kSize);
  const std::string hash = ModelHash(model_);
  const auto with_byte_at = [&](int64_t offset) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.put('x');
    file.close();
    const std::string changed = ModelHash(model_);
    file.open(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file.put('\0');
    return changed;
  };
  EXPECT_NE(with_byte_at(0), hash);
  EXPECT_NE(with_byte_at(kSize - 1), hash);
  EXPECT_EQ(with_byte_at(kSize / 63 / 2 + 65536), hash);  // between the first two samples
}

// ---- Kept latents
// ----------------------------------------------------------------------------------------------------

TEST_F(JobTest, KeptLatentsHoldTheJob) {
  const Job job = Prepare({{"seed", {5, "--seed"}}, {"overwrite", {true, "--overwrite"}}});
  const pipeline::HostTensor latents{{1, 1, 1, 2}, {0.5f, -1.0f}};
  WriteKeptLatents(Path("k.safetensors"), latents, nullptr, job);
  const KeptLatents kept = ReadKeptLatents(Path("k.safetensors"));
  EXPECT_EQ(kept.latents.data, latents.data);
  EXPECT_EQ(kept.job.at("seed").value, Value(5));
  EXPECT_EQ(kept.model_hash, job.model_hash);
  for (const char* key : {"out", "overwrite", "log", "keep_latents", "sidecar", "metadata"}) {
    EXPECT_EQ(kept.job.count(key), 0u) << key << ": where files go is the caller's";
  }
}

TEST_F(JobTest, HostileKeptLatents) {
  const auto error = [&](const pipeline::HostTensor& latents, const std::string& record) {
    pipeline::WriteSafetensors(Path("k.safetensors"), {{"latents", &latents}}, {{"sparge", record}});
    return ErrorText([&] { ReadKeptLatents(Path("k.safetensors")); });
  };
  const pipeline::HostTensor good{{1, 1, 1, 1}, {0.5f}};
  EXPECT_EQ(error(good, R"({"schema":1,"hash":7,"job":{"out":["/etc/x"],"zap":1}})"), "");
  EXPECT_NE(error(good, "nonsense"), "");
  EXPECT_NE(error(good, R"({"schema":2,"job":{}})").find("newer"), std::string::npos);
  EXPECT_NE(error(good, R"({"schema":1})"), "");
  EXPECT_NE(error(good, R"({"schema":1,"job":{"steps":"x"}})").find("steps"), std::string::npos);
  EXPECT_NE(error({{1}, {0.5f}}, "").find("dimensions"), std::string::npos);
  EXPECT_NE(error({{1, 1, 1, 1}, {NAN}}, "").find("NaN"), std::string::npos);
  EXPECT_NE(ErrorText([&] { ReadKeptLatents(Path("missing.safetensors")); }), "");
}

}  // namespace
}  // namespace app
