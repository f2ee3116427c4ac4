// Both samplers against diffusers 0.42 (tests/golden/make_sampler_goldens.py): sigmas, timesteps, and every step.
#include "pipeline/samplers/sampler.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "attention/base/error.h"
#include "pipeline/weights/config.h"
#include "tests/support/golden.h"
#include "tests/support/scratch.h"
#include "tests/support/tensors.h"

namespace {

using pipeline::HostTensor;
using test::ToHost;
using test::ToTensor;

struct Case {
  std::string class_name;
  int64_t steps, index;
  bool finite;
  pipeline::SamplerConfig config;
};

std::vector<Case> ReadCases() {
  std::ifstream in(test::GoldenDir() + "/samplers.json");
  const nlohmann::json json = nlohmann::json::parse(in);
  const test::Scratch scratch;
  std::vector<Case> cases;
  for (const nlohmann::json& item : json) {
    test::WriteFile(scratch / "scheduler_config.json", item["config"].dump());
    pipeline::Config config = pipeline::Config::Read(scratch / "scheduler_config.json");
    cases.push_back({item["name"], item["steps"], item["index"], item["finite"],
                     pipeline::SamplerConfig::Parse(item["name"], config)});
  }
  return cases;
}

TEST(Sampler, StepsAsDiffusersDoes) {
  const auto golden = pipeline::SafetensorsFile::Open(test::GoldenDir() + "/samplers.safetensors");
  const std::vector<Case> cases = ReadCases();
  ASSERT_EQ(cases.size(), 80u);
  for (const Case& c : cases) {
    SCOPED_TRACE(testing::Message() << c.class_name << " case " << c.index << ", " << c.steps << " steps, order "
                                    << c.config.solver_order << " " << c.config.solver_type);
    auto tensor = [&](const char* key) { return golden->ReadFloat(std::to_string(c.index) + "." + key); };
    const auto sampler = pipeline::MakeSampler(c.config, c.steps, at::kCPU);
    ASSERT_EQ(sampler->num_steps(), c.steps);
    EXPECT_EQ(test::MaxDifference(ToHost(sampler->sigmas()), tensor("sigmas")), 0.0);
    EXPECT_EQ(test::MaxDifference(ToHost(sampler->timesteps()), tensor("timesteps")), 0.0);

    const at::Tensor velocities = ToTensor(tensor("velocities"));
    at::Tensor sample = ToTensor(tensor("noise"));
    for (int64_t i = 0; i < c.steps; ++i) sample = sampler->Step(velocities[i], sample);
    if (c.finite) {
      EXPECT_LE(test::MaxDifference(ToHost(sample), tensor("sample")), 1e-5);
    }
  }
}

// Where diffusers multiplies an infinite B(h) by zero (bh1 to sigma 0), the limit is the newest x0.
TEST(Sampler, Bh1EndsInTheLimit) {
  pipeline::SamplerConfig config;
  config.solver_type = "bh1";
  config.solver_order = 1;
  const auto sampler = pipeline::MakeSampler(config, 1, at::kCPU);
  const at::Tensor sample = at::ones({1, 2, 1, 2, 2}), velocity = at::full_like(sample, 0.25);
  const at::Tensor end = sampler->Step(velocity, sample);
  EXPECT_NEAR(end.flatten()[0].item<double>(), 0.75, 1e-5);
}

TEST(Sampler, NamesWhatIsNotSupported) {
  const test::Scratch scratch;
  auto parse = [&](const std::string& class_name, const std::string& json) -> std::string {
    test::WriteFile(scratch / "c.json", json);
    pipeline::Config config = pipeline::Config::Read(scratch / "c.json");
    try {
      pipeline::SamplerConfig::Parse(class_name, config);
    } catch (const base::Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(parse("DDIMScheduler", "{}").find("DDIMScheduler"), std::string::npos);
  EXPECT_NE(parse("UniPCMultistepScheduler", "{}").find("prediction_type"),
            std::string::npos);  // the class's default is epsilon
  const std::string flow = R"("prediction_type": "flow_prediction", "use_flow_sigmas": true)";
  EXPECT_EQ(parse("UniPCMultistepScheduler", "{" + flow + "}"), "");
  EXPECT_NE(parse("UniPCMultistepScheduler", "{" + flow + R"(, "use_karras_sigmas": true})").find("use_karras_sigmas"),
            std::string::npos);
  EXPECT_NE(parse("UniPCMultistepScheduler", "{" + flow + R"(, "solver_order": 4})").find("solver_order"),
            std::string::npos);
  EXPECT_NE(parse("UniPCMultistepScheduler", "{" + flow + R"(, "flow_shift": -1})").find("flow_shift"),
            std::string::npos);
  EXPECT_NE(parse("FlowMatchEulerDiscreteScheduler", R"({"use_dynamic_shifting": true})").find("use_dynamic_shifting"),
            std::string::npos);
  EXPECT_NE(parse("FlowMatchEulerDiscreteScheduler", R"({"shift": "three"})").find("shift"), std::string::npos);
}

}  // namespace
