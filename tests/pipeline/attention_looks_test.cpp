// Audits and dumps of a render's attention.
#include "pipeline/attention_looks.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "attention/attention.h"
#include "attention/base/error.h"
#include "pipeline/attention_maps.h"
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

TEST(AttentionAudit, OfStepsThatAreAskedForOnTheWay) {
  pipeline::AttentionAudit audit;
  audit.Also(1);
  const pipeline::Denoised seen = Render(Settings("sparge", 0.4), audit.tap());
  pipeline::AttentionAudit whole({{1}, {}});
  Render(Settings("sparge", 0.4), whole.tap());
  ASSERT_FALSE(audit.calls().empty());
  ASSERT_EQ(audit.calls().size(), whole.calls().size());
  for (size_t i = 0; i < whole.calls().size(); ++i) EXPECT_EQ(audit.calls()[i].total, whole.calls()[i].total);
  EXPECT_EQ(Render(Settings("sparge", 0.4), nullptr).latents.data, seen.latents.data);
}

// Writes after each step, as a worker does.
class WriteMaps : public attention::CallTap {
 public:
  explicit WriteMaps(pipeline::AttentionMaps* maps) : maps_(maps) {}
  void Wants(const attention::AttentionContext& ctx, attention::CallResults& results) override {
    if (ctx.step >= 0 && ctx.step != step_) Flush(ctx.step);
    maps_->tap()->Wants(ctx, results);
  }
  void Seen(const attention::SeenCall& call) override { maps_->tap()->Seen(call); }
  void Flush(int64_t next) {
    for (const auto& map : maps_->Write(step_)) written.push_back(map);
    step_ = next;
  }
  std::vector<pipeline::AttentionMaps::Written> written;

 private:
  pipeline::AttentionMaps* maps_;
  int64_t step_ = -1;
};

TEST(AttentionMaps, AreThoseOfTheDumpAndChangeNothing) {
  const test::Scratch scratch;
  for (const char* mode : {"sparge", "dense"}) {
    pipeline::AttentionMaps maps(scratch / "maps", 1 << 20);
    WriteMaps writer(&maps);
    const pipeline::Denoised seen = Render(Settings(mode, 0.4), &writer);
    writer.Flush(-1);
    EXPECT_EQ(maps.error(), "");
    EXPECT_EQ(Render(Settings(mode, 0.4), nullptr).latents.data, seen.latents.data);
    pipeline::AttentionDump dump(scratch / "dump", {"map"}, {});
    Render(Settings(mode, 0.4), dump.tap());
    ASSERT_EQ(static_cast<int64_t>(writer.written.size()), dump.files());
    for (const auto& map : writer.written) {
      std::string name = map.path.substr(map.path.rfind('/'));
      const auto ours = pipeline::SafetensorsFile::Open(map.path);
      const auto theirs = pipeline::SafetensorsFile::Open(scratch / "dump" + name);
      EXPECT_EQ(ours->metadata(), theirs->metadata());
      ASSERT_EQ(ours->tensors().count("block_map"), theirs->tensors().count("block_map"));
      if (ours->tensors().count("block_map") == 0) continue;
      EXPECT_EQ(ours->tensors().at("block_map").shape, theirs->tensors().at("block_map").shape);
      EXPECT_EQ(test::ReadFile(map.path), test::ReadFile(scratch / "dump" + name));
    }
  }
}

TEST(AttentionMaps, KeepTheNewestWithinTheirCap) {
  const test::Scratch scratch;
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(scratch / "maps"))
      found.insert(entry.path().filename());
    return found;
  };
  size_t a_step = 0;
  {
    pipeline::AttentionMaps maps(scratch / "maps", 1 << 20);
    WriteMaps writer(&maps);
    Render(Settings("sparge", 0.4), &writer);
    writer.Flush(-1);
    a_step = writer.written.size() / 3;
    EXPECT_EQ(names().size(), 3 * a_step);
  }
  std::filesystem::remove_all(scratch / "maps");
  pipeline::AttentionMaps maps(scratch / "maps", static_cast<int64_t>(a_step) * 2 * 530);  // two steps
  WriteMaps writer(&maps);
  Render(Settings("sparge", 0.4), &writer);
  writer.Flush(-1);
  EXPECT_EQ(writer.written.size(), 3 * a_step);
  EXPECT_EQ(names().size(), 2 * a_step);
  EXPECT_EQ(names().count("s0_l0_cond.safetensors"), 0u);
  EXPECT_EQ(names().count("s2_l0_cond.safetensors"), 1u);
  std::filesystem::remove_all(scratch / "maps");
  pipeline::AttentionMaps small(scratch / "maps", 600);
  WriteMaps one(&small);
  Render(Settings("sparge", 0.4), &one);
  one.Flush(-1);
  EXPECT_EQ(one.written.size(), 3u) << "of each step what fits";
  EXPECT_EQ(names().size(), 1u);
}

TEST(AttentionMaps, ADiskErrorEndsThemOnly) {
  const test::Scratch scratch;
  test::WriteFile(scratch / "file", "x");
  pipeline::AttentionMaps maps(scratch / "file/maps", 1 << 20);
  WriteMaps writer(&maps);
  Render(Settings("sparge", 0.4), &writer);
  writer.Flush(-1);
  EXPECT_TRUE(writer.written.empty());
  EXPECT_NE(maps.error().find("file/maps"), std::string::npos) << maps.error();
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
