#include <algorithm>

#include "app/settings/text.h"
#include "tests/app/batch/batch_fixture.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST_F(BatchTest, RendersEverythingOnce) {
  WriteJobs("  - name: a\n    matrix: {seed: [1, 2], guidance: [1, 3]}\n  - name: b\n    repeat: 2\n",
            {{"out", "\"out/{name}/{variant}_{seed}_{guidance}.mp4\""}});
  const ProcessResult result = Render();
  ASSERT_EQ(result.status, 0) << result.err;
  const std::vector<json> lines = Manifest();
  ASSERT_EQ(lines.size(), 6u);
  for (const json& line : lines) {
    EXPECT_EQ(line["schema"], 1);
    EXPECT_EQ(line["status"], "done");
    EXPECT_EQ(line["attempt"], 1);
    EXPECT_EQ(line["hash"].get<std::string>().size(), 64u);
    EXPECT_EQ(line["device"], "cpu");
    EXPECT_GT(line["seconds"], 0);
    EXPECT_GT(line["peak_memory_bytes"], 1 << 20);
    EXPECT_TRUE(line["error"].is_null());
    EXPECT_TRUE(line.contains("slurm_job") && line.contains("version") && line.contains("host"));
    EXPECT_EQ(line["started"].get<std::string>().size(), 20u);
  }
  EXPECT_EQ(lines[1]["index"], 1);
  ExpectWholeFilesAndATrueManifest();
  // As `sparge generate` renders them.
  const json sidecar = ReadJSON("out/a/main_2_3.json");
  const ProcessResult one = Run(Job({"--steps", "3", "--seed", "2", "--guidance", "3", "--out", "one.mp4"}));
  ASSERT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(ReadJSON("one.json")["hash"], sidecar["hash"]);
  EXPECT_EQ(LatentsOf("one.latents.safetensors"), LatentsOf("out/a/main_2_3.latents.safetensors"));

  const ProcessResult again = Render();
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(Manifest().size(), 6u);
  EXPECT_NE(again.err.find("6 jobs: 0 rendered, 6 there already"), std::string::npos) << again.err;
  const ProcessResult forced = Render({"--force", "--only", "b"});
  EXPECT_EQ(forced.status, 0) << forced.err;
  EXPECT_EQ(Manifest().size(), 8u);
  EXPECT_EQ(Run({"render", "jobs.yaml", "--only", "nothing"}).status, 2);
}

TEST_F(BatchTest, WhatIsGoneIsMadeAgainFromItsLatents) {
  WriteJobs("  - name: a\n    repeat: 3\n");
  ASSERT_EQ(Render().status, 0);
  const std::string before = DigestOf(Path("out/a/main_1.mp4"), 5)->sha256;
  fs::remove(Path("out/a/main_1.mp4"));
  const ProcessResult again = Render();
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.err.find("a/main/1: the latents of this job are there already"), std::string::npos) << again.err;
  EXPECT_EQ(DigestOf(Path("out/a/main_1.mp4"), 5)->sha256, before);
  EXPECT_EQ(Manifest().size(), 4u);
  int64_t second = 0;
  for (const json& line : Manifest()) second += line["attempt"] == 2;
  EXPECT_EQ(second, 1);
}

TEST_F(BatchTest, AFurtherOutputIsAddedToWhatIsThere) {
  WriteJobs("  - name: a\n");
  ASSERT_EQ(Render().status, 0);
  const auto written = fs::last_write_time(Path("out/a/main_0.mp4"));
  WriteJobs("  - name: a\n", {{"out", "[out/a/main_0.mp4, out/a/main_0.gif]"}});
  const ProcessResult more = Render();
  ASSERT_EQ(more.status, 0) << more.err;
  EXPECT_TRUE(fs::exists(Path("out/a/main_0.gif")));
  EXPECT_EQ(fs::last_write_time(Path("out/a/main_0.mp4")), written);
  size_t most = 0;
  for (const json& line : Manifest()) most = std::max(most, line["outputs"].size());
  EXPECT_EQ(most, 2u);
  ExpectWholeFilesAndATrueManifest();
}

TEST_F(BatchTest, FilesThatAreNobodysAreInTheWay) {
  WriteJobs("  - name: a\n    repeat: 2\n");
  ASSERT_EQ(Render({"--max-jobs", "1"}).status, 3);
  fs::resize_file(Path("out/a/main_0.mp4"), 900);  // not its bytes any more, and not whole
  std::ofstream(Path("out/a/main_1.json")) << "{}";
  const ProcessResult refused = Render();
  EXPECT_EQ(refused.status, 2);
  ExpectErrorLines(refused.err);
  EXPECT_NE(refused.err.find("out/a/main_0.mp4 exists already"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("out/a/main_1.json exists already"), std::string::npos) << refused.err;
  EXPECT_EQ(Manifest().size(), 1u);  // nothing ran
  const ProcessResult replaced = Render({"--set", "overwrite=on"});
  EXPECT_EQ(replaced.status, 0) << replaced.err;
  EXPECT_EQ(Manifest().size(), 3u);
}

TEST_F(BatchTest, FilesOfTheSameJobAreAdopted) {
  WriteJobs(
      "  - name: a\n    out: [\"out/a/x.mp4\", \"out/a/f/\", \"out/a/x.safetensors\"]\n"
      "  - name: b\n    metadata: off\n    out: out/b.mp4\n");
  ASSERT_EQ(Render().status, 0);
  const auto written = fs::last_write_time(Path("out/b.mp4"));
  fs::remove_all(Path("jobs.manifest.d"));
  fs::remove(Path("out/a/x.json"));  // each file carries the hash itself
  const ProcessResult adopted = Render();
  ASSERT_EQ(adopted.status, 0) << adopted.err;
  ASSERT_EQ(Manifest().size(), 2u);
  for (const json& line : Manifest()) {
    EXPECT_EQ(line["status"], "done");
    EXPECT_EQ(line["adopted"], true);
  }
  EXPECT_EQ(fs::last_write_time(Path("out/b.mp4")), written);
  ExpectWholeFilesAndATrueManifest();
  // b has its hash in the sidecar only.
  fs::remove_all(Path("jobs.manifest.d"));
  fs::remove(Path("out/b.json"));
  const ProcessResult refused = Render();
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("out/b.mp4 exists already and is not of this job"), std::string::npos) << refused.err;
}

TEST_F(BatchTest, TwoProcessesShareAPlan) {
  WriteJobs("  - name: a\n    repeat: 8\n");
  AsyncProcess first({"render", "jobs.yaml"}, folder_, Path("err1")),
      second({"render", "jobs.yaml"}, folder_, Path("err2"));
  EXPECT_EQ(first.Wait(), 0);
  EXPECT_EQ(second.Wait(), 0);
  std::map<std::string, int> times;
  std::set<std::string> files;
  for (const json& line : Manifest()) {
    EXPECT_EQ(line["status"], "done");
    EXPECT_FALSE(line.contains("adopted")) << line;
    ++times[line["hash"]];
  }
  EXPECT_EQ(times.size(), 8u);
  for (const auto& [hash, count] : times) EXPECT_EQ(count, 1) << hash;
  ExpectWholeFilesAndATrueManifest();
  EXPECT_FALSE(fs::exists(Path("jobs.manifest.d/locks")));
}

TEST_F(BatchTest, AnotherProcessTakesOverFromADeadOne) {
  WriteJobs("  - name: a\n    repeat: 4\n", {{"steps", "40"}});
  auto first = std::make_unique<AsyncProcess>(std::vector<std::string>{"render", "jobs.yaml"}, folder_);
  for (int i = 0; i < 600 && !fs::exists(Path("jobs.manifest.d/locks")); ++i) usleep(20'000);
  AsyncProcess second({"render", "jobs.yaml"}, folder_, Path("err2"));
  usleep(500'000);
  first->Kill(SIGKILL);
  first->Wait();
  EXPECT_EQ(second.Wait(), 0);
  std::set<std::string> done;
  for (const json& line : Manifest()) {
    if (line["status"] == "done") {
      EXPECT_TRUE(done.insert(line["hash"]).second);
    }
  }
  EXPECT_EQ(done.size(), 4u);
}

// Preemption: stopped at a late step, the next run resumes there, to the same bits.
TEST_F(BatchTest, ASignalLeavesACheckpointAndTheNextRunGoesOn) {
  // So many steps that there are some left when a busy machine lets us send the signal.
  WriteJobs("  - name: a\n    repeat: 2\n", {{"steps", "400"}});
  ProcessOptions options;
  bool sent = false;
  options.on_line = [&](pid_t pid, const std::string& line) {
    const json event = json::parse(line, nullptr, false);
    if (sent || event["event"] != "progress" || event["stage"] != "denoise" || event["step"] < 40) return;
    kill(pid, SIGTERM);
    sent = true;
  };
  const ProcessResult stopped = Render({"--progress", "json"}, options);
  ASSERT_TRUE(sent) << stopped.err;
  EXPECT_EQ(stopped.status, 130) << stopped.err;
  ASSERT_EQ(Manifest().size(), 1u);
  EXPECT_EQ(Manifest()[0]["status"], "cancelled");
  EXPECT_EQ(Manifest()[0]["error"]["cause"], "cancelled");
  EXPECT_EQ(Manifest()[0]["error"]["stage"], "denoise");
  EXPECT_EQ(Names(),
            (std::vector<std::string>{"jobs.manifest.d", "jobs.manifest.d/batch.plan", fs::path(Names()[2]).string(),
                                      "jobs.yaml", "out", "out/a", "out/a/main_0.latents.safetensors"}));
  const ProcessResult rest = Render();
  EXPECT_EQ(rest.status, 0) << rest.err;
  EXPECT_NE(rest.err.find("a/main: going on after step "), std::string::npos) << rest.err;
  const ProcessResult calm = Render({"--set", "out=calm/{variant}_{seed}.mp4", "--manifest", "calm.d"});
  ASSERT_EQ(calm.status, 0) << calm.err;
  for (const std::string name : {"main_0.latents.safetensors", "main_1.latents.safetensors"}) {
    EXPECT_EQ(LatentsOf("out/a/" + name), LatentsOf("calm/" + name));
  }
}

TEST_F(BatchTest, BudgetsStartNoNewJob) {
  WriteJobs("  - name: a\n    repeat: 3\n");
  EXPECT_EQ(Render({"--time-budget", "0.000001s"}).status, 3);
  EXPECT_TRUE(Manifest().empty());
  EXPECT_EQ(Render({"--max-jobs", "2"}).status, 3);
  EXPECT_EQ(Manifest().size(), 2u);
  EXPECT_EQ(Render({"--max-jobs", "2"}).status, 0);
  EXPECT_EQ(Render({"--max-jobs", "0"}).status, 0);  // nothing is left
}

TEST_F(BatchTest, LinesThatAreNoneArePassedOver) {
  WriteJobs("  - name: a\n    repeat: 2\n");
  ASSERT_EQ(Render().status, 0);
  std::ofstream(Path("jobs.manifest.d/other.7.jsonl")) << "\n{\"hash\": 3}\nxyz\x01\n[]\n{\"schema\":1,\"hash\":\"";
  const ProcessResult again = Render();
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.err.find("other.7.jsonl:2: is no line of a manifest"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("0 rendered, 2 there already"), std::string::npos) << again.err;
}

TEST_F(BatchTest, ComparesWhatAreVariantsOfOneJob) {
  WriteJobs(
      "  - name: c\n    compare:\n      noise_floor: true\n      reference: {attention: {mode: dense}}\n"
      "      variants: [{name: half, attention: {mode: sparge, topk: 0.5}}, {attention: {mode: dense8}}]\n");
  const ProcessResult result = Render();
  ASSERT_EQ(result.status, 0) << result.err;
  for (const char* name : {"metrics.json", "metrics.csv", "report.html", "side_by_side.mp4", "contact_sheet.png"}) {
    EXPECT_TRUE(fs::exists(Path(std::string("out/c/reference_0_compare/") + name))) << name;
  }
  const json half = ReadJSON("out/c/half_0.json")["metrics"], reference = ReadJSON("out/c/reference_0.json");
  EXPECT_EQ(half["reference"]["hash"], reference["hash"]);
  EXPECT_EQ(half["measured_on"], "decoded");
  EXPECT_TRUE(half["psnr"].contains("clip"));
  EXPECT_TRUE(half["noise_floor"]["kernel"].is_string());
  EXPECT_TRUE(reference["metrics"].is_null());
  const auto written = fs::last_write_time(Path("out/c/reference_0_compare/metrics.json"));
  ASSERT_EQ(Render().status, 0);
  EXPECT_EQ(fs::last_write_time(Path("out/c/reference_0_compare/metrics.json")), written);
  fs::remove_all(Path("out/c/reference_0_compare"));
  ASSERT_EQ(Render().status, 0);  // made again, nothing rendered
  EXPECT_TRUE(fs::exists(Path("out/c/reference_0_compare/report.html")));
  EXPECT_EQ(Manifest().size(), 4u);
}

TEST_F(BatchTest, ADryRunTellsWhatIsDone) {
  WriteJobs("  - name: a\n    repeat: 2\n");
  ASSERT_EQ(Render({"--max-jobs", "1"}).status, 3);
  const std::vector<std::string> names = Names();
  const ProcessResult dry = Render({"--dry-run"});
  EXPECT_EQ(dry.status, 0);
  EXPECT_NE(dry.out.find("done"), std::string::npos) << dry.out;
  EXPECT_NE(dry.out.find("to do"), std::string::npos) << dry.out;
  EXPECT_EQ(Names(), names);
}

// One plan in a saved file, by way of the same files.
TEST_F(BatchTest, ASavedPlanIsTheSamePlan) {
  WriteJobs("  - name: a\n    seed: random\n    repeat: 2\n");
  ASSERT_EQ(Render({"--plan", "p.json"}).status, 0);
  const ProcessResult result = Run({"render", "p.json"});
  ASSERT_EQ(result.status, 0) << result.err;
  for (const json& job : ReadJSON("p.json")["jobs"]) {
    EXPECT_TRUE(fs::exists(job["outputs"][0].get<std::string>()));
  }
  EXPECT_EQ(Run({"render", "p.json"}).status, 0);
}

}  // namespace
}  // namespace app
