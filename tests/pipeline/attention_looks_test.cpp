// Audits and dumps of a render's attention.
#include "pipeline/attention_looks.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <set>

#include "attention/attention.h"
#include "attention/base/error.h"
#include "pipeline/pipeline.h"
#include "pipeline/weights/safetensors.h"
#include "tests/support/golden.h"
#include "tests/support/scratch.h"

namespace {

// 3 x 8 x 8 = 192 tokens in 3 steps: 2 x 3 blocks.
pipeline::Denoised Render(const pipeline::AttentionSettings& attention, attention::CallTap* tap,
                          attention::StatsRecorder* stats = nullptr) {
  pipeline::RuntimeOptions options;
  options.device = "cpu";
  options.dtype = "float32";
  options.threads = 1;
  const auto pipe = pipeline::Pipeline::Open(test::OpenGoldenPipeline("euler_tiny").folder, options);
  pipeline::Request request = test::RequestOf(test::OpenGoldenPipeline("euler_tiny").json["requests"][0]);
  request.width_px = request.height_px = 128;
  request.num_frames = 9;
  request.num_steps = 3;
  request.attention = attention;
  request.attention_tap = tap;
  pipeline::NoProgress progress;
  pipeline::Denoised denoised = pipe->Denoise(request, progress);
  if (stats != nullptr) *stats = pipe->attention_stats();
  return denoised;
}

pipeline::AttentionSettings Settings(const char* mode, double topk) {
  pipeline::AttentionSettings settings;
  settings.choice.mode = mode;
  settings.choice.topk = topk;
  settings.choice.theta = 0;
  settings.choice.lambda = 0;
  return settings;
}

TEST(AttentionAudit, SplitsTheErrorIntoSkippingAndEightBits) {
  pipeline::AttentionAudit audit({{0, 2}, {}});
  attention::StatsRecorder stats;
  const pipeline::Denoised seen = Render(Settings("sparge", 0.4), audit.tap(), &stats);
  std::set<int64_t> steps;
  double skipping = 0;
  ASSERT_FALSE(audit.calls().empty());
  for (const pipeline::AuditedCall& call : audit.calls()) {
    steps.insert(call.step);
    EXPECT_EQ(call.mode, "sparge");
    for (size_t h = 0; h < call.total.size(); ++h) {
      // A triangle of outputs: no side is longer than the other two.
      EXPECT_LE(call.total[h], call.skipping[h] + call.eight_bit[h] + 1e-9);
      EXPECT_LE(call.skipping[h], call.total[h] + call.eight_bit[h] + 1e-9);
      EXPECT_GT(call.eight_bit[h], 0);
      EXPECT_LT(call.eight_bit[h], 0.05);
      EXPECT_LT(call.dense8[h], 0.05);
      skipping += call.skipping[h];
    }
  }
  EXPECT_EQ(steps, (std::set<int64_t>{0, 2}));
  EXPECT_GT(skipping, 0);
  EXPECT_GT(stats.tap_seconds(), 0);
  // Looking changes nothing.
  EXPECT_EQ(Render(Settings("sparge", 0.4), nullptr).latents.data, seen.latents.data);
}

TEST(AttentionAudit, NothingSkippedIsNoSkippingError) {
  pipeline::AttentionAudit keep_all({{1}, {}}), dense8({{1}, {}});
  Render(Settings("sparge", 1), keep_all.tap());
  Render(Settings("dense8", 1), dense8.tap());
  ASSERT_EQ(keep_all.calls().size(), dense8.calls().size());
  for (size_t i = 0; i < dense8.calls().size(); ++i) {
    for (size_t h = 0; h < dense8.calls()[i].total.size(); ++h) {
      EXPECT_LT(keep_all.calls()[i].skipping[h], 1e-5);
      EXPECT_EQ(dense8.calls()[i].skipping[h], 0);
      EXPECT_EQ(dense8.calls()[i].total[h], dense8.calls()[i].eight_bit[h]);
      EXPECT_EQ(dense8.calls()[i].total[h], dense8.calls()[i].dense8[h]);
    }
  }
}

TEST(AttentionDump, FilesHoldTheCall) {
  const test::Scratch scratch;
  const std::string folder = scratch / "dump/deep";
  pipeline::AttentionDump dump(folder, {"q", "k", "v", "o", "lse", "map"}, {{1}, {0}});
  pipeline::AttentionTaps taps;
  EXPECT_EQ(taps.tap(), nullptr);
  taps.Add(dump.tap());
  Render(Settings("sparge", 0.4), taps.tap());
  EXPECT_GT(dump.files(), 0);
  const auto file = pipeline::SafetensorsFile::Open(folder + "/s1_l0_cond.safetensors");
  const auto read = [&](const char* name) {
    const pipeline::HostTensor host = file->ReadFloat(name);
    return at::tensor(host.data).reshape(host.shape);
  };
  // The dumped inputs give the dumped output again.
  attention::AttentionOptions options;
  options.mode = "sparge";
  options.topk = 0.4;
  options.theta = options.lambda = 0;
  attention::CallResults results;
  results.want_lse = results.want_block_map = true;
  attention::AttentionContext ctx;
  ctx.options = &options;
  ctx.results = &results;
  const at::Tensor o = attention::Attend(read("q"), read("k"), read("v"), ctx);
  EXPECT_TRUE(at::equal(o, read("o")));
  EXPECT_TRUE(at::equal(results.lse, read("lse")));
  EXPECT_EQ(file->tensors().at("block_map").shape, results.block_map.sizes().vec());
  EXPECT_EQ(file->metadata().at("mode"), "sparge");
}

TEST(AttentionDump, AFolderThatCannotBeMadeIsAnError) {
  const test::Scratch scratch;
  test::WriteFile(scratch / "file", "x");
  pipeline::AttentionDump dump(scratch / "file/dump", {"q"}, {});
  try {
    Render(Settings("sparge", 0.4), dump.tap());
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kIo);
  }
}

}  // namespace
