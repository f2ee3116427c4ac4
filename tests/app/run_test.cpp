#include "app/job/run.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/console/errors.h"
#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/fake_pipeline.h"

namespace app {
namespace {

class RunTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    model_ = MakeFakeModel(beside_ + "/fake");
  }
  Job Prepare(const Value& out, Layer flags = {}) {
    flags["prompt"] = {"a ball", "--prompt"};
    flags["out"] = {out, "--out"};
    return PrepareJob({{}, {flags}, ""}, model_, {});
  }
  nlohmann::json Run(const Job& job) {
    FakePipeline pipeline(model_);
    return RunJob(job, pipeline, nullptr, observer_);
  }
  std::string Text(const std::string& name) {
    std::ifstream in(Path(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  pipeline::ModelInfo model_;
  RecordingObserver observer_;
};

TEST_F(RunTest, EveryOutputFromOneRender) {
  FakePipeline pipeline(model_);
  const Job job = Prepare({Path("a.mp4"), Path("frames/"), Path("b.gif")}, {{"seed", {3, "--seed"}}});
  RunJob(job, pipeline, nullptr, observer_);
  EXPECT_EQ(pipeline.requests.size(), 1u);
  EXPECT_EQ(pipeline.requests[0].seed, 3);
  EXPECT_EQ(pipeline.requests[0].scheduler, "");  // the folder's
  EXPECT_EQ(pipeline.requests[0].num_frames, 5);
  EXPECT_EQ(Names(),
            (std::vector<std::string>{"a.json", "a.latents.safetensors", "a.mp4", "b.gif", "frames", "frames/0000.png",
                                      "frames/0001.png", "frames/0002.png", "frames/0003.png", "frames/0004.png"}));
  EXPECT_EQ(observer_.outputs.size(), 5u);
  EXPECT_EQ(observer_.started, 1);
  EXPECT_EQ(observer_.done, 1);
  ASSERT_EQ(observer_.notices.size(), 2u);
  EXPECT_EQ(observer_.notices[0].find("the model is untuned"), 0u);
  EXPECT_EQ(observer_.notices[1], "a notice of the pipeline");
  EXPECT_EQ(pipeline.requests[0].attention.dense_layers, std::vector<int64_t>{0});

  const auto record = nlohmann::json::parse(pipeline::ProbeMedia(Path("a.mp4")).comment);
  EXPECT_EQ(record["hash"], job.hash);
  EXPECT_EQ(record["schema"], 1);
  EXPECT_EQ(record["job"]["seed"], 3);
  EXPECT_EQ(nlohmann::json::parse(pipeline::ProbeMedia(Path("frames/")).comment)["hash"], job.hash);
}

TEST_F(RunTest, Sidecar) {
  const Job job = Prepare({Path("a.mp4")});
  const nlohmann::json sidecar = Run(job);
  EXPECT_EQ(nlohmann::json::parse(Text("a.json")), sidecar);
  EXPECT_EQ(sidecar["schema"], 1);
  EXPECT_EQ(sidecar["hash"], job.hash);
  EXPECT_EQ(sidecar["job"].size(), Settings().size());  // every effective setting
  EXPECT_EQ(sidecar["model"]["class"], "FakePipeline");
  EXPECT_EQ(sidecar["model"]["hash"], job.model_hash);
  EXPECT_EQ(sidecar["program"]["device"], "cpu");
  EXPECT_GT(sidecar["peak_memory_bytes"].get<int64_t>(), 1 << 20);
  const auto& attention = sidecar["attention"];
  EXPECT_EQ(attention["kernels"]["fake_kernel"], 2);
  EXPECT_EQ(attention["fallbacks"].size(), 1u);
  EXPECT_EQ(attention["sparsity"], 0.0);
  EXPECT_EQ(attention["share_of_time"], 0.5);  // 2 × 0.25 s of 1 s
  ASSERT_EQ(attention["steps"].size(), 2u);
  EXPECT_EQ(attention["steps"][1]["sigma"], 0.5);
  const auto& layer = attention["steps"][0]["layers"][0];
  EXPECT_EQ(layer["kind"], "self");
  EXPECT_EQ(layer["pass"], "cond");
  EXPECT_EQ(layer["ms"], 250.0);
  EXPECT_EQ(layer["kept_blocks"], (std::vector<int>{4, 4}));
}

TEST_F(RunTest, TensorsHoldLatentsAndFrames) {
  Run(Prepare({Path("a.safetensors"), Path("a.mkv")}));
  EXPECT_EQ(Names(), (std::vector<std::string>{"a.json", "a.mkv", "a.safetensors"}));  // no kept latents beside it
  const auto file = pipeline::SafetensorsFile::Open(Path("a.safetensors"));
  EXPECT_EQ(file->tensors().at("latents").shape, (std::vector<int64_t>{2, 2, 2, 4}));
  EXPECT_EQ(file->tensors().at("frames").shape, (std::vector<int64_t>{5, 16, 32, 3}));
  EXPECT_EQ(ReadKeptLatents(Path("a.safetensors")).job.at("prompt").value, Value("a ball"));
}

TEST_F(RunTest, WhatIsSwitchedOffIsNotWritten) {
  Run(Prepare({Path("a.mp4"), Path("b.safetensors")},
              {{"sidecar", {false, ""}}, {"keep_latents", {false, ""}}, {"metadata", {false, ""}}}));
  EXPECT_EQ(Names(), (std::vector<std::string>{"a.mp4", "b.safetensors"}));
  EXPECT_EQ(pipeline::ProbeMedia(Path("a.mp4")).comment, "");
  EXPECT_TRUE(pipeline::SafetensorsFile::Open(Path("b.safetensors"))->metadata().empty());
}

TEST_F(RunTest, LatentsOutliveAFailedDecode) {
  const Job job = Prepare({Path("a.safetensors")});
  FakePipeline pipeline(model_);
  pipeline.on_decode = [] { base::Fail(base::ErrorCode::kNonFinite, "NaN"); };
  EXPECT_THROW(RunJob(job, pipeline, nullptr, observer_), base::Error);
  EXPECT_EQ(Names(), std::vector<std::string>{"a.latents.safetensors"});
  EXPECT_NO_THROW(Prepare({Path("a.safetensors")}));  // the same job may be tried again without --overwrite
  EXPECT_NE(ErrorText([&] { Prepare({Path("a.safetensors")}, {{"seed", {1, "--seed"}}}); }), "");  // another may not
}

TEST_F(RunTest, CancelLeavesOnlyWhatIsWhole) {
  const Job job = Prepare({Path("a.mp4")});
  FakePipeline pipeline(model_);
  pipeline.on_step = [&](int64_t step) {
    if (step == 1) observer_.Cancel();
  };
  try {
    RunJob(job, pipeline, nullptr, observer_);
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(ExitStatusOf(error.code()), 130);
  }
  EXPECT_TRUE(Names().empty());
}

TEST_F(RunTest, FromLatentsGivesTheSameFrames) {
  Run(Prepare({Path("a.mkv")}, {{"encode.codec", {"ffv1", "--codec"}}, {"seed", {9, "--seed"}}}));
  const KeptLatents kept = ReadKeptLatents(Path("a.latents.safetensors"));
  const Layer flags = {{"out", {Value({Path("b.mkv")}), "--out"}}, {"encode.codec", {"ffv1", "--codec"}}};
  const Job job = PrepareJob({{}, {kept.job, flags}, kept.path}, model_, {});
  EXPECT_EQ(job.settings.Int("seed"), 9);
  EXPECT_TRUE(job.files.kept_latents.empty());
  FakePipeline pipeline(model_);
  RunJob(job, pipeline, &kept, observer_);
  EXPECT_TRUE(pipeline.requests.empty());
  pipeline::NoProgress quiet;
  EXPECT_EQ(pipeline::ReadMedia(Path("a.mkv"), quiet).frames.data,
            pipeline::ReadMedia(Path("b.mkv"), quiet).frames.data);
  EXPECT_NE(ErrorText([&] {
              PrepareJob({{}, {kept.job, {{"out", {Value({Path("a.latents.safetensors")}), "--out"}}}}, kept.path},
                         model_, {});
            }).find("would replace the file that the latents are read from"),
            std::string::npos);
}

TEST_F(RunTest, LatentsThatDoNotFitTheirJob) {
  Run(Prepare({Path("a.mp4")}));
  KeptLatents kept = ReadKeptLatents(Path("a.latents.safetensors"));
  kept.job["frames"] = {9, kept.path};
  const Job job = PrepareJob({{}, {kept.job, {{"out", {Value({Path("b.mp4")}), "--out"}}}}, kept.path}, model_, {});
  FakePipeline pipeline(model_);
  EXPECT_NE(ErrorText([&] { RunJob(job, pipeline, &kept, observer_); }).find("decode to 5 frames of 32x16, not the 9"),
            std::string::npos);
}

TEST(Errors, StatusAndText) {
  EXPECT_EQ(ExitStatusOf(base::ErrorCode::kUnsupported), 2);
  EXPECT_EQ(ExitStatusOf(base::ErrorCode::kInvalidInput), 2);
  EXPECT_EQ(ExitStatusOf(base::ErrorCode::kNonFinite), 1);
  EXPECT_EQ(Guarded([]() -> int { throw std::bad_alloc(); }), 1);
  EXPECT_EQ(Guarded([] { return 0; }), 0);
  try {
    throw std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes\ntrace\ntrace");
  } catch (...) {
    const Failure failure = CurrentFailure();
    EXPECT_EQ(failure.code, base::ErrorCode::kOutOfMemory);
    EXPECT_EQ(failure.message.find('\n'), std::string::npos);
  }
}

}  // namespace
}  // namespace app
