// Attention settings in whole renders: modes, order of tokens, schedule, block maps, a step that goes wrong.
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "attention/attention.h"
#include "attention/base/error.h"
#include "pipeline/pipeline.h"
#include "pipeline/weights/safetensors.h"
#include "tests/support/golden.h"
#include "tests/support/scratch.h"

namespace {

using attention::CallRecord;
using pipeline::HostTensor;

std::unique_ptr<pipeline::Pipeline> Open(const std::string& name, const std::string& dtype = "float32") {
  pipeline::RuntimeOptions options;
  options.device = "cpu";
  options.dtype = dtype;
  options.threads = 1;  // models this small wait for threads longer than they compute
  return pipeline::Pipeline::Open(test::OpenGoldenPipeline(name).folder, options);
}

// The golden's first request, as it is.
pipeline::Request GoldenRequest(const std::string& name) {
  return test::RequestOf(test::OpenGoldenPipeline(name).json["requests"][0]);
}

// The same at 3 x 8 x 8 = 192 tokens in 4 steps: 2 x 3 blocks.
pipeline::Request SmallRequest() {
  pipeline::Request request = GoldenRequest("euler_tiny");
  request.width_px = request.height_px = 128;
  request.num_frames = 9;
  request.num_steps = 4;
  return request;
}

pipeline::AttentionSettings Sparge(double topk, double theta, double lambda) {
  pipeline::AttentionSettings settings;
  settings.choice.mode = "sparge";
  settings.choice.topk = topk;
  settings.choice.theta = theta;
  settings.choice.lambda = lambda;
  return settings;
}

HostTensor Latents(pipeline::Pipeline& pipe, const pipeline::Request& request) {
  pipeline::NoProgress progress;
  return pipe.Denoise(request, progress).latents;
}

class AttentionGolden : public testing::TestWithParam<std::string> {};

// With nothing skipped, what is left of sparge is its 8-bit arithmetic.
TEST_P(AttentionGolden, KeepAllSpargeEqualsDense8BitForBit) {
  const auto pipe = Open(GetParam());
  pipeline::Request request = GoldenRequest(GetParam());
  request.width_px = request.width_px * 4;
  request.num_steps = 2;
  request.attention = Sparge(1, 0, 0);
  const HostTensor keep_all = Latents(*pipe, request);
  request.attention.choice.mode = "dense8";
  EXPECT_EQ(Latents(*pipe, request).data, keep_all.data);
  request.attention = pipeline::DenseAttention();
  EXPECT_NE(Latents(*pipe, request).data, keep_all.data);
}

TEST_P(AttentionGolden, DenseLatentsDoNotDependOnTheOrder) {
  const auto pipe = Open(GetParam());
  pipeline::Request request = GoldenRequest(GetParam());
  request.width_px = request.width_px * 4;
  request.attention.order = "raster";
  const HostTensor raster = Latents(*pipe, request);
  request.attention.order = "hilbert";
  const double difference = test::MaxDifference(Latents(*pipe, request), raster) / test::StandardDeviation(raster);
  EXPECT_LE(difference, 1e-4);
  RecordProperty("difference", std::to_string(difference));
}

INSTANTIATE_TEST_SUITE_P(Pipelines, AttentionGolden, testing::ValuesIn(test::GoldenPipelineNames()),
                         [](const auto& info) { return info.param; });

// What is skipped does depend on the order: the blocks hold other tokens.
TEST(WanAttention, SparseLatentsDependOnTheOrder) {
  const auto pipe = Open("euler_tiny");
  pipeline::Request request = SmallRequest();
  request.attention = Sparge(0.4, 0, 0);
  const HostTensor hilbert = Latents(*pipe, request);
  request.attention.order = "raster";
  EXPECT_NE(Latents(*pipe, request).data, hilbert.data);
}

TEST(WanAttention, SwitchingSettingsLoadsNothingAgain) {
  const auto pipe = Open("euler_tiny");
  pipeline::Request dense = SmallRequest(), sparse = SmallRequest();
  sparse.attention = Sparge(0.4, 0, 0);
  const HostTensor first = Latents(*pipe, dense);
  const double load = pipe->seconds().load;
  const HostTensor skipped = Latents(*pipe, sparse);
  EXPECT_GT(pipe->attention_stats().sparsity(), 0.1);
  EXPECT_EQ(Latents(*pipe, dense).data, first.data);
  EXPECT_EQ(pipe->attention_stats().sparsity(), 0.0);  // of the last render
  EXPECT_EQ(pipe->seconds().load, load);
  EXPECT_EQ(Latents(*Open("euler_tiny"), sparse).data, skipped.data);
}

TEST(WanAttention, RunsAndRecordsWhatTheSettingsSay) {
  const auto pipe = Open("euler_tiny");
  pipeline::Request request = SmallRequest();
  request.attention = Sparge(0.4, 0, -5);
  request.attention.dense_steps = {0};
  request.attention.schedule = {{{{3}}, {{1}}, {}}};
  request.attention.schedule[0].choice.mode = "sparge_exact";
  pipeline::NoProgress progress;
  const pipeline::Denoised result = pipe->Denoise(request, progress);
  EXPECT_EQ(result.sigmas.size(), 4u);
  const std::vector<CallRecord>& calls = pipe->attention_stats().denoising_calls();
  ASSERT_EQ(calls.size(), 4u * 2 * 2);  // steps, layers, passes
  size_t next = 0;
  for (int step = 0; step < 4; ++step) {
    for (const attention::Pass pass : {attention::Pass::kCond, attention::Pass::kUncond}) {
      for (int layer = 0; layer < 2; ++layer) {
        const CallRecord& call = calls[next++];
        const std::string mode = step == 0 ? "dense" : step == 3 && layer == 1 ? "sparge_exact" : "sparge";
        EXPECT_EQ(call.mode, mode);
        EXPECT_EQ(call.step, step);
        EXPECT_EQ(call.layer, layer);
        EXPECT_EQ(call.pass, pass);
        EXPECT_EQ(call.kind, attention::Kind::kSelf);
        EXPECT_FALSE(call.reason.empty());
        EXPECT_FALSE(call.fallback);
        EXPECT_EQ(call.visible_blocks, (std::vector<int64_t>{6, 6}));
        EXPECT_EQ(call.kept_blocks, (std::vector<int64_t>(2, mode == "dense" ? 6 : 4)));  // 2 of 3 key blocks a row
        EXPECT_EQ(call.pv_tiles, (std::vector<int64_t>(2, mode == "dense" ? 9 : 6)));
      }
    }
  }
  int64_t modes = 0;
  for (const auto& [mode, count] : pipe->attention_stats().calls_by_mode()) modes += count;
  EXPECT_GE(modes, 32);  // cross-attention and the text encoder are recorded too
}

// Puts NaN into the outputs of calls that it is asked about.
class Poison : public attention::CallTap {
 public:
  explicit Poison(std::function<bool(const attention::AttentionContext&)> hit) : hit_(std::move(hit)) {}
  void Seen(const attention::SeenCall& call) override {
    if (!hit_(call.ctx)) return;
    call.o.fill_(NAN);
    ++hits;
  }
  int hits = 0;

 private:
  std::function<bool(const attention::AttentionContext&)> hit_;
};

class NonFiniteStep : public testing::TestWithParam<std::string> {};

// The sampler goes back with the step: the result is that of a schedule that has the step dense from the start.
TEST_P(NonFiniteStep, IsRedoneDenseAndRecorded) {
  const auto pipe = Open(GetParam());
  pipeline::Request request = GoldenRequest(GetParam());
  request.width_px = request.width_px * 4;
  request.num_steps = 4;
  request.attention = Sparge(0.5, 0, -7);
  Poison poison([](const auto& ctx) {
    return ctx.step == 2 && ctx.layer == 1 && ctx.kind == attention::Kind::kSelf && ctx.options->mode == "sparge";
  });
  request.attention_tap = &poison;
  pipeline::NoProgress progress;
  const pipeline::Denoised redone = pipe->Denoise(request, progress);
  EXPECT_GT(poison.hits, 0);
  EXPECT_EQ(redone.redone_steps, std::vector<int64_t>{2});
  ASSERT_FALSE(redone.notices.empty());
  EXPECT_EQ(redone.notices.back(), "step 2 ran again, dense: its latents were not finite");
  const attention::StatsRecorder& stats = pipe->attention_stats();
  ASSERT_EQ(stats.redone().size(), 1u);
  EXPECT_EQ(stats.redone()[0].step, 2);
  EXPECT_GT(stats.redone()[0].calls, 0);
  std::set<std::pair<int, int>> places;
  for (const CallRecord& call : stats.denoising_calls()) {
    EXPECT_EQ(call.mode, call.step == 2 ? "dense" : "sparge");
    EXPECT_EQ(call.fallback, call.step == 2);
    const bool first_pass = call.pass == attention::Pass::kCond;
    EXPECT_TRUE(!first_pass || places.insert({call.step, call.layer}).second);  // once each
  }
  ASSERT_FALSE(stats.fallbacks().empty());
  for (const attention::Fallback& fallback : stats.fallbacks()) {
    EXPECT_EQ(fallback.step, 2);
    EXPECT_EQ(fallback.reason.find("step 2 ran again, dense"), 0u);
  }

  request.attention_tap = nullptr;
  request.attention.dense_steps = {2};
  const pipeline::Denoised planned = pipe->Denoise(request, progress);
  EXPECT_TRUE(planned.redone_steps.empty());
  EXPECT_EQ(planned.latents.data, redone.latents.data);
}

// Of a sampler without a memory and of one with.
INSTANTIATE_TEST_SUITE_P(Pipelines, NonFiniteStep, testing::Values("euler_tiny", "unipc_deep"),
                         [](const auto& info) { return info.param; });

TEST(WanAttention, WhatDenseCannotMendFails) {
  const auto pipe = Open("euler_tiny");
  pipeline::Request request = SmallRequest();
  Poison poison([](const auto& ctx) { return ctx.step == 1 && ctx.kind == attention::Kind::kSelf; });
  request.attention_tap = &poison;
  for (const char* mode : {"sparge", "dense"}) {
    request.attention.choice.mode = mode;
    const int before = poison.hits;
    try {
      Latents(*pipe, request);
      ADD_FAILURE() << mode;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kNonFinite);
      EXPECT_NE(std::string(error.what()).find("step 2 of 4"), std::string::npos) << error.what();
    }
    const int once = 2 * 2;  // layers, passes
    EXPECT_EQ(poison.hits - before, mode == std::string("sparge") ? 2 * once : once);
    EXPECT_EQ(pipe->attention_stats().redone().size(), mode == std::string("sparge") ? 1u : 0u);
  }
}

// Keeps the block maps of a render, as --dump does.
class KeepMaps : public attention::CallTap {
 public:
  void Seen(const attention::SeenCall& call) override {
    if (call.ctx.kind != attention::Kind::kSelf || call.ctx.pass != attention::Pass::kCond) return;
    attention::AttentionContext again = call.ctx;
    attention::CallResults results;
    results.want_block_map = true;
    again.stats = nullptr;
    again.tap = nullptr;
    again.results = &results;
    attention::Attend(call.q, call.k, call.v, again);
    maps.emplace_back("s" + std::to_string(call.ctx.step) + "_l" + std::to_string(call.ctx.layer), results.block_map);
  }
  std::vector<std::pair<std::string, at::Tensor>> maps;
};

TEST(WanAttention, BlockMapsFromAFileReplaceStageOne) {
  const auto pipe = Open("euler_tiny");
  pipeline::Request request = SmallRequest();
  request.guidance = 1;  // one pass
  request.attention = Sparge(0.4, 0, 0);
  KeepMaps keep;
  request.attention_tap = &keep;
  const HostTensor chosen = Latents(*pipe, request);
  ASSERT_EQ(keep.maps.size(), 4u * 2);
  const int64_t kept = keep.maps[0].second.sum().item<int64_t>();
  EXPECT_EQ(kept, 2 * 2 * 2);  // heads, query blocks, kept key blocks

  const test::Scratch scratch;
  std::vector<pipeline::TensorData> tensors;
  for (const auto& [key, map] : keep.maps) {
    tensors.push_back({key, pipeline::DType::kU8, map.sizes().vec(), map.const_data_ptr()});
  }
  pipeline::WriteTensors(scratch / "maps.safetensors", tensors, {});
  request.attention_tap = nullptr;
  request.attention = Sparge(1, 0, 0);  // which would keep all
  request.attention.block_maps = scratch / "maps.safetensors";
  EXPECT_EQ(Latents(*pipe, request).data, chosen.data);
  request.attention.choice.mode = "dense8";  // which has no use for maps
  const HostTensor dense8 = Latents(*pipe, request);
  request.attention.block_maps.clear();
  EXPECT_EQ(Latents(*pipe, request).data, dense8.data);

  request.attention.block_maps = scratch / "maps.safetensors";
  request.width_px = 64;
  try {
    Latents(*pipe, request);
    FAIL() << "maps of another size";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidInput);
    EXPECT_NE(std::string(error.what()).find("96 tokens make 1 x 2"), std::string::npos) << error.what();
  }
}

TEST(WanAttention, TheTimeOfATapIsLeftOut) {
  const auto pipe = Open("euler_tiny");
  pipeline::Request request = SmallRequest();
  class Slow : public attention::CallTap {
   public:
    void Seen(const attention::SeenCall&) override {
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
      while (std::chrono::steady_clock::now() < until) {
      }
    }
  } slow;
  request.attention_tap = &slow;
  const auto start = std::chrono::steady_clock::now();
  Latents(*pipe, request);
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double watched = pipe->attention_stats().tap_seconds();
  EXPECT_GE(watched, 32 * 0.03);  // steps, layers, passes; self and cross
  EXPECT_LE(pipe->seconds().denoise, wall - watched + 1e-3);
  EXPECT_LE(pipe->attention_stats().seconds(), wall - watched);
  double steps = 0;
  for (double step : pipe->seconds().steps) steps += step;
  EXPECT_LE(steps, wall - watched + 1e-3);
}

}  // namespace
