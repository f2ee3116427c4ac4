// What goes wrong in the night is recorded, and the rest goes on.
#include <sys/mount.h>

#include <algorithm>

#include "app/settings/text.h"
#include "tests/app/batch/batch_fixture.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class BatchFailureTest : public BatchTest {
 protected:
  // Does something to the worker when job `name` has done `step` steps; so often.
  ProcessOptions AtStep(const std::string& name, int step, int times, std::function<void(pid_t worker)> action) {
    ProcessOptions options;
    options.on_line = [=, this, left = times](pid_t pid, const std::string& line) mutable {
      const json event = json::parse(line, nullptr, false);
      if (left == 0 || event["event"] != "progress" || event["stage"] != "denoise" || event["step"] != step) return;
      if (!event["id"].get<std::string>().starts_with(name + "/")) return;
      --left;
      for (pid_t worker : ChildrenOf(pid)) action(worker);
    };
    return options;
  }
  std::vector<json> LinesOf(const std::string& name) {
    std::vector<json> lines;
    for (const json& line : Manifest()) {
      if (line["name"] == name) lines.push_back(line);
    }
    return lines;
  }
};

TEST_F(BatchFailureTest, AWorkerThatDiesOnceIsReplaced) {
  WriteJobs("  - name: a\n  - name: b\n    steps: 40\n  - name: c\n");
  const ProcessResult result = Render({"--progress", "json"}, AtStep("b", 5, 1, [](pid_t pid) { kill(pid, SIGSEGV); }));
  EXPECT_EQ(result.status, 0) << result.err;
  const std::vector<json> lines = LinesOf("b");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["status"], "failed");
  EXPECT_EQ(lines[0]["error"]["cause"], "signal");
  EXPECT_EQ(lines[0]["error"]["stage"], "denoise");
  EXPECT_GE(lines[0]["error"]["step"], 5);
  EXPECT_EQ(lines[1]["status"], "done");
  EXPECT_EQ(lines[1]["attempt"], 2);
  EXPECT_EQ(LinesOf("c").size(), 1u);
}

TEST_F(BatchFailureTest, AJobThatKillsTwoWorkersHasFailed) {
  WriteJobs("  - name: a\n    steps: 40\n  - name: b\n");
  const ProcessResult result =
      Render({"--progress", "json", "--retry", "5"}, AtStep("a", 5, 9, [](pid_t pid) { kill(pid, SIGKILL); }));
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_EQ(LinesOf("a").size(), 2u);
  EXPECT_EQ(LinesOf("b").at(0)["status"], "done");
  ExpectErrorLines(result.err);
}

TEST_F(BatchFailureTest, AJobThatTakesTooLong) {
  WriteJobs("  - name: a\n    steps: 1000\n    frames: 81\n    width: 128\n    height: 128\n  - name: b\n");
  const ProcessResult result = Render({"--job-timeout", "3s"});
  EXPECT_EQ(result.status, 1) << result.err;
  const std::vector<json> lines = LinesOf("a");
  ASSERT_EQ(lines.size(), 2u);  // the second goes on where the first was
  for (const json& line : lines) EXPECT_EQ(line["error"]["cause"], "timeout") << line;
  EXPECT_NE(result.err.find("a/main: going on after step"), std::string::npos) << result.err;
  EXPECT_EQ(LinesOf("b").at(0)["status"], "done");
}

// A worker that is stopped does not even cancel.
TEST_F(BatchFailureTest, AWorkerThatHangs) {
  WriteJobs("  - name: a\n    steps: 30\n  - name: b\n");
  const ProcessResult result =
      Render({"--progress", "json", "--job-timeout", "6s"}, AtStep("a", 5, 1, [](pid_t pid) { kill(pid, SIGSTOP); }));
  EXPECT_EQ(result.status, 0) << result.err;
  ASSERT_EQ(LinesOf("a").size(), 2u);
  EXPECT_EQ(LinesOf("a")[0]["error"]["cause"], "timeout");
  EXPECT_EQ(LinesOf("a")[1]["status"], "done");
}

TEST_F(BatchFailureTest, AModelThatVanishes) {
  const std::string model = CopyModel();
  WriteJobs("  - name: a\n    model: " + model + "\n    repeat: 3\n  - name: b\n");
  ProcessOptions options;
  bool gone = false;
  options.on_line = [&](pid_t, const std::string& line) {
    if (gone || line.find("\"done\"") == std::string::npos) return;
    gone = true;
    fs::rename(model, model + "_away");
  };
  const ProcessResult result = Render({"--progress", "json"}, options);
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_EQ(LinesOf("b").at(0)["status"], "done");
  int64_t failed = 0;
  for (const json& line : LinesOf("a")) {
    if (line["status"] != "failed") continue;
    ++failed;
    EXPECT_NE(line["error"]["message"].get<std::string>().find("model"), std::string::npos) << line;
  }
  EXPECT_GE(failed, 1);
  fs::rename(model + "_away", model);
  EXPECT_EQ(Render().status, 0);  // exactly what is missing
  std::map<std::string, int> done;
  for (const json& line : Manifest()) {
    done[line["name"].get<std::string>() + line["index"].dump()] += line["status"] == "done";
  }
  EXPECT_EQ(done.size(), 4u);
  for (const auto& [name, count] : done) EXPECT_EQ(count, 1) << name;
}

TEST_F(BatchFailureTest, OutOfMemory) {
  WriteJobs("  - name: a\n    width: 256\n    height: 256\n    frames: 125\n    steps: 1\n  - name: b\n  - name: c\n");
  long enough = 0;  // for a small job
  ProcessOptions probe;
  probe.on_line = [&](pid_t pid, const std::string& line) {
    if (line.find("\"done\"") == std::string::npos) return;
    for (pid_t worker : ChildrenOf(pid)) enough = PeakAddressSpace(worker) + (80 << 20);
  };
  ASSERT_EQ(Render({"--only", "c", "--progress", "json"}, probe).status, 0);
  ASSERT_GT(enough, 80 << 20);
  ProcessOptions options;
  options.max_memory_bytes = static_cast<rlim_t>(enough);
  const ProcessResult result = Render({}, options);
  EXPECT_EQ(result.status, 1) << result.err;
  ASSERT_EQ(LinesOf("a").size(), 2u);  // the second in a fresh worker
  for (const json& line : LinesOf("a")) EXPECT_EQ(line["error"]["cause"], "out_of_memory") << line;
  EXPECT_EQ(LinesOf("b").at(0)["status"], "done");
}

TEST_F(BatchFailureTest, AFullDisk) {
  fs::create_directories(Path("small"));
  if (mount("tmpfs", Path("small").c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "mounting needs privileges";
  WriteJobs("  - name: a\n    out: small/a.safetensors\n    width: 64\n    height: 64\n  - name: b\n");
  const ProcessResult result = Render();
  umount(Path("small").c_str());
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_EQ(LinesOf("a").at(0)["error"]["cause"], "io");
  EXPECT_NE(LinesOf("a")[0]["error"]["message"].get<std::string>().find("No space left"), std::string::npos);
  EXPECT_EQ(LinesOf("b").at(0)["status"], "done");
}

TEST_F(BatchFailureTest, FailFastRetryAndWhatIsRecorded) {
  const std::string model = CopyModel();
  WriteJobs("  - name: a\n    model: " + model + "\n  - name: b\n");
  // Weights that are not finite: found when they are used.
  const std::string weights = model + "/transformer/diffusion_pytorch_model.safetensors";
  std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-4000, std::ios::end);
  file << std::string(2000, '\xff');
  file.close();
  EXPECT_EQ(Render({"--fail-fast"}).status, 1);
  EXPECT_EQ(LinesOf("a").size(), 1u);
  EXPECT_EQ(LinesOf("a")[0]["error"]["cause"], "non_finite");
  EXPECT_TRUE(LinesOf("b").empty());
  const ProcessResult result = Render({"--retry", "2"});
  EXPECT_EQ(result.status, 1);
  ASSERT_EQ(LinesOf("a").size(), 4u);
  EXPECT_EQ(LinesOf("b").size(), 1u);
  std::vector<int64_t> attempts;
  for (const json& line : LinesOf("a")) attempts.push_back(line["attempt"]);
  std::sort(attempts.begin(), attempts.end());
  EXPECT_EQ(attempts, (std::vector<int64_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace app
