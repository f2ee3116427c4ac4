#include "app/job/run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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
  EXPECT_EQ(Names(), std::vector<std::string>{"a.latents.safetensors"});  // the checkpoint
  const LatentsOnDisk left = LookAtLatents(Path("a.latents.safetensors"), job.hash);
  EXPECT_EQ(left.kind, LatentsOnDisk::Kind::kCheckpoint);
  EXPECT_EQ(left.step, 1);
}

TEST_F(RunTest, GoesOnFromItsCheckpoint) {
  const Layer flags = {{"steps", {4, "--steps"}}};
  const Job job = Prepare({Path("a.mp4")}, flags);
  const auto stop_at = [&](int64_t last, RecordingObserver& observer, FakePipeline& pipeline) {
    pipeline.on_step = [&, last](int64_t step) {
      if (step == last) observer.Cancel();
    };
    EXPECT_THROW(RunJob(job, pipeline, nullptr, observer), base::Error);
  };
  RecordingObserver first, second;
  FakePipeline fresh(model_), again(model_), rest(model_);
  stop_at(2, first, fresh);
  stop_at(3, second, again);  // stopped once more
  EXPECT_EQ(again.starts[0], 2);
  const Job once_more = Prepare({Path("a.mp4")}, flags);  // it is no other's file
  const nlohmann::json sidecar = RunJob(once_more, rest, nullptr, observer_);
  EXPECT_EQ(rest.attention_stats().denoising_calls().size(), 4u);
  EXPECT_EQ(sidecar["attention"]["steps"].size(), 4u);  // those of all three parts
  EXPECT_EQ(sidecar["attention"]["kernels"]["fake_kernel"], 4);
  EXPECT_EQ(sidecar["timings_s"]["steps"].size(), 4u);
  EXPECT_EQ(sidecar["hash"], job.hash);
  bool said = false;
  for (const std::string& notice : observer_.notices) {
    said |= notice.starts_with("going on after step 3 of 4, from ");
  }
  EXPECT_TRUE(said);
  EXPECT_EQ(LookAtLatents(Path("a.latents.safetensors"), job.hash).kind, LatentsOnDisk::Kind::kWhole);
}

TEST_F(RunTest, WholeLatentsOfTheJobAreDecodedOnly) {
  const Job job = Prepare({Path("a.mp4")});
  FakePipeline breaks(model_), decodes(model_);
  breaks.on_decode = [] { base::Fail(base::ErrorCode::kOutOfMemory, "no memory"); };
  EXPECT_THROW(RunJob(job, breaks, nullptr, observer_), base::Error);
  const nlohmann::json sidecar = RunJob(job, decodes, nullptr, observer_);
  EXPECT_TRUE(decodes.requests.empty());
  EXPECT_EQ(sidecar["attention"]["steps"].size(), 2u);
  EXPECT_EQ(sidecar["attention"]["steps"][1]["sigma"], 0.5);
}

TEST_F(RunTest, CheckpointsByTheClockAndNotAtAll) {
  std::vector<LatentsOnDisk> seen;
  const auto run = [&](double minutes) {
    const Job job = Prepare({Path("a.mp4")}, {{"steps", {4, "--steps"}},
                                              {"checkpoint_minutes", {minutes, ""}},
                                              {"keep_latents", {false, ""}},
                                              {"overwrite", {true, ""}}});
    seen.clear();
    FakePipeline pipeline(model_);
    pipeline.on_step = [&](int64_t) { seen.push_back(LookAtLatents(Path("a.latents.safetensors"), job.hash)); };
    pipeline.on_decode = [&] { seen.push_back(LookAtLatents(Path("a.latents.safetensors"), job.hash)); };
    RunJob(job, pipeline, nullptr, observer_);
  };
  using Kind = LatentsOnDisk::Kind;
  run(1e-9);  // after every step
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[0].kind, Kind::kNone);
  for (int64_t step = 1; step < 4; ++step) EXPECT_EQ(seen[static_cast<size_t>(step)].step, step);
  EXPECT_EQ(seen[4].kind, Kind::kWhole);
  EXPECT_EQ(Names(), (std::vector<std::string>{"a.json", "a.mp4"}));  // not kept
  run(0);
  for (const LatentsOnDisk& there : seen) EXPECT_EQ(there.kind, Kind::kNone);
  run(60);  // not due before the end
  EXPECT_EQ(seen[3].kind, Kind::kNone);
  EXPECT_EQ(seen[4].kind, Kind::kWhole);
}

TEST_F(RunTest, BrokenCheckpointsAreSaidAndDropped) {
  const Job job = Prepare({Path("a.mp4")}, {{"steps", {4, "--steps"}}});
  FakePipeline pipeline(model_);
  pipeline::DenoiseState state = pipeline.StateAfter(2, RequestOf(job));
  state.latents.values.data[0] = NAN;
  WriteCheckpoint(job.files.checkpoint, state, job);
  RunJob(job, pipeline, nullptr, observer_);
  EXPECT_EQ(pipeline.requests[0].start, nullptr);
  EXPECT_NE(std::find_if(observer_.notices.begin(), observer_.notices.end(),
                         [](const auto& notice) { return notice.starts_with("starting from noise: "); }),
            observer_.notices.end());
}

TEST_F(RunTest, ACheckpointReadsAsItWasWritten) {
  const Job job = Prepare({Path("a.mp4")}, {{"steps", {9, "--steps"}}});
  FakePipeline pipeline(model_);
  pipeline::DenoiseState state = pipeline.StateAfter(3, RequestOf(job));
  attention::CallRecord call;
  call.step = 1;
  call.kernel = "a";
  call.mode = "sparge";
  call.reason = "why";
  call.seconds = 0.125;
  call.visible_blocks = {4, 4};
  call.kept_blocks = {1, 2};
  call.pv_tiles = {8, 8};
  call.pv_skipped = {0, 3};
  state.attention.Add(call);
  call.kind = attention::Kind::kCross;
  call.fallback = true;
  call.kernel = "b";
  call.mode = "dense";
  for (int i = 0; i < 3; ++i) state.attention.Add(call);
  call.kind = attention::Kind::kText;
  call.fallback = false;
  state.attention.Add(call);
  attention::StatsRecorder dropped;
  dropped.Add(call);
  state.attention.AddRedo(1, "not finite", dropped);
  state.seconds = {0.1, 0.2, 0.3, 0, {0.05, 0.06, 0.07}};
  state.notices = {"a notice"};
  state.redone_steps = {1};
  state.latents.dtype = "bfloat16";
  WriteCheckpoint(Path("c.safetensors"), state, job);
  const KeptLatents kept = ReadKeptLatents(Path("c.safetensors"));
  ASSERT_TRUE(kept.checkpoint);
  EXPECT_EQ(kept.hash, job.hash);
  EXPECT_EQ(kept.steps, 9);
  const pipeline::DenoiseState& back = *kept.checkpoint;
  EXPECT_EQ(back.step, 3);
  EXPECT_EQ(back.scheduler, "unipc");
  EXPECT_EQ(back.latents.dtype, "bfloat16");
  EXPECT_EQ(back.latents.values.data, state.latents.values.data);
  EXPECT_EQ(back.sampler.at("last_sample").values.shape, state.latents.values.shape);
  EXPECT_EQ(back.seconds.steps, state.seconds.steps);
  EXPECT_EQ(back.notices, state.notices);
  EXPECT_EQ(back.redone_steps, state.redone_steps);
  const attention::StatsRecorder &a = back.attention, &b = state.attention;
  EXPECT_EQ(a.calls_by_kernel(), b.calls_by_kernel());
  EXPECT_EQ(a.calls_by_mode(), b.calls_by_mode());
  EXPECT_EQ(a.sparsity(), b.sparsity());
  EXPECT_DOUBLE_EQ(a.seconds(), b.seconds());
  ASSERT_EQ(a.fallbacks().size(), 1u);
  EXPECT_EQ(a.fallbacks()[0].calls, 3);
  EXPECT_EQ(a.fallbacks()[0].kind, attention::Kind::kCross);
  ASSERT_EQ(a.redone().size(), 1u);
  EXPECT_EQ(a.redone()[0].calls, 1);
  ASSERT_EQ(a.denoising_calls().size(), 1u);
  EXPECT_EQ(a.denoising_calls()[0].reason, "why");
  EXPECT_EQ(a.denoising_calls()[0].kept_blocks, (std::vector<int64_t>{1, 2}));
}

TEST_F(RunTest, HostileCheckpoints) {
  const Job job = Prepare({Path("a.mp4")}, {{"steps", {9, "--steps"}}});
  FakePipeline pipeline(model_);
  WriteCheckpoint(Path("c.safetensors"), pipeline.StateAfter(3, RequestOf(job)), job);
  const auto file = pipeline::SafetensorsFile::Open(Path("c.safetensors"));
  const auto error = [&](const std::string& key, const nlohmann::json& value) {
    auto metadata = file->metadata();
    nlohmann::json denoising = nlohmann::json::parse(metadata.at("denoising"));
    if (key.empty()) {
      metadata["denoising"] = value.get<std::string>();
    } else {
      denoising[key] = value;
      metadata["denoising"] = denoising.dump();
    }
    const pipeline::HostTensor latents = file->ReadFloat("latents"), last = file->ReadFloat("scheduler.last_sample");
    pipeline::WriteSafetensors(Path("d.safetensors"), {{"latents", &latents}, {"scheduler.last_sample", &last}},
                               metadata);
    return ErrorText([&] { ReadKeptLatents(Path("d.safetensors")); });
  };
  EXPECT_EQ(error("step", 4), "");
  EXPECT_NE(error("step", 10).find("is at step 10 of 9"), std::string::npos);
  for (const nlohmann::json& bad : {nlohmann::json(0), nlohmann::json(-1), nlohmann::json("x"), nlohmann::json()}) {
    EXPECT_NE(error("step", bad), "");
  }
  for (const char* key :
       {"seconds", "attention", "sigmas", "notices", "redone_steps", "scheduler", "dtypes", "schema"}) {
    for (const nlohmann::json& bad : {nlohmann::json(7), nlohmann::json({1, "x"}), nlohmann::json({{"calls", -1}})}) {
      EXPECT_NE(error(key, bad).find("d.safetensors: "), std::string::npos) << key << bad;
    }
  }
  for (const char* bad : {"", "{", "[]", "null", "{\"schema\":1}"}) EXPECT_NE(error("", bad), "") << bad;
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
