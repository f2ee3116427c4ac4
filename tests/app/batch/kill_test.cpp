// kill -9 at random moments: nothing that has its final name is broken, the manifest never lies, and going on makes
// exactly what is missing.
#include <cstdlib>
#include <random>

#include "tests/app/batch/batch_fixture.h"

namespace app {
namespace {

class KillTest : public BatchTest {};

TEST_F(KillTest, NothingIsLostAndNothingLies) {
  const char* wanted = std::getenv("SPARGE_KILLS");
  const int kills = wanted != nullptr ? std::atoi(wanted) : 20;
  // So many that the kills do not outlast them; checkpoints after every step.
  WriteJobs("  - name: a\n    matrix: {seed: 1.." + std::to_string(kills / 2 + 8) + "}\n",
            {{"steps", "6"}, {"checkpoint_minutes", "0.00001"}});
  std::mt19937 random(20261123);
  for (int i = 0; i < kills; ++i) {
    AsyncProcess process({"render", "jobs.yaml", "--progress", "off"}, folder_, Path("log"));
    usleep(300'000 + random() % 1'500'000);
    // The batch, its worker, or both at once.
    const std::vector<pid_t> workers = ChildrenOf(process.pid());
    const unsigned which = random() % 3;
    if (which != 1) process.Kill(SIGKILL);
    if (which != 0) {
      for (pid_t worker : workers) kill(worker, SIGKILL);
    }
    if (which == 1) {  // it goes on with a fresh worker
      usleep(300'000);
      process.Kill(SIGKILL);
    }
    process.Wait();
    ExpectWholeFilesAndATrueManifest(i + 1);
    if (HasFatalFailure()) return;
  }
  const size_t before = Manifest(kills).size();
  std::set<std::string> done;
  for (const auto& line : Manifest(kills)) {
    if (line["status"] == "done") done.insert(line["hash"]);
  }
  ProcessOptions options;
  options.patience_s = 1800;  // on a busy machine the kills may have left all of it
  const ProcessResult rest = Render({}, options);
  ASSERT_EQ(rest.status, 0) << rest.err;
  ExpectWholeFilesAndATrueManifest(kills);
  const std::vector<nlohmann::json> lines = Manifest(kills);
  std::set<std::string> hashes;
  for (const auto& line : lines) hashes.insert(line["hash"]);
  EXPECT_EQ(lines.size() - before, hashes.size() - done.size());  // exactly what was missing
  for (const std::string& name : Names()) {
    EXPECT_EQ(name.find(".partial-"), std::string::npos) << name;
    EXPECT_FALSE(name.ends_with(".lock")) << name;
  }
  // With the bits of renders that nobody disturbed, of some.
  const ProcessResult calm = Run(
      {"render", "jobs.yaml", "--set", "out=calm/a/{variant}_{seed}.mp4", "--manifest", "calm.d", "--max-jobs", "6"});
  ASSERT_EQ(calm.status, 3) << calm.err;
  for (int seed = 1; seed <= 6; ++seed) {
    const std::string name = "/a/main_" + std::to_string(seed) + ".latents.safetensors";
    EXPECT_EQ(LatentsOf("out" + name), LatentsOf("calm" + name)) << name;
  }
}

}  // namespace
}  // namespace app
