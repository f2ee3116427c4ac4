#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>

#include "app/job/job.h"
#include "app/job/model.h"
#include "app/jobs/range.h"
#include "app/settings/text.h"
#include "tests/app/jobs/support.h"

namespace app {
namespace {

class ExpandTest : public PlanTest {};

// A random file whose plan's size is known.
struct RandomJobs {
  std::string yaml = "version: 1\ndefaults: {model: model, prompt: p, out: \"{name}/{variant}_{index}.mp4\"}\njobs:\n";
  std::vector<size_t> sizes;  // by job

  explicit RandomJobs(uint32_t seed) {
    std::mt19937 random(seed);
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
    const int jobs = 1 + below(4);
    for (int j = 0; j < jobs; ++j) {
      size_t prompts = 1, inner = 1;
      yaml += "  - name: j" + std::to_string(j) + "\n";
      if (below(2)) {
        prompts = 1 + static_cast<size_t>(below(3));
        yaml += "    prompts: [";
        for (size_t i = 0; i < prompts; ++i) yaml += (i ? ", p" : "p") + std::to_string(i);
        yaml += "]\n";
      }
      if (below(2)) {
        const int count = 1 + below(3);
        yaml += "    zip: {guidance: 1.." + std::to_string(count) + ", fps: 5.." + std::to_string(4 + count) + "}\n";
        inner *= static_cast<size_t>(count);
      }
      size_t excluded = 0;
      if (below(4)) {
        const int seeds = 1 + below(5), steps = 1 + below(3);
        yaml += "    matrix: {seed: 1.." + std::to_string(seeds) + ", steps: 1.." + std::to_string(steps) + "}\n";
        if (below(2)) {
          yaml += "    exclude: [{seed: 1, steps: 1}]\n";
          excluded = 1;
        }
        inner *= static_cast<size_t>(seeds * steps) - excluded;
      }
      size_t included = 0;
      if (below(2)) {
        included = 1 + static_cast<size_t>(below(2));
        yaml += "    include: [{seed: 77}" + std::string(included > 1 ? ", {seed: 78}" : "") + "]\n";
      }
      size_t repeat = 1, variants = 1;
      if (below(2)) {
        repeat = 1 + static_cast<size_t>(below(3));
        yaml += "    repeat: " + std::to_string(repeat) + "\n";
      }
      if (below(2)) {
        variants = 2 + static_cast<size_t>(below(2));
        yaml += "    compare: {reference: {attention.mode: dense}, variants: [{attention.mode: dense8}" +
                std::string(variants > 2 ? ", {steps: 3}" : "") + "]}\n";
      }
      sizes.push_back(prompts * (inner + included) * repeat * variants);
    }
  }
};

TEST_F(ExpandTest, SizeIsTheProductNamesAreUniqueAndItIsTheSameTwice) {
  for (uint32_t seed = 0; seed < 150; ++seed) {
    const RandomJobs jobs(seed);
    SCOPED_TRACE(jobs.yaml);
    const Plan plan = ReadYAML(jobs.yaml), again = ReadYAML(jobs.yaml);
    std::vector<size_t> sizes(jobs.sizes.size(), 0);
    std::set<std::string> titles, outputs;
    std::map<int64_t, std::string> groups;  // → name and index
    for (const PlanEntry& entry : plan.entries) {
      ++sizes[static_cast<size_t>(entry.name[1] - '0')];
      EXPECT_TRUE(titles.insert(TitleOf(entry)).second) << TitleOf(entry);
      EXPECT_TRUE(outputs.insert(entry.files.outputs.at(0)).second);
      const std::string of = entry.name + " " + std::to_string(entry.index);
      EXPECT_EQ(groups.emplace(entry.group, of).first->second, of);
      EXPECT_EQ(entry.role == PlanRole::kAlone, entry.variant == "main");
      EXPECT_EQ(entry.role == PlanRole::kReference, entry.variant == "reference");
    }
    EXPECT_EQ(sizes, jobs.sizes);
    ASSERT_EQ(again.entries.size(), plan.entries.size());
    for (size_t i = 0; i < plan.entries.size(); ++i)
      EXPECT_EQ(PlanEntryJSON(again.entries[i]), PlanEntryJSON(plan.entries[i]));
  }
}

TEST_F(ExpandTest, EntriesAreWhatPrepareJobMakesOfThem) {
  std::ofstream(Path("model/sparge.yaml")) << "guidance: 2.25\nattention: {topk: 0.4}\n";
  std::ofstream(Path("profile.yaml"))
      << "version: 1\nmodel: {class: FakeTransformer, layers: 3, heads: 2, head_dim: 16}\n"
         "layers: {1: {topk: 0.3}}\n";
  const Plan plan = ReadYAML(
      "version: 1\ndefaults: {model: model, prompt: p}\njobs:\n"
      "  - {matrix: {seed: [1, 2], attention.topk: [0.25, null]}, threads: 3, checkpoint_minutes: 0}\n"
      "  - {attention.profile: profile.yaml, steps: 12, model: other, sidecar: off, encode.codec: h265, fps: 23.976}\n"
      "  - {model: other, steps: 12, attention: {schedule: [{steps: 1, mode: dense}]}, negative_prompt: ~}\n"
      "  - {repeat: 2, compare: {reference: {attention.mode: dense}, variants: [{}], noise_floor: on}}\n");
  ASSERT_EQ(plan.entries.size(), 12u);
  for (const PlanEntry& entry : plan.entries) {
    SCOPED_TRACE(TitleOf(entry));
    EXPECT_EQ(entry.hash.size(), 64u);
    const PlanModel& model = *plan.models[entry.model];
    EXPECT_EQ(model.hash, ModelHash(model.info));
    // From what is effective …
    const Job job = JobOfEntry(plan, entry);
    EXPECT_EQ(job.hash, entry.hash);
    EXPECT_EQ(job.settings.ToJSON(), entry.Settings().ToJSON());
    // … and from JSON, as a worker gets it.
    JobSource source;
    source.names = {entry.name, entry.variant, "", entry.index};
    source.layers = {LayerFromJSON(PlanEntryJSON(entry)["settings"], "plan", nullptr)};
    if (entry.At("out").value.is_null()) source.layers[0]["out"] = {Value(entry.files.outputs), "plan"};
    const Job replayed = PrepareJob(source, model.info, model.notes);
    EXPECT_EQ(replayed.hash, entry.hash);
    EXPECT_EQ(replayed.files.outputs, entry.files.outputs);
    EXPECT_EQ(replayed.files.sidecar, entry.files.sidecar);
    EXPECT_EQ(replayed.files.kept_latents, entry.files.kept_latents);
  }
}

TEST_F(ExpandTest, RandomSeedsAreDrawnOnceForAllThatIsCompared) {
  const Plan plan = ReadYAML(
      "version: 1\ndefaults: {model: model, prompt: p, seed: random}\njobs:\n"
      "  - {prompts: [a, b], compare: {reference: {}, variants: [{steps: 1}]}}\n"
      "  - {matrix: {seed: [random, random, 5], guidance: [1, 2]}}\n"
      "  - {repeat: 3}\n");
  EXPECT_TRUE(plan.drew_seeds);
  std::vector<int64_t> seeds;
  for (const PlanEntry& entry : plan.entries) seeds.push_back(entry.At("seed").value.get<int64_t>());
  ASSERT_EQ(seeds.size(), 13u);
  EXPECT_EQ(seeds[0], seeds[1]);
  EXPECT_EQ(seeds[2], seeds[3]);
  EXPECT_NE(seeds[0], seeds[2]);
  EXPECT_EQ(seeds[4], seeds[5]);
  EXPECT_EQ(seeds[6], seeds[7]);
  EXPECT_NE(seeds[4], seeds[6]);
  EXPECT_EQ(seeds[8], 5);
  EXPECT_EQ(seeds[11], seeds[10] + 1);
  EXPECT_EQ(seeds[12], seeds[10] + 2);
  for (int64_t seed : seeds) {
    EXPECT_GE(seed, 0);
    EXPECT_LE(seed, int64_t{1} << 53);
  }
  EXPECT_FALSE(ReadYAML("version: 1\njobs: [{model: model, prompt: p, seed: 3}]\n").drew_seeds);
}

TEST_F(ExpandTest, LargePlansAreQuickAndLean) {
  // 100,000 entries by an axis that no check depends on, and by one that every check does.
  for (const char* matrix : {"{seed: 1..100000}", "{attention.topk: 0.00001..1 step 0.00001}"}) {
    const auto start = std::chrono::steady_clock::now();
    const Plan plan = ReadYAML(
        "version: 1\ndefaults: {model: model, prompt: a red ball, out: \"{name}/{index}_{hash8}.mp4\"}\njobs: "
        "[{matrix: " +
        std::string(matrix) + "}]\n");
    ASSERT_EQ(plan.entries.size(), 100000u);
    RecordProperty(matrix,
                   std::to_string(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()));
    std::set<const EffectiveSettings*> bases;
    for (const PlanEntry& entry : plan.entries) {
      bases.insert(entry.base.get());
      ASSERT_LE(entry.own.size(), 6u);
    }
    EXPECT_EQ(bases.size(), 1u);  // what entries have in common is kept once
    EXPECT_EQ(plan.models.size(), 1u);
  }
  EXPECT_EQ(inspected_, 2);
}

TEST_F(ExpandTest, NodesAndBytes) {
  const auto list = [](int64_t count) {
    std::string text =
        "version: 1\ndefaults: {model: model, prompt: p}\njobs:\n  - seed: 1\n    matrix:\n      seed: [0";
    for (int64_t i = 1; i < count; ++i) text += "," + std::to_string(i);
    return text + "]\n";
  };
  EXPECT_EQ(ReadYAML(list(99000)).entries.size(), 99000u);
  EXPECT_NE(ErrorText([&] { ReadYAML(list(100001)); }).find("more than 100000 nodes"), std::string::npos);
}

TEST(Range, ExactInDecimals) {
  const auto values = [](const std::string& text) { return Join(ExpandRange(text, 1000).value(), " "); };
  EXPECT_EQ(values("1..3"), "1 2 3");
  EXPECT_EQ(values("0.1..0.5 step 0.1"), "0.1 0.2 0.3 0.4 0.5");
  EXPECT_EQ(values("7.0..7.8 step .2"), "7 7.2 7.4 7.6 7.8");
  EXPECT_EQ(values("-0.2..0.2 step 0.1"), "-0.2 -0.1 0 0.1 0.2");
  EXPECT_EQ(values("-.5...5 step .5"), "-0.5 0 0.5");
  EXPECT_EQ(values("1..10 step 4"), "1 5 9");
  EXPECT_EQ(values("+1..+2"), "1 2");
  EXPECT_EQ(values("1e2..3E2 step 1e+2"), "100 200 300");
  EXPECT_EQ(values("1e-7..2e-7 step 1e-7"), "0.0000001 0.0000002");
  EXPECT_EQ(values("0.30..0.30"), "0.3");
  EXPECT_EQ(values("-9223372036854775808..-9223372036854775807"), "-9223372036854775808 -9223372036854775807");
  EXPECT_FALSE(ExpandRange("1.5", 10));
  EXPECT_FALSE(ExpandRange("a.b", 10));
  EXPECT_FALSE(ExpandRange("", 10));
  for (const char* wrong : {"..",           "1..",
                            "..2",          "1..2..3",
                            "1..2 step",    "1..2 step x",
                            "1..2 by 1",    "1..2 step 1 1",
                            "1 ..",         "a..b",
                            "1..2step 1",   "1..99999999999999999999999999999999999999999",
                            "1e40..2e40",   "0..1 step 1e-31",
                            "2..1",         "1..2 step 0",
                            "1..2 step -1", "1..11",
                            "1..2 step",    "nan..inf",
                            "0x1..0x2"}) {
    EXPECT_THROW(ExpandRange(wrong, 10), base::Error) << wrong;
  }
}

}  // namespace
}  // namespace app
