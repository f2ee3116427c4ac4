// Who runs what: kinds of calls, kernels by name, what cannot run, and what is recorded of it.
#include "pipeline/attention_policy.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "attention/base/error.h"

namespace {

using attention::AttentionContext;
using attention::CallPlan;
using attention::Kind;
using pipeline::AttentionPlan;
using pipeline::AttentionPolicy;
using pipeline::AttentionSettings;

at::Tensor Tokens(int64_t length, int64_t head_dim = 16, at::ScalarType dtype = at::kFloat) {
  return at::ones({1, 2, length, head_dim}, at::TensorOptions().dtype(dtype));
}

AttentionContext Place(Kind kind, int layer = 0, int step = 0) {
  AttentionContext ctx;
  ctx.kind = kind;
  ctx.layer = layer;
  ctx.step = step;
  return ctx;
}

class AttentionPolicyTest : public testing::Test {
 protected:
  CallPlan Plan(Kind kind, const at::Tensor& q, const at::Tensor& k, int layer = 0) {
    const AttentionPlan plan(settings_, {4, 3, 2, 0});
    return AttentionPolicy(&plan).Plan(Place(kind, layer), q, k);
  }
  CallPlan Self(int layer = 0) { return Plan(Kind::kSelf, Tokens(300), Tokens(300), layer); }
  CallPlan Cross(int layer = 0) { return Plan(Kind::kCross, Tokens(4096), Tokens(512), layer); }
  AttentionSettings settings_;
};

TEST_F(AttentionPolicyTest, SelfAndJointFollowTheMode) {
  for (const char* mode : {"dense", "dense8", "sparge", "sparge_exact"}) {
    settings_.choice.mode = mode;
    EXPECT_EQ(Self().options.mode, mode);
    EXPECT_EQ(Plan(Kind::kJoint, Tokens(300), Tokens(300)).options.mode, mode);
  }
}

TEST_F(AttentionPolicyTest, TextAndVAERunDense) {
  settings_.choice.kernel = "reference";
  for (Kind kind : {Kind::kText, Kind::kVAE}) {
    const CallPlan plan = Plan(kind, Tokens(77), Tokens(77));
    EXPECT_EQ(plan.options.mode, "dense");
    EXPECT_EQ(plan.options.kernel, "auto");
    EXPECT_FALSE(plan.fallback);
  }
}

TEST_F(AttentionPolicyTest, CrossIsDenseOrDense8) {
  const std::string faster = attention::DetectCPUFeatures().avx2 ? "dense8" : "dense";
  for (const auto& [mode, expected] : std::map<std::string, std::string>{
           {"dense", "dense"}, {"sparge_exact", "dense"}, {"dense8", faster}, {"sparge", faster}}) {
    settings_.choice.mode = mode;
    EXPECT_EQ(Cross().options.mode, expected) << mode;
    EXPECT_FALSE(Cross().fallback);
  }
  settings_.dense_layers = {1};
  EXPECT_EQ(Cross(1).options.mode, "dense");
}

// The sizes of the table in attention_policy.h.
TEST_F(AttentionPolicyTest, CrossFollowsTheMeasuredRule) {
  const attention::CPUFeatures none, avx2{.avx2 = true};
  for (const auto& [queries, keys, faster] : std::vector<std::tuple<int64_t, int64_t, bool>>{
           {8, 512, false}, {32, 77, false}, {256, 16, false}, {256, 77, true}, {256, 512, true}, {16384, 512, true}}) {
    EXPECT_EQ(pipeline::CrossRunsDense8(queries, keys, avx2), faster) << queries << " x " << keys;
    EXPECT_FALSE(pipeline::CrossRunsDense8(queries, keys, none)) << queries << " x " << keys;
  }
  EXPECT_EQ(Plan(Kind::kCross, Tokens(8), Tokens(512)).options.mode, "dense");
  EXPECT_EQ(Plan(Kind::kCross, Tokens(8), Tokens(512)).why, "the faster for cross-attention of 8 x 512");
}

TEST_F(AttentionPolicyTest, AKernelByNameRunsWhereItCan) {
  settings_.choice.kernel = "reference";
  settings_.dense_layers = {1};
  EXPECT_EQ(Self().options.kernel, "reference");
  EXPECT_EQ(Cross().options.mode, "dense8");  // what the kernel does
  EXPECT_EQ(Cross().options.kernel, "reference");
  EXPECT_EQ(Self(1).options.mode, "dense");  // which it cannot do
  EXPECT_EQ(Self(1).options.kernel, "auto");
  settings_ = pipeline::DenseAttention();
  settings_.choice.kernel = "math";
  EXPECT_EQ(Self().options.kernel, "math");
  EXPECT_EQ(Cross().options.kernel, "math");
}

TEST_F(AttentionPolicyTest, WhatCannotRunFallsBackToDenseAndSaysWhy) {
  CallPlan plan = Plan(Kind::kSelf, Tokens(8, 300), Tokens(8, 300));
  EXPECT_EQ(plan.options.mode, "dense");
  EXPECT_TRUE(plan.fallback);
  EXPECT_EQ(plan.why, "sparge is not possible: 8-bit kernels take heads of up to 256 channels, not 300");
  plan = Plan(Kind::kSelf, Tokens(8, 16, at::kDouble), Tokens(8, 16, at::kDouble));
  EXPECT_TRUE(plan.fallback);
  EXPECT_NE(plan.why.find("Double"), std::string::npos);
  EXPECT_EQ(Plan(Kind::kCross, Tokens(8, 300), Tokens(8, 300)).options.mode, "dense");
  settings_.choice.kernel = "reference";  // by name: it throws its reason when it runs
  EXPECT_EQ(Plan(Kind::kSelf, Tokens(8, 300), Tokens(8, 300)).options.mode, "sparge");
}

TEST_F(AttentionPolicyTest, RunDenseIsAFallBackForEveryCall) {
  const AttentionPlan plan(settings_, {4, 3, 2, 0});
  AttentionPolicy policy(&plan);
  policy.RunDense("because");
  for (Kind kind : {Kind::kSelf, Kind::kCross, Kind::kJoint}) {
    const CallPlan call = policy.Plan(Place(kind), Tokens(300), Tokens(300));
    EXPECT_EQ(call.options.mode, "dense");
    EXPECT_EQ(call.why, "because");
    EXPECT_TRUE(call.fallback);
  }
  policy.RunDense("");
  EXPECT_EQ(policy.Plan(Place(Kind::kSelf), Tokens(300), Tokens(300)).options.mode, "sparge");
}

TEST_F(AttentionPolicyTest, JointTextIsKept) {
  const AttentionPlan plan(settings_, {4, 3, 2, 0});
  AttentionContext ctx = Place(Kind::kJoint);
  ctx.layout.text = {256, 300};
  const CallPlan call = AttentionPolicy(&plan).Plan(ctx, Tokens(300), Tokens(300));
  EXPECT_EQ(call.options.keep_keys.begin, 256);
  EXPECT_EQ(call.options.keep_keys.end, 300);
  EXPECT_EQ(call.options.keep_queries.begin, 256);
  EXPECT_EQ(call.options.keep_queries.end, 300);
}

// The door takes a policy's decision and records where it came from.
TEST_F(AttentionPolicyTest, TheDoorRecordsWhy) {
  settings_.dense_layers = {1};
  pipeline::LayerProfile heads;
  heads.topk = {0.01f, 1.0f};
  heads.theta = {0.0f, 0.0f};
  settings_.profile[0] = heads;
  const AttentionPlan plan(settings_, {4, 3, 2, 0});
  const AttentionPolicy policy(&plan);
  attention::StatsRecorder stats;
  AttentionContext ctx = Place(Kind::kSelf);
  ctx.policy = &policy;
  ctx.stats = &stats;
  const at::Tensor q = at::randn({1, 2, 300, 16}), k = at::randn({1, 2, 300, 16}), v = at::randn({1, 2, 300, 16});
  attention::Attend(q, k, v, ctx);
  ctx.layer = 1;
  attention::Attend(q, k, v, ctx);
  ASSERT_EQ(stats.denoising_calls().size(), 2u);
  const attention::CallRecord &sparse = stats.denoising_calls()[0], &dense = stats.denoising_calls()[1];
  EXPECT_EQ(sparse.mode, "sparge");
  EXPECT_EQ(sparse.kept_blocks, (std::vector<int64_t>{3, 15}));  // one of five key blocks a row, and all
  EXPECT_EQ(dense.mode, "dense");
  EXPECT_EQ(dense.reason.find("layer 1 is one of dense_layers; "), 0u) << dense.reason;
  EXPECT_TRUE(stats.fallbacks().empty());
  EXPECT_EQ(stats.calls_by_mode().at("sparge"), 1);
}

TEST_F(AttentionPolicyTest, FallingBackIsNoticedOnce) {
  const AttentionPlan plan(settings_, {4, 3, 2, 0});
  AttentionPolicy policy(&plan);
  attention::StatsRecorder stats;
  AttentionContext ctx = Place(Kind::kSelf);
  ctx.policy = &policy;
  ctx.stats = &stats;
  attention::Attend(Tokens(8), Tokens(8), Tokens(8), ctx);
  EXPECT_EQ(pipeline::FallBackNotice(stats), "");
  for (int i = 0; i < 2; ++i) attention::Attend(Tokens(8, 300), Tokens(8, 300), Tokens(8, 300), ctx);
  EXPECT_EQ(pipeline::FallBackNotice(stats).find("2 of 3 attention calls ran dense: sparge is not possible: 8-bit"), 0u)
      << pipeline::FallBackNotice(stats);
  stats.Clear();
  policy.RunDense("step 0 ran again");
  attention::Attend(Tokens(8), Tokens(8), Tokens(8), ctx);
  stats.AddRedo(0, "step 0 ran again", {});
  EXPECT_EQ(pipeline::FallBackNotice(stats), "");
}

}  // namespace
