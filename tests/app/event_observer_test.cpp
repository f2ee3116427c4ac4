// What `stats` events say of each step.
#include "app/console/event_observer.h"

#include <gtest/gtest.h>

#include "app/job/latent_rgb_cache.h"
#include "app/job/preview_budget.h"
#include "tests/app/fake_pipeline.h"

namespace app {
namespace {

using nlohmann::json;

class EventObserverTest : public TempFolderTest {};

TEST_F(EventObserverTest, StatsAreOfTheStep) {
  const pipeline::ModelInfo model = MakeFakeModel(beside_ + "/fake");
  FakePipeline pipeline(model);
  std::vector<json> stats;
  EventObserver observer(1, [&](const json& event) {
    if (event["event"] == "stats") stats.push_back(event);
  });
  observer.set_stats(&pipeline.attention_stats(), &pipeline.seconds());
  observer.set_step_extra([](int64_t step) { return json{{"extra", step}}; });
  Layer flags;
  flags["prompt"] = {"a ball", "--prompt"};
  flags["steps"] = {4, "--steps"};
  flags["out"] = {Path("a.safetensors"), "--out"};
  const json sidecar = RunJob(PrepareJob({{}, {flags}, ""}, model, {}), pipeline, nullptr, observer);
  ASSERT_EQ(stats.size(), 4u);
  json fallbacks = json::array();
  for (size_t i = 0; i < stats.size(); ++i) {
    EXPECT_EQ(stats[i]["step"], i);
    EXPECT_EQ(stats[i]["seconds"], 0.5);
    EXPECT_EQ(stats[i]["attention_seconds"], 0.25);
    EXPECT_EQ(stats[i]["kernels"], (json{{"fake_kernel", i + 1}}));
    EXPECT_EQ(stats[i]["extra"], i);
    for (const json& fallback : stats[i]["fallbacks"]) fallbacks.push_back(fallback);
  }
  EXPECT_EQ(stats[0]["fallbacks"].size(), 1u);
  EXPECT_EQ(fallbacks, sidecar["attention"]["fallbacks"]);
  EXPECT_EQ(stats[3]["kernels"], sidecar["attention"]["kernels"]);
}

TEST(DeviceMemory, StandsWhereThereIsADevice) {
  std::vector<json> events;
  EventObserver observer(1, [&](const json& event) { events.push_back(event); });
  json memory;
  observer.set_device_memory([&] { return memory; });
  observer.Update(pipeline::Stage::kDenoise, 0, 3);
  memory = {{"used_bytes", 3}, {"total_bytes", 8}};
  observer.Update(pipeline::Stage::kDenoise, 1, 3);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE(events[0].contains("device_memory")) << "on the CPU";
  EXPECT_EQ(events[1]["device_memory"], memory);
}

TEST(PreviewBudgetTest, StaysBelowItsShare) {
  PreviewBudget budget(0.02);
  EXPECT_TRUE(budget.Allows(0.001)) << "what the first costs is not known";
  double spent = 0;
  int shown = 0;
  for (int step = 1; step <= 1000; ++step) {
    if (!budget.Allows(step * 0.1)) continue;
    const double cost = step < 500 ? 0.01 : 0.001;
    budget.Spend(cost);
    spent += cost;
    ++shown;
    EXPECT_TRUE(step == 1 || spent <= 0.02 * 0.1 * step + 1e-9) << step;
  }
  EXPECT_GT(shown, 450);
}

class LatentRGBCache : public TempFolderTest {
 protected:
  void SetUp() override {
    TempFolderTest::SetUp();
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("XDG_CACHE_HOME");
    TempFolderTest::TearDown();
  }
};

TEST_F(LatentRGBCache, KeepsMapsByModel) {
  pipeline::LatentRGB map;
  map.channels = 2;
  map.frames_each = 4;
  map.patch = 2;
  map.from_decode = true;
  for (int i = 0; i < 3 * 48; ++i) map.weights.push_back(static_cast<float>(i) / 7.0f);
  EXPECT_EQ(ReadLatentRGB("abc"), nullptr);
  WriteLatentRGB("abc", map);
  const auto read = ReadLatentRGB("abc");
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(read->weights, map.weights);
  EXPECT_EQ(read->frames_each, 4);
  EXPECT_TRUE(read->from_decode);
  EXPECT_EQ(ReadLatentRGB("abd"), nullptr);

  // Hostile files are none.
  const std::string path = Path("sparge/latent_rgb/abc.json");
  std::ifstream in(path);
  const json good = json::parse(in);
  for (const json& patch : {json{{"version", 2}}, json{{"channels", 3}}, json{{"patch", -2}}, json{{"weights", "x"}},
                            json{{"frames_each", 4000000000}}, json{{"from_decode", 1}}}) {
    json bad = good;
    bad.update(patch);
    std::ofstream(path) << bad;
    EXPECT_EQ(ReadLatentRGB("abc"), nullptr) << patch;
  }
  json bad = good;
  bad["weights"][5] = 1e300;
  std::ofstream(path) << bad;
  EXPECT_EQ(ReadLatentRGB("abc"), nullptr);
  std::ofstream(path) << "[[[[";
  EXPECT_EQ(ReadLatentRGB("abc"), nullptr);
  std::ofstream(path) << good;
  EXPECT_NE(ReadLatentRGB("abc"), nullptr);
}

TEST_F(LatentRGBCache, NoPlaceIsNoFailure) {
  setenv("XDG_CACHE_HOME", "/proc/none", 1);
  WriteLatentRGB("abc", {});
  EXPECT_EQ(ReadLatentRGB("abc"), nullptr);
}

}  // namespace
}  // namespace app
