#include "app/compare/label.h"

#include "tests/app/compare/support.h"

namespace app {
namespace {

using nlohmann::json;

SourceInfo Made(const std::string& name, json job, json sidecar = nullptr) {
  SourceInfo source;
  source.path = source.name = name;
  source.provenance.job = std::move(job);
  source.provenance.sidecar = std::move(sidecar);
  return source;
}

TEST(CompareLabel, OnlyWhatDiffersWithSecondsAndSparsity) {
  const json dense = {{"attention.mode", "dense"}, {"attention.topk", nullptr},
                      {"prompt", "a ball"},        {"seed", 3},
                      {"out", {"a.mp4"}},          {"threads", 1},
                      {"overwrite", true}};
  json sparse = dense;
  sparse["attention.mode"] = "sparge";
  sparse["attention.topk"] = 0.3;
  sparse["out"] = {"b.mp4"};
  sparse["threads"] = 2;
  sparse["overwrite"] = false;
  const std::vector<SourceInfo> sources = {
      Made("a.mp4", dense, {{"timings_s", {{"total", 20.04}}}, {"attention", {{"sparsity", 0}}}}),
      Made("b.mp4", sparse, {{"timings_s", {{"total", 12.34}}}, {"attention", {{"sparsity", 0.537}}}})};
  const std::vector<DifferingSetting> settings = DifferingSettings(sources);
  ASSERT_EQ(settings.size(), 2u);
  EXPECT_EQ(settings[0].key, "attention.mode");
  EXPECT_EQ(settings[1].values, (std::vector<std::string>{"none", "0.3"}));
  const std::vector<SourceLabel> labels = LabelsOf(sources);
  EXPECT_EQ(labels[0].title, "dense");
  EXPECT_EQ(labels[0].details, "20.0 s, 0 % skipped");
  EXPECT_EQ(labels[1].title, "sparge, topk 0.3");
  EXPECT_EQ(labels[1].details, "12.3 s, 54 % skipped");
}

TEST(CompareLabel, NamesWhereNothingIsKnownToDiffer) {
  const json job = {{"attention.mode", "dense"}, {"prompt", "a ball"}};
  for (const auto& [first, second] : {std::pair<json, json>{nullptr, nullptr}, {job, job}, {job, nullptr}}) {
    const std::vector<SourceLabel> labels = LabelsOf({Made("a.mp4", first), Made("b.mp4", second)});
    EXPECT_EQ(labels[0].title, "a.mp4");
    EXPECT_EQ(labels[1].title, "b.mp4");
    EXPECT_EQ(labels[1].details, "");
  }
  // Two of three alike: their names.
  json other = job;
  other["seed"] = 5;
  const std::vector<SourceLabel> labels = LabelsOf({Made("a.mp4", job), Made("b.mp4", other), Made("c.mp4", other)});
  EXPECT_EQ(labels[1].title, "b.mp4");
  EXPECT_EQ(labels[2].title, "c.mp4");
}

// Jobs come out of files: any shape may stand there.
TEST(CompareLabel, HostileJobs) {
  const json odd = {{"attention.mode", {{"deep", {1, 2}}}},
                    {"prompt", std::string(100000, 'x')},
                    {"seed", json::array()},
                    {"no such key", 1},
                    {"model", "/a/b/model"},
                    {"fps", "\xff\xfe"}};
  const json sidecar = {{"timings_s", 3}, {"attention", {{"sparsity", "many"}}}};
  const std::vector<SourceLabel> labels =
      LabelsOf({Made("a.mp4", odd, sidecar), Made("b.mp4", {{"model", "/c/other"}})});
  EXPECT_EQ(labels[0].details, "");
  EXPECT_LT(labels[0].title.size(), 1000u);
  EXPECT_NE(labels[0].title.find("model"), std::string::npos);
  EXPECT_NE(labels[1].title.find("other"), std::string::npos);
  EXPECT_EQ(labels[1].title.find("/c"), std::string::npos);
}

class CompareProvenance : public TempFolderTest {};

TEST_F(CompareProvenance, TheSidecarMustBeOfTheSameJob) {
  const std::string sidecar = R"({"hash": "h", "job": {"seed": 1}, "timings_s": {"total": 2}})";
  media_test::WriteFile(Path("a.json"), sidecar);
  media_test::WriteFile(Path("b.json"), "no JSON");
  const auto seconds = [&](const char* name, const char* comment) {
    return ReadProvenance(Path(name), comment).seconds();
  };
  EXPECT_EQ(seconds("a.mp4", ""), 2);
  EXPECT_EQ(seconds("a.mp4", R"({"hash": "h", "job": {"seed": 1}})"), 2);
  EXPECT_EQ(seconds("a.mp4", R"({"hash": "other", "job": {"seed": 1}})"), -1);
  EXPECT_EQ(seconds("a.avi", ""), 2);
  EXPECT_EQ(seconds("a_%04d.png", ""), 2);
  EXPECT_EQ(seconds("b.mp4", ""), -1);
  EXPECT_EQ(seconds("c.mp4", "[1, 2"), -1);
  EXPECT_TRUE(ReadProvenance(Path("c.mp4"), R"({"job": 3})").job.is_null());
}

}  // namespace
}  // namespace app
