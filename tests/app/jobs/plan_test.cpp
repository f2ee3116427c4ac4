#include "app/jobs/plan.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "app/job/job.h"
#include "app/jobs/render_options.h"
#include "app/jobs/show.h"
#include "app/jobs/slurm.h"
#include "app/settings/text.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/jobs/support.h"

namespace app {
namespace {

constexpr const char* kJobs =
    "version: 1\n"
    "defaults: {model: model, prompt: p}\n"
    "jobs:\n"
    "  - {name: balls, matrix: {seed: [1, 2]}, compare: {reference: {attention.mode: dense}, variants: [{name: half}, "
    "{}]}}\n"
    "  - {name: cubes, matrix: {seed: 1..3}, model: other}\n"
    "  - {name: late, prompt: \"\", log: l.txt, attention: {schedule: [{steps: 0, topk: 0.5}]}}\n";

class PlanJSONTest : public PlanTest {
 protected:
  std::string JSONOf(const Plan& plan) {
    std::string all;
    WritePlanJSON(plan, [&](const std::string& text) { all += text; });
    return all;
  }
  Plan ReadBack(const std::string& text) {
    std::istringstream in(text);
    return ReadPlanJSON(Path("elsewhere/plan.json"), in, Inspector());
  }
  std::string ErrorOf(const std::string& text) {
    return ErrorText([&] { ReadBack(text); });
  }
};

TEST_F(PlanJSONTest, HasWhatTheContractSays) {
  const Plan plan = ReadYAML(kJobs);
  const auto json = nlohmann::json::parse(JSONOf(plan));
  EXPECT_EQ(json.size(), 2u);
  EXPECT_EQ(json["version"], 1);
  ASSERT_EQ(json["jobs"].size(), 10u);
  for (const auto& job : json["jobs"]) {
    EXPECT_EQ(job.size(), 6u);
    for (const char* key : {"name", "variant", "index", "hash", "settings", "outputs"})
      EXPECT_TRUE(job.contains(key)) << key;
    EXPECT_EQ(job["settings"].size(), Settings().size());
    for (const Setting& setting : Settings()) EXPECT_TRUE(job["settings"].contains(setting.key)) << setting.key;
    EXPECT_TRUE(job["settings"]["steps"].is_number_integer());
    EXPECT_TRUE(job["settings"]["sidecar"].is_boolean());
    EXPECT_TRUE(job["settings"]["vae"].is_null());
    for (const auto& output : job["outputs"]) EXPECT_TRUE(output.get<std::string>().starts_with("/"));
  }
  EXPECT_EQ(json["jobs"][9]["name"], "cubes");  // all of one model, then all of the next
  EXPECT_EQ(json["jobs"][6]["settings"]["log"], Path("l.txt"));
}

TEST_F(PlanJSONTest, IsReadBackAsItWas) {
  Plan plan = ReadYAML(kJobs);
  const std::string text = JSONOf(plan);
  const Plan back = ReadBack(text);
  EXPECT_EQ(JSONOf(back), text);
  ASSERT_EQ(back.entries.size(), plan.entries.size());
  for (size_t i = 0; i < back.entries.size(); ++i) {
    EXPECT_EQ(back.entries[i].role, plan.entries[i].role) << i;
    EXPECT_EQ(back.entries[i].files.sidecar, plan.entries[i].files.sidecar);
    EXPECT_EQ(back.entries[i].files.kept_latents, plan.entries[i].files.kept_latents);
    for (size_t k = 0; k < i; ++k) {
      EXPECT_EQ(back.entries[i].group == back.entries[k].group, plan.entries[i].group == plan.entries[k].group);
    }
  }
  EXPECT_FALSE(back.from_yaml);
  plan = ReadYAML("version: 1\njobs: []\n");
  EXPECT_EQ(JSONOf(ReadBack(JSONOf(plan))), JSONOf(plan));
  // A part of it, in another order, is a plan too.
  auto json = nlohmann::json::parse(text);
  json["jobs"] = {json["jobs"][8], json["jobs"][1]};
  EXPECT_EQ(TitlesOf(ReadBack(json.dump())), (std::vector<std::string>{"cubes/main 1", "balls/half 0"}));
}

TEST_F(PlanJSONTest, DrawnSeedsStayAsTheyAre) {
  const Plan plan = ReadYAML("version: 1\njobs: [{model: model, prompt: p, seed: random, repeat: 3}]\n");
  const Plan back = ReadBack(JSONOf(plan));
  EXPECT_EQ(JSONOf(back), JSONOf(plan));
  EXPECT_FALSE(back.drew_seeds);
}

TEST_F(PlanJSONTest, HostilePlans) {
  const std::string text = JSONOf(ReadYAML(kJobs));
  const auto changed = [&](const std::function<void(nlohmann::json & job)>& change) {
    auto json = nlohmann::json::parse(text);
    change(json["jobs"][1]);
    return ErrorOf(json.dump());
  };
  EXPECT_EQ(changed([](auto&) {}), "");
  EXPECT_NE(changed([](auto& job) { job["settings"]["seed"] = 9; }).find("job 2: its hash is"), std::string::npos);
  EXPECT_EQ(changed([](auto& job) { job.erase("hash"), job["settings"]["seed"] = 9; }), "");
  EXPECT_NE(changed([](auto& job) { job["settings"]["seed"] = "random", job.erase("hash"); }).find("random"),
            std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["settings"]["width"] = 33; }).find("width: 32 px, not 33"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["settings"]["steps"] = "x"; }).find("steps"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["settings"]["stepz"] = 1; }).find("'stepz'"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["settings"]["model"] = "/nowhere"; }).find("/nowhere"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["outputs"] = 3; }).find("outputs"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["outputs"] = nlohmann::json::array(); }).find("outputs"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["outputs"] = {"/tmp/a.xyz"}; }).find("a.xyz"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job.erase("name"); }).find("no `name`"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["index"] = "0"; }).find("index"), std::string::npos);
  EXPECT_NE(changed([](auto& job) { job["variant"] = "reference"; }).find("stands in the plan already"),
            std::string::npos);
  EXPECT_NE(changed([](auto& job) { job = 3; }).find("job 2"), std::string::npos);
  for (const char* wrong : {"", "[]", "{", "{\"version\": 2, \"jobs\": []}", "{\"version\": 1}",
                            "{\"version\": 1, \"jobs\": {}}", "{\"version\": 1, \"jobs\": 3}", "nonsense"}) {
    EXPECT_NE(ErrorOf(wrong), "") << wrong;
  }
  std::ofstream(models_[Path("model")].config_files[0]) << "{  }";
  EXPECT_NE(ErrorOf(text).find("make the plan anew"), std::string::npos);
}

class SelectTest : public PlanTest {
 protected:
  std::vector<std::string> Selected(const PlanSelection& selection) {
    Plan plan = ReadYAML(kJobs);
    SelectEntries(selection, plan);
    return TitlesOf(plan);
  }
  using Titles = std::vector<std::string>;
};

TEST_F(SelectTest, GlobsOnNamesAndVariants) {
  EXPECT_EQ(Selected({.only = {"cubes"}, .skip = {}}), (Titles{"cubes/main 0", "cubes/main 1", "cubes/main 2"}));
  EXPECT_EQ(Selected({.only = {"balls/h*", "lat?"}, .skip = {}}),
            (Titles{"balls/half 0", "balls/half 1", "late/main 0"}));
  EXPECT_EQ(Selected({.only = {"b*"}, .skip = {"*/v2", "balls/half"}}),
            (Titles{"balls/reference 0", "balls/reference 1"}));
  EXPECT_EQ(Selected({.only = {}, .skip = {"*"}}), Titles{});
  EXPECT_NE(ErrorText([&] { Selected({.only = {"bals"}, .skip = {}}); }).find("did you mean 'balls'?"),
            std::string::npos);
  EXPECT_THROW(Selected({.only = {"cubes", "nothing"}, .skip = {}}), base::Error);
}

TEST_F(SelectTest, ShardsKeepComparisonsTogetherAndMissNothing) {
  EXPECT_EQ(Selected({.only = {}, .skip = {}, .shard = 1, .shards = 2}),
            (Titles{"balls/reference 0", "balls/half 0", "balls/v2 0", "late/main 0", "cubes/main 1"}));
  EXPECT_EQ(Selected({.only = {}, .skip = {}, .shard = 2, .shards = 2}),
            (Titles{"balls/reference 1", "balls/half 1", "balls/v2 1", "cubes/main 0", "cubes/main 2"}));
  EXPECT_EQ(Selected({.only = {"cubes"}, .skip = {"none"}, .shard = 3, .shards = 3}), Titles{"cubes/main 2"});
  EXPECT_EQ(Selected({.only = {}, .skip = {}, .shard = 50, .shards = 50}), Titles{});
  Plan random = ReadYAML("version: 1\njobs: [{model: model, prompt: p, seed: random}]\n");
  EXPECT_NE(ErrorText([&] { SelectEntries({.only = {}, .skip = {}, .shard = 1, .shards = 2}, random); }).find("--plan"),
            std::string::npos);
  SelectEntries({}, random);
  EXPECT_EQ(random.entries.size(), 1u);
}

// ---- Clips ----

TEST_F(PlanTest, TheJobOfASafetensorsFileAndOfASidecar) {
  const Plan plan = ReadYAML(
      "version: 1\njobs: [{model: model, prompt: a ball, seed: 7, out: secret/x.mp4, overwrite: on, log: l}]\n");
  const Job job = JobOfEntry(plan, plan.entries[0]);
  const pipeline::HostTensor latents{{1, 1, 1, 2}, {0.5f, -1.0f}};
  pipeline::WriteSafetensors(Path("old clip.latents.safetensors"), {{"latents", &latents}},
                             {{"sparge", CanonicalJSON(JobRecord(job))}});
  std::ofstream(Path("side.json")) << JobRecord(job).dump();
  for (const char* name : {"old clip.latents.safetensors", "side.json"}) {
    SCOPED_TRACE(name);
    const Plan again = ReadPlanSource(Path(name), {{"guidance", "4"}}, Inspector());
    ASSERT_EQ(again.entries.size(), 1u);
    const PlanEntry& entry = again.entries[0];
    EXPECT_EQ(entry.variant, "main");
    EXPECT_EQ(entry.At("seed").value, Value(7));
    EXPECT_EQ(entry.At("guidance").value, Value(4.0));
    EXPECT_TRUE(entry.At("out").value.is_null());  // where files go is the caller's
    EXPECT_EQ(entry.At("overwrite").value, Value(false));
    EXPECT_TRUE(entry.At("log").value.is_null());
    EXPECT_EQ(entry.files.outputs[0].find(std::filesystem::current_path().string() + "/out/"), 0u);
  }
  EXPECT_EQ(ReadPlanSource(Path("side.json"), {}, Inspector()).entries[0].At("log").value, Value(nullptr));
  std::ofstream(Path("other.json")) << "{\"a\": 1}";
  EXPECT_NE(ErrorText([&] { ReadPlanSource(Path("other.json"), {}, Inspector()); }).find("not a plan"),
            std::string::npos);
  std::filesystem::rename(Path("model"), Path("moved"));
  EXPECT_NE(ErrorText([&] { ReadPlanSource(Path("side.json"), {}, Inspector()); }).find("--set model="),
            std::string::npos);
  AddModel("moved");
  EXPECT_EQ(ReadPlanSource(Path("side.json"), {{"model", Path("moved")}}, Inspector()).entries[0].At("seed").value,
            Value(7));
}

TEST_F(PlanTest, HostileRecords) {
  const auto error = [&](const std::string& record) {
    std::ofstream(Path("r.json")) << record;
    return ErrorText([&] { ReadPlanSource(Path("r.json"), {{"model", Path("model")}}, Inspector()); });
  };
  EXPECT_EQ(error(R"({"schema": 1, "hash": 3, "job": {"prompt": "x", "zap": 1}})"), "");
  EXPECT_NE(error(R"({"schema": 99, "job": {"prompt": "x"}})").find("newer"), std::string::npos);
  EXPECT_NE(error(R"({"job": {"prompt": "x"}})"), "");
  EXPECT_NE(error(R"({"schema": 1, "job": {"prompt": "x", "steps": -1}})").find("steps"), std::string::npos);
  EXPECT_NE(error(R"({"schema": 1, "job": {"prompt": "x", "lora": [{"path": "/etc/passwd"}]}})").find("lora"),
            std::string::npos);
  EXPECT_NE(error(R"({"schema": 1, "job": {"width": 1}})"), "");
  EXPECT_NE(ErrorText([&] { ReadPlanSource(Path("missing.mp4"), {}, Inspector()); }), "");
  EXPECT_NE(ErrorText([&] { ReadPlanSource(Path("missing.yaml"), {}, Inspector()); }).find("no such file"),
            std::string::npos);
}

// ---- What is shown ----

TEST_F(PlanTest, TheTableShowsWhatVaries) {
  const Plan plan = ReadYAML(kJobs);
  std::ostringstream out;
  PrintPlanTable(
      plan,
      [](const Plan&, const PlanEntry& entry) {
        return EntryState{entry.name == "cubes" ? "done" : "to do", entry.index == 0 ? int64_t{3} << 30 : 0};
      },
      out);
  const std::vector<std::string> lines = Split(out.str(), '\n');
  ASSERT_EQ(lines.size(), 13u);
  for (const char* column : {"entry", "index", "seed", "model", "attention.mode", "state", "memory", "outputs"}) {
    EXPECT_NE(lines[0].find(column), std::string::npos) << column;
  }
  EXPECT_EQ(lines[0].find("width"), std::string::npos);
  EXPECT_NE(lines[1].find("balls/reference"), std::string::npos);
  EXPECT_NE(lines[1].find(plan.entries[0].files.outputs[0]), std::string::npos);
  EXPECT_EQ(lines[11], "10 entries: 3 done, 7 to do");
  std::ostringstream empty;
  PrintPlanTable(ReadYAML("version: 1\njobs: []\n"), nullptr, empty);
  EXPECT_NE(empty.str().find("empty"), std::string::npos);
}

TEST_F(PlanTest, TheExplanationNamesEveryLayer) {
  std::ofstream(Path("model/sparge.yaml")) << "guidance: 2.25\n";
  const Plan plan = ReadYAML(
      "version: 1\ndefaults: {model: model, prompt: p}\nprofiles: {q: {fps: 9}}\njobs:\n"
      "  - {profile: q, height: 32, matrix: {seed: [1, 2]}, compare: {reference: {}, variants: [{attention.topk: "
      "0.3}]}}\n",
      {{"threads", "2"}});
  std::ostringstream out;
  PrintExplanation(plan, out);
  const std::string text = out.str(), file = Path("jobs.yaml");
  const auto expect = [&](const std::string& key, const std::string& where) {
    bool found = false;
    for (const std::string& line : Split(text, '\n'))
      found |= line.starts_with("  " + key + " ") && line.find(where) != std::string::npos;
    EXPECT_TRUE(found) << key << " from " << where << " in\n" << text;
  };
  expect("prompt", file + ":2:34 (defaults)");
  expect("fps", file + ":3:21 (profile q)");
  expect("height", file + ":5:26 (job job1)");
  expect("seed", file + ":5:46 (matrix)");
  expect("attention.topk", "(compare v1)");
  expect("threads", "--set threads=2");
  expect("guidance", "sparge.yaml:1:11");
  expect("width", "FakePipeline");
  expect("dtype", "default");
  for (const Setting& setting : Settings())
    EXPECT_NE(text.find("  " + std::string(setting.key) + " "), std::string::npos);
}

// ---- Flags ----

TEST(RenderOptionsTest, EveryFlag) {
  bool help = false;
  const RenderOptions o = ParseRenderOptions(
      {"j.yaml",     "--set", "a.b=c=d",       "--set=x=", "--only",        "a*",    "--only",     "b",
       "--skip",     "c",     "--shard",       "2/4",      "--retry",       "3",     "--force",    "--fail-fast",
       "--max-jobs", "7",     "--time-budget", "8h",       "--job-timeout", "1h30m", "--manifest", "m"},
      help);
  EXPECT_FALSE(help);
  EXPECT_EQ(o.source, "j.yaml");
  EXPECT_EQ(o.sets, (SetFlags{{"a.b", "c=d"}, {"x", ""}}));
  EXPECT_EQ(o.selection.only, (std::vector<std::string>{"a*", "b"}));
  EXPECT_EQ(o.selection.skip, std::vector<std::string>{"c"});
  EXPECT_EQ(o.selection.shard, 2);
  EXPECT_EQ(o.selection.shards, 4);
  EXPECT_EQ(o.retry, 3);
  EXPECT_TRUE(o.force && o.fail_fast);
  EXPECT_EQ(o.max_jobs, 7);
  EXPECT_EQ(o.time_budget_s, 8 * 3600.0);
  EXPECT_EQ(o.job_timeout_s, 5400.0);
  EXPECT_EQ(o.manifest, "m");
}

TEST(RenderOptionsTest, WhatIsWrongIsSaidTogether) {
  bool help = false;
  const std::string error = ErrorText([&] {
    ParseRenderOptions({"--shard", "5/4", "--retry", "-1", "--time-budget", "soon", "--set", "novalue", "--array", "3",
                        "--slurm", "--status", "--onyl", "x"},
                       help);
  });
  for (const char* part : {"render takes a JOBS.yaml", "--shard '5/4'", "--retry '-1'", "--time-budget 'soon'",
                           "--set 'novalue'", "--slurm and --status exclude each other", "did you mean '--only'?"}) {
    EXPECT_NE(error.find(part), std::string::npos) << part << " in\n" << error;
  }
  EXPECT_NE(ErrorText([&] { ParseRenderOptions({"a", "b"}, help); }), "");
  EXPECT_NE(ErrorText([&] { ParseRenderOptions({"a", "--partition", "p"}, help); }).find("--slurm"), std::string::npos);
  ParseRenderOptions({"--help"}, help);
  EXPECT_TRUE(help);
}

TEST(RenderOptionsTest, Durations) {
  EXPECT_EQ(ParseDuration("-", "8h"), 28800);
  EXPECT_EQ(ParseDuration("-", "90m"), 5400);
  EXPECT_EQ(ParseDuration("-", "45"), 45);
  EXPECT_EQ(ParseDuration("-", "0.5s"), 0.5);
  EXPECT_EQ(ParseDuration("-", "1d2h3m4s"), 93784);
  for (const char* wrong : {"", "h", "8", "8 h", "8h8h", "3m1h", "-1h", "1x", "nan", "inf", "1e3", "0", "0s", "8h30"}) {
    if (std::string(wrong) == "8") continue;
    EXPECT_THROW(ParseDuration("-", wrong), base::Error) << wrong;
  }
}

TEST_F(PlanTest, ManifestFoldersStandBesideTheSource) {
  Plan plan;
  plan.source = "/a/b/jobs.yaml";
  plan.from_yaml = true;
  EXPECT_EQ(ManifestFolder(plan, {}), "/a/b/jobs.manifest.d");
  plan.from_yaml = false;
  plan.source = "/a/b/plan.json";
  EXPECT_EQ(ManifestFolder(plan, {}), "/a/b/plan.manifest.d");
  plan.source = "/a/b/frames/";
  EXPECT_EQ(ManifestFolder(plan, {}), "/a/b/frames.manifest.d");
  RenderOptions options;
  options.manifest = "m/";
  EXPECT_EQ(ManifestFolder(plan, options), std::filesystem::current_path().string() + "/m");
}

// ---- Slurm ----

TEST(ShellWordsTest, AsAShellTakesThemApart) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(ShellWords("--gres=gpu:1  -A 'my account' \"a \\\"b\" c\\ d '' x'y'z"),
            (Words{"--gres=gpu:1", "-A", "my account", "a \"b", "c d", "", "xyz"}));
  EXPECT_EQ(ShellWords("  "), Words{});
  EXPECT_THROW(ShellWords("'open"), base::Error);
  for (const char* word : {"plain", "with space", "it's", "$x `y` \\", ""}) {
    EXPECT_EQ(ShellWords(ShellQuoted(word)), Words{word});
  }
}

TEST_F(PlanTest, SubmitsAnArrayThatRendersASavedPlan) {
  std::filesystem::create_directories(beside_);
  std::ofstream(beside_ + "/sbatch") << "#!/bin/sh\nfor a in \"$@\"; do echo \"$a\" >> " << beside_
                                     << "/args; done\necho 77\n";
  std::filesystem::permissions(beside_ + "/sbatch", std::filesystem::perms::owner_all);
  const std::string path = std::getenv("PATH");
  const Plan plan = ReadYAML(kJobs);
  RenderOptions options;
  options.array = 50;
  options.partition = "night";
  options.sbatch = "--gres=gpu:1 -A 'x y'";
  options.retry = 2;
  const SlurmJob job = PlanSlurmJob(plan, options, "/usr/bin/sparge");
  EXPECT_EQ(job.tasks, 6);  // two comparisons and four others: no more tasks than there is work
  EXPECT_FALSE(std::filesystem::exists(job.plan_file));  // nothing is made yet
  EXPECT_NE(job.script.find("#SBATCH --array=1-6\n"), std::string::npos) << job.script;
  EXPECT_NE(job.script.find("exec '/usr/bin/sparge' render '" + job.plan_file + "' --manifest '" +
                            Path("jobs.manifest.d") + "' --shard \"$SLURM_ARRAY_TASK_ID/6\""),
            std::string::npos)
      << job.script;
  EXPECT_NE(job.script.find("--retry 2"), std::string::npos);

  setenv("PATH", "/nowhere", 1);
  EXPECT_NE(ErrorText([&] { SubmitSlurmJob(plan, job); }).find("no sbatch"), std::string::npos);
  setenv("PATH", (beside_ + ":" + path).c_str(), 1);
  testing::internal::CaptureStdout();
  SubmitSlurmJob(plan, job);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "77\n");
  std::ifstream args(beside_ + "/args");
  std::vector<std::string> lines;
  for (std::string line; std::getline(args, line);) lines.push_back(line);
  EXPECT_EQ(lines, (std::vector<std::string>{"--output=" + Path("jobs.manifest.d") + "/slurm-%A_%a.out",
                                             "--partition=night", "--gres=gpu:1", "-A", "x y", job.script_file}));
  // Together the tasks render the plan.
  std::multiset<std::string> rendered, all;
  for (int64_t task = 1; task <= job.tasks; ++task) {
    Plan part = ReadPlanSource(job.plan_file, {}, Inspector());
    SelectEntries({.only = {}, .skip = {}, .shard = task, .shards = job.tasks}, part);
    for (const std::string& title : TitlesOf(part)) rendered.insert(title);
  }
  for (const std::string& title : TitlesOf(plan)) all.insert(title);
  EXPECT_EQ(rendered, all);

  std::ofstream(beside_ + "/sbatch") << "#!/bin/sh\nexit 3\n";
  EXPECT_NE(ErrorText([&] { SubmitSlurmJob(plan, job); }).find("status 3"), std::string::npos);
  setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace app
