#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/settings/text.h"
#include "tests/app/command_fixture.h"

// `sparge render` without rendering, as a user runs it.
namespace app {
namespace {

const std::string kExamples = SPARGE_SOURCE_DIR "/configs/examples/";

class RenderCommandTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    std::ofstream(Path("jobs.yaml"))
        << "version: 1\ndefaults: {model: " << kModel
        << ", width: 32, height: 16, frames: 5, steps: 2, max_sequence_length: 16}\n"
           "jobs:\n  - {name: a, prompt: dance, matrix: {seed: 1..3}}\n"
           "  - {name: b, prompt: monkey, compare: {reference: {attention.mode: dense}, variants: [{}]}}\n";
  }
};

TEST_F(RenderCommandTest, ExamplesPlan) {
  const std::map<std::string, size_t> entries = {
      {"first_clip.yaml", 1}, {"sweep.yaml", 11}, {"dense_vs_sparse.yaml", 24}, {"overnight.yaml", 12}};
  size_t found = 0;
  for (const auto& file : std::filesystem::directory_iterator(kExamples)) {
    if (file.path().extension() != ".yaml") continue;
    ++found;
    const std::string name = file.path().filename().string();
    SCOPED_TRACE(name);
    const ProcessResult result = Run({"render", file.path().string(), "--plan", "plan.json"});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    ASSERT_EQ(entries.count(name), 1u) << "say how many entries it has";
    EXPECT_EQ(ReadJSON("plan.json")["jobs"].size(), entries.at(name));
  }
  EXPECT_EQ(found, entries.size());
}

TEST_F(RenderCommandTest, PlanDryRunAndExplainCreateNothingElse) {
  ProcessResult result = Run({"render", "jobs.yaml", "--dry-run"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("5 entries: 5 to do"), std::string::npos) << result.out;
  result = Run({"render", "jobs.yaml", "--explain", "--only", "b/v1"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("jobs.yaml:2:"), std::string::npos) << result.out;
  EXPECT_EQ(Names(), std::vector<std::string>{"jobs.yaml"});
  result = Run({"render", "jobs.yaml", "--plan", "p.json", "--set", "guidance=2"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Names(), (std::vector<std::string>{"jobs.yaml", "p.json"}));
  EXPECT_EQ(ReadJSON("p.json")["jobs"][0]["settings"]["guidance"], 2.0);
  EXPECT_EQ(ReadJSON("p.json")["jobs"][0]["outputs"][0].get<std::string>().find(Path("out/a_main_1_")), 0u);
  // A plan planned again is the same plan.
  result = Run({"render", "p.json", "--plan", "q.json"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(ReadJSON("q.json"), ReadJSON("p.json"));
  result = Run({"render", "p.json", "--dry-run", "--shard", "2/2"});
  EXPECT_NE(result.out.find("3 entries"), std::string::npos) << result.out;
}

TEST_F(RenderCommandTest, ErrorsAreLocatedAndNothingIsRun) {
  std::ofstream(Path("bad.yaml")) << "version: 1\njobs:\n  - {model: nowhere, stepz: 3}\n  - {seed: x}\n";
  const ProcessResult result = Run({"render", "bad.yaml", "--set", "fps=x"});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.out, "");
  const std::vector<std::string> lines = Split(Trim(result.err), '\n');
  EXPECT_TRUE(lines[0].starts_with("sparge: error: --set fps=x: ")) << result.err;
  for (const char* begin :
       {"bad.yaml:3:6: no prompt", "bad.yaml:3:13: model: no folder 'nowhere'",
        "bad.yaml:3:22: unknown key 'stepz' (did you mean 'steps'?)", "bad.yaml:4:12: seed: expected"}) {
    EXPECT_TRUE(
        std::any_of(lines.begin(), lines.end(), [&](const std::string& line) { return line.starts_with(begin); }) ||
        std::string(begin).find("no prompt") != std::string::npos)
        << begin << " in\n"
        << result.err;
  }
  EXPECT_EQ(Names(), (std::vector<std::string>{"bad.yaml", "jobs.yaml"}));
  EXPECT_EQ(Run({"render", "jobs.yaml", "--only", "zzz"}).status, 2);
  EXPECT_EQ(Run({"render"}).status, 2);
  EXPECT_EQ(Run({"render", "jobs.yaml", "--steps", "3"}).status, 2);
  EXPECT_EQ(Run({"render", "jobs.yaml", "--set", "topk=1"}).status, 2);
}

TEST_F(RenderCommandTest, ABadWeightIsNotReadForAPlanWithErrors) {
  const std::string model = CopyModel();
  for (const auto& file : std::filesystem::recursive_directory_iterator(model)) {
    if (file.path().extension() == ".safetensors") std::filesystem::resize_file(file.path(), 100);
  }
  const ProcessResult result = Run({"render", "jobs.yaml", "--dry-run", "--set", "model=model"});
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_NE(result.err.find("--set model=model"), std::string::npos) << result.err;
}

TEST_F(RenderCommandTest, SubmitsToSlurm) {
  std::filesystem::create_directories(beside_);
  std::ofstream(beside_ + "/sbatch") << "#!/bin/sh\necho Submitted \"$@\"\n";
  std::filesystem::permissions(beside_ + "/sbatch", std::filesystem::perms::owner_all);
  const std::string path = "PATH=" + beside_ + ":" + std::getenv("PATH");
  const ProcessResult result =
      Run({"render", "jobs.yaml", "--slurm", "--array", "3", "--partition", "p"}, {.environment = {path}});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("Submitted --output=" + Path("jobs.manifest.d/slurm-%A_%a.out"))) << result.out;
  std::vector<std::string> scripts, plans;
  for (const std::string& name : Names()) {
    if (name.ends_with(".sh")) scripts.push_back(name);
    if (name.ends_with(".json")) plans.push_back(name);
  }
  ASSERT_EQ(scripts.size(), 1u);
  ASSERT_EQ(plans.size(), 1u);
  EXPECT_EQ(ReadJSON(plans[0])["jobs"].size(), 5u);
}

TEST_F(RenderCommandTest, HelpNamesEveryFlagOfTheContract) {
  const ProcessResult result = Run({"render", "--help"});
  EXPECT_EQ(result.status, 0);
  for (const char* flag :
       {"--set",   "--dry-run", "--plan",      "--explain",  "--only",        "--skip",        "--shard",
        "--retry", "--force",   "--fail-fast", "--max-jobs", "--time-budget", "--job-timeout", "--manifest",
        "--slurm", "--array",   "--partition", "--sbatch",   "--status",      "--progress"}) {
    EXPECT_NE(result.out.find("\n  " + std::string(flag) + (std::string(flag) == "--set" ? " " : "")),
              std::string::npos)
        << flag;
  }
}

}  // namespace
}  // namespace app
