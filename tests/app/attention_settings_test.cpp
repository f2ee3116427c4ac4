// From settings to the pipeline's attention: what is explicit, profiles, untuned models, errors, hashes.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "app/job/job.h"
#include "app/job/run.h"
#include "app/settings/text.h"
#include "pipeline/attention_plan.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/fake_pipeline.h"

namespace app {
namespace {

constexpr const char* kModelOfProfile = "model: {class: FakeTransformer, layers: 3, heads: 2, head_dim: 16}\n";

class AttentionSettingsTest : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    model_ = MakeFakeModel(beside_ + "/fake");
  }
  // A job of these settings of `attention.`, written as flags are.
  Job Prepare(const std::map<std::string, std::string>& attention, int64_t steps = 4) {
    Layer flags = {
        {"prompt", {"a ball", "--prompt"}}, {"out", {Value({Path("a.mp4")}), "--out"}}, {"steps", {steps, "--steps"}}};
    for (const auto& [name, text] : attention) {
      const Setting* setting = FindSetting("attention." + name);
      flags[std::string(setting->key)] = {text == "null" ? Value(nullptr) : ParseText(*setting, text), "--" + name};
    }
    return PrepareJob({{}, {flags}, ""}, model_, notes_);
  }
  std::string ErrorOf(const std::map<std::string, std::string>& attention) {
    return ErrorText([&] { Prepare(attention); });
  }
  std::string Profile(const std::string& layers, const std::string& model = kModelOfProfile) {
    const std::string path = Path("profile.yaml");
    std::ofstream(path) << "version: 1\n" << model << "tuned_on: nothing\nlayers:\n" << layers;
    return path;
  }
  void Tune() { notes_.settings = {{"attention.order", {"hilbert", "sparge.yaml"}}}; }

  pipeline::ModelInfo model_;
  ModelNotes notes_;
};

pipeline::PlannedAttention At(const Job& job, int64_t step, int64_t layer) {
  return pipeline::AttentionPlan(job.attention, {4, 3, 2, 0}).At(step, layer);
}

TEST_F(AttentionSettingsTest, EverySettingReachesThePipeline) {
  const Job job = Prepare({{"mode", "sparge_exact"},
                           {"topk", "0.4"},
                           {"cdf", "0.9"},
                           {"theta", "0.1"},
                           {"lambda", "-3"},
                           {"sink", "on"},
                           {"order", "raster"},
                           {"dense_steps", "0,-1"},
                           {"dense_layers", "1-2"},
                           {"dense_as", "dense8"},
                           {"kernel", "generic"},
                           {"schedule", "[{steps: -2--1, layers: 0, topk: 0.9}]"}});
  const pipeline::AttentionSettings& a = RequestOf(job).attention;
  EXPECT_EQ(a.choice.mode, "sparge_exact");
  EXPECT_EQ(a.choice.topk, 0.4);
  EXPECT_EQ(a.choice.cdf, 0.9);
  EXPECT_EQ(a.choice.theta, 0.1);
  EXPECT_EQ(a.choice.lambda, -3.0);
  EXPECT_EQ(a.choice.sink, true);
  EXPECT_EQ(a.choice.dense_as, "dense8");
  EXPECT_EQ(a.choice.kernel, "generic");
  EXPECT_EQ(a.order, "raster");
  EXPECT_EQ(a.dense_steps, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(a.dense_layers, (std::vector<int64_t>{1, 2}));
  ASSERT_EQ(a.schedule.size(), 1u);
  EXPECT_EQ(a.schedule[0].steps, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(a.schedule[0].layers, std::vector<int64_t>{0});
  EXPECT_EQ(a.schedule[0].choice.topk, 0.9);
  EXPECT_FALSE(a.schedule[0].choice.mode);
}

TEST_F(AttentionSettingsTest, DefaultsOfATunedModel) {
  Tune();
  const Job job = Prepare({});
  EXPECT_EQ(job.settings.Text("attention.mode"), "sparge");
  EXPECT_EQ(job.attention.choice.mode, "sparge");
  EXPECT_EQ(job.attention.order, "hilbert");
  EXPECT_FALSE(job.attention.choice.topk);
  EXPECT_EQ(job.attention.choice.theta, 0.3);
  EXPECT_EQ(job.attention.choice.lambda, -7.0);
  EXPECT_TRUE(job.attention.dense_layers.empty());
  EXPECT_TRUE(job.notices.empty());
}

// ---- Untuned models

TEST_F(AttentionSettingsTest, AnUntunedModelStartsSafely) {
  const Job job = Prepare({}, 10);
  EXPECT_EQ(job.attention.dense_layers, std::vector<int64_t>{0});
  EXPECT_EQ(job.attention.dense_steps, std::vector<int64_t>{0});
  EXPECT_EQ(job.settings.Text("attention.dense_layers"), "0");  // and says so in the record
  EXPECT_EQ(job.settings.Text("attention.dense_steps"), "0");
  EXPECT_EQ(job.notices, std::vector<std::string>{"the model is untuned: no profile, and no sparge.yaml that sets "
                                                  "attention; layer 0 and step 0 run dense"});
  const Job few = Prepare({{"dense_as", "dense8"}}, 9);
  EXPECT_TRUE(few.attention.dense_steps.empty());
  EXPECT_EQ(few.notices, std::vector<std::string>{"the model is untuned: no profile, and no sparge.yaml that sets "
                                                  "attention; layer 0 runs dense8"});
}

TEST_F(AttentionSettingsTest, WhatIsSaidOfDenseStepsAndLayersHolds) {
  const Job job = Prepare({{"dense_layers", "2"}, {"dense_steps", "null"}}, 10);
  EXPECT_EQ(job.attention.dense_layers, std::vector<int64_t>{2});
  EXPECT_TRUE(job.attention.dense_steps.empty());
  EXPECT_EQ(job.notices.size(), 1u);  // untuned it is
  EXPECT_EQ(job.notices[0].find("run"), std::string::npos);
}

TEST_F(AttentionSettingsTest, TunedModelsAndModeDenseAreLeftAlone) {
  EXPECT_TRUE(Prepare({{"mode", "dense"}}, 10).notices.empty());
  EXPECT_FALSE(Prepare({{"mode", "dense"}}, 10).settings.IsSet("attention.dense_layers"));
  Tune();
  EXPECT_TRUE(Prepare({}, 10).notices.empty());
  notes_.settings = {};
  EXPECT_TRUE(Prepare({{"profile", Profile("  0: {topk: 0.5}\n")}}, 10).notices.empty());
  notes_.settings = {{"steps", {10, "sparge.yaml"}}};  // which does not set attention
  EXPECT_EQ(Prepare({}, 10).notices.size(), 1u);
}

// ---- Profiles

TEST_F(AttentionSettingsTest, AProfileHoldsWhereNothingIsSaid) {
  const std::string path = Profile("  0: {mode: dense8}\n  1: {topk: [0.1, 0.2], theta: 0.5, lambda: [-1, null]}\n");
  const Job job = Prepare({{"profile", path}});
  EXPECT_EQ(At(job, 0, 0).options.mode, "dense8");
  EXPECT_EQ(At(job, 0, 2).options.mode, "sparge");
  const pipeline::PlannedAttention planned = At(job, 0, 1);
  EXPECT_EQ(planned.topk, (std::vector<float>{0.1f, 0.2f}));
  EXPECT_EQ(planned.theta, (std::vector<float>{0.5f, 0.5f}));
  EXPECT_EQ(planned.lambda[0], -1.0f);
  EXPECT_TRUE(std::isnan(planned.lambda[1]));
  EXPECT_FALSE(job.settings.IsSet("attention.mode"));  // "as the profile says"
  EXPECT_FALSE(job.settings.IsSet("attention.theta"));
}

TEST_F(AttentionSettingsTest, ExplicitSettingsWinOverAProfile) {
  const std::string path = Profile("  1: {mode: dense, topk: [0.1, 0.2], cdf: 0.9, theta: 0.5, lambda: -1}\n");
  const Job job = Prepare({{"profile", path}, {"mode", "sparge"}, {"topk", "0.7"}, {"theta", "0.3"}});
  const pipeline::PlannedAttention planned = At(job, 0, 1);
  EXPECT_EQ(planned.options.mode, "sparge");  // the program's default, but said
  EXPECT_EQ(planned.options.topk, 0.7);
  EXPECT_TRUE(planned.topk.empty());
  EXPECT_TRUE(planned.cdf.empty());
  EXPECT_EQ(planned.options.theta, 0.3);
  EXPECT_TRUE(planned.theta.empty());
  EXPECT_EQ(planned.lambda, (std::vector<float>{-1, -1}));
}

// What a record says gives the same attention again, explicit or not.
TEST_F(AttentionSettingsTest, ARecordGivesTheSameAttention) {
  const std::string path = Profile("  1: {mode: dense, topk: 0.1, theta: 0.5}\n");
  for (const std::map<std::string, std::string>& attention :
       {std::map<std::string, std::string>{{"profile", path}},
        {{"profile", path}, {"mode", "sparge"}},
        {{"profile", path}, {"theta", "0.3"}},
        {{"schedule", "[{steps: 0, layers: 1, theta: 0.9, mode: sparge_exact}]"}},
        {{"dense_layers", "null"}},
        {}}) {
    const Job job = Prepare(attention);
    const Layer record = LayerFromJSON(job.settings.ToJSON(), "record", nullptr);
    const Job again = PrepareJob({{}, {record}, ""}, model_, notes_);
    EXPECT_EQ(again.hash, job.hash);
    for (int64_t layer = 0; layer < 3; ++layer) {
      const pipeline::PlannedAttention a = At(job, 0, layer), b = At(again, 0, layer);
      EXPECT_EQ(a.options.mode, b.options.mode) << layer;
      EXPECT_EQ(a.options.theta, b.options.theta) << layer;
      EXPECT_EQ(a.theta, b.theta) << layer;
      EXPECT_EQ(a.topk, b.topk) << layer;
    }
  }
}

TEST_F(AttentionSettingsTest, AProfileThatDoesNotFitSaysWhere) {
  const auto error = [&](const std::string& layers, const std::string& model = kModelOfProfile) {
    const std::string path = Profile(layers, model);
    const std::string text = ErrorOf({{"profile", path}});
    EXPECT_EQ(text.find(path + ":"), 0u) << text;
    return text.empty() ? "" : text.substr(path.size());
  };
  const auto model = [&](const std::string& text) { return error("  0: {topk: 1}\n", "model: " + text + "\n"); };
  EXPECT_EQ(model("{class: Other, layers: 3, heads: 2, head_dim: 16}")
                .find(":2:16: model.class: the profile is for 'Other', the model is a FakeTransformer"),
            0u);
  EXPECT_EQ(model("{class: FakePipeline, layers: 4, heads: 2, head_dim: 16}")
                .find(":2:38: model.layers: the profile is for '4', the model has 3"),
            0u);
  EXPECT_NE(model("{class: FakePipeline, layers: 3, heads: 1, head_dim: 64}").find("model.head_dim"),
            std::string::npos);
  EXPECT_EQ(model("{class: FakePipeline, layers: 3, heads: 2}").find(":2:8: model has no head_dim"), 0u);
  EXPECT_EQ(error("  3: {topk: 1}\n").find(":5:3: layers: '3' is not one of the model's layers, 0 to 2"), 0u);
  EXPECT_EQ(error("  -1: {topk: 1}\n").find(":5:3: layers: '-1'"), 0u);
  EXPECT_EQ(error("  0: {topk: 1}\n  0: {topk: 1}\n").find(":6:3: layers: duplicate layer 0"), 0u);
  EXPECT_EQ(error("  0: {topk: [1, 1, 1]}\n").find(":5:13: topk: 3 values, but the model has 2 heads"), 0u);
  EXPECT_EQ(error("  0: {topk: 1.5}\n").find(":5:13: topk: expected number, above 0 and up to 1, got '1.5'"), 0u);
  EXPECT_EQ(error("  0: {theta: [0.5, x]}\n").find(":5:20: theta: expected number"), 0u);
  EXPECT_EQ(error("  0: {mode: spagre}\n").find(":5:13: mode: 'spagre' is not one of"), 0u);
  EXPECT_EQ(error("  0: {topkk: 1}\n").find(":5:7: unknown key 'topkk' (did you mean 'topk'?)"), 0u);
  EXPECT_EQ(error("  0: 3\n").find(":5:6: layer 0: expected {mode, topk, cdf, theta, lambda}"), 0u);
  EXPECT_EQ(error("  [1]\n").find(":5:3: layers: expected"), 0u);

  std::ofstream(Path("profile.yaml")) << "version: 2\n" << kModelOfProfile << "layers: {}\n";
  EXPECT_NE(
      ErrorOf({{"profile", Path("profile.yaml")}}).find(":1:10: version: this program reads profiles of version 1"),
      std::string::npos);
  std::ofstream(Path("profile.yaml")) << "layers: {}\n";
  EXPECT_NE(ErrorOf({{"profile", Path("profile.yaml")}}).find("the profile has no version"), std::string::npos);
  std::ofstream(Path("profile.yaml")) << "- 1\n";
  EXPECT_NE(ErrorOf({{"profile", Path("profile.yaml")}}).find("expected a profile"), std::string::npos);
  std::ofstream(Path("profile.yaml")) << "";
  EXPECT_NE(ErrorOf({{"profile", Path("profile.yaml")}}).find("expected a profile"), std::string::npos);
  EXPECT_NE(ErrorOf({{"profile", Path("none.yaml")}}).find("none.yaml: no such file"), std::string::npos);
}

// ---- Errors, hash

TEST_F(AttentionSettingsTest, OutOfRangeAndImpossible) {
  Tune();
  EXPECT_EQ(ErrorOf({{"dense_layers", "0-3"}}), "attention.dense_layers: 3 is out of range: -3 to 2");
  EXPECT_EQ(ErrorOf({{"dense_steps", "-5"}}), "attention.dense_steps: -5 is out of range: -4 to 3");
  EXPECT_EQ(ErrorOf({{"schedule", "[{topk: 1}, {steps: 4, topk: 1}]"}}),
            "attention.schedule: rule 2: steps: 4 is out of range: -4 to 3");
  EXPECT_NE(ErrorOf({{"kernel", "magic"}}).find("attention kernel 'magic' is not in this build"), std::string::npos);
  EXPECT_NE(ErrorOf({{"kernel", "sdpa"}}).find("cannot do mode sparge"), std::string::npos);
  EXPECT_EQ(ErrorOf({{"kernel", "sdpa"}, {"mode", "dense"}}), "");
  EXPECT_NE(ErrorOf({{"block_maps", Path("none.safetensors")}}).find("none.safetensors"), std::string::npos);
  const pipeline::HostTensor floats{{2, 1, 1}, {1, 1}};
  pipeline::WriteSafetensors(Path("m.safetensors"), {{"l0", &floats}}, {});
  EXPECT_NE(ErrorOf({{"block_maps", Path("m.safetensors")}}).find("block map 'l0' is F32"), std::string::npos);
  EXPECT_NE(ErrorOf({{"schedule", "[{steps: 0, kernel: sdpa}]"}}).find("attention.schedule, rule 1: attention kernel"),
            std::string::npos);
  const std::string all = ErrorOf({{"dense_layers", "9"},
                                   {"dense_steps", "9"},
                                   {"kernel", "magic"},
                                   {"block_maps", Path("none.safetensors")},
                                   {"profile", Path("none.yaml")}});
  for (const char* part : {"dense_layers", "dense_steps", "magic", "none.safetensors", "none.yaml"}) {
    EXPECT_NE(all.find(part), std::string::npos) << part << " in\n" << all;
  }
}

TEST_F(AttentionSettingsTest, TheHashCoversAttentionAndWhatIsInItsFiles) {
  Tune();
  const std::string plain = Prepare({}).hash;
  EXPECT_EQ(Prepare({{"mode", "sparge"}}).hash, plain);
  for (const auto& [name, text] : std::map<std::string, std::string>{{"mode", "dense8"},
                                                                     {"topk", "0.4"},
                                                                     {"sink", "on"},
                                                                     {"order", "raster"},
                                                                     {"schedule", "[{topk: 0.4}]"},
                                                                     {"dense_as", "dense8"}}) {
    EXPECT_NE(Prepare({{name, text}}).hash, plain) << name;
  }
  const std::string path = Profile("  0: {topk: 0.5}\n");
  const std::string tuned = Prepare({{"profile", path}}).hash;
  EXPECT_NE(tuned, plain);
  EXPECT_NE(Prepare({{"profile", path}, {"mode", "sparge"}}).hash, tuned);  // which means something else
  Profile("  0: {topk: 0.6}\n");
  EXPECT_NE(Prepare({{"profile", path}}).hash, tuned);
  Profile("  0: {topk: 0.5}\n");
  std::filesystem::copy_file(path, Path("elsewhere.yaml"));
  EXPECT_EQ(Prepare({{"profile", Path("elsewhere.yaml")}}).hash, tuned);
}

}  // namespace
}  // namespace app
