#include "app/batch/plan_record.h"
#include "app/report/report_csv.h"
#include "tests/app/batch/batch_fixture.h"

namespace app {
namespace {

using nlohmann::json;

class ReportCommandTest : public BatchTest {
 protected:
  std::string TextOf(const std::string& name) {
    std::ifstream in(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

TEST_F(ReportCommandTest, OfARealBatch) {
  WriteJobs(
      "  - name: study\n    matrix: {seed: [1, 2]}\n    compare:\n      reference: {attention: {mode: dense}}\n"
      "      variants: [{name: half, attention: {mode: sparge, topk: 0.5}}]\n"
      "  - name: broken\n    model: ./model\n  - name: later\n    repeat: 3\n");
  const std::string weights = CopyModel() + "/transformer/diffusion_pytorch_model.safetensors";
  ASSERT_TRUE(std::filesystem::exists(weights));
  {
    std::fstream file(weights, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-64, std::ios::end);
    file << std::string(64, '\xFF');  // NaN in the last tensor
  }
  const ProcessResult rendered = Render({"--only", "study", "--only", "broken"});
  ASSERT_EQ(rendered.status, 1) << rendered.err;
  const ProcessResult result = Run({"report", "jobs.yaml"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("4 done, 1 failed, 3 left: ")) << result.out;
  const std::string page = TextOf("jobs.manifest.d/report.html"), csv = TextOf("jobs.manifest.d/report.csv");
  EXPECT_NE(page.find("study/half/1"), std::string::npos);
  EXPECT_NE(page.find("compare</a>"), std::string::npos);
  EXPECT_NE(page.find("NaN or infinity in the result"), std::string::npos);
  EXPECT_NE(page.find("<pre>"), std::string::npos);  // what the job said last
  EXPECT_TRUE(csv.starts_with(kReportCSVHead));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 9);
  // A second time it replaces its own; the batch goes on.
  EXPECT_EQ(Run({"report", "jobs.manifest.d"}).status, 0);
  EXPECT_EQ(Render({"--only", "later"}).status, 0);
  const ProcessResult more = Run({"report", "jobs.manifest.d"});
  EXPECT_TRUE(more.out.starts_with("7 done, 1 failed, 0 left: ")) << more.out;
}

// Whatever part a process renders, the whole plan is recorded, once.
TEST_F(ReportCommandTest, ThePlanIsRecorded) {
  WriteJobs("  - name: a\n    matrix: {seed: [1, 2]}\n  - name: b\n    prompt: dance\n");
  ASSERT_EQ(Render({"--shard", "1/3"}).status, 0);
  std::vector<std::string> notices;
  const std::string text = TextOf("jobs.manifest.d/batch.plan");
  const std::vector<RecordedPlan> plans = ReadRecordedPlans(Path("jobs.manifest.d"), notices);
  EXPECT_TRUE(notices.empty());
  ASSERT_EQ(plans.size(), 1u);
  EXPECT_EQ(plans[0].source, std::filesystem::canonical(Path("jobs.yaml")).string());
  ASSERT_EQ(plans[0].jobs.size(), 3u);
  EXPECT_EQ(plans[0].jobs[1].settings["seed"], 2);
  EXPECT_EQ(plans[0].jobs[2].settings["prompt"], "dance");
  EXPECT_EQ(plans[0].settings["steps"], 3);
  EXPECT_EQ(plans[0].jobs[0].hash, Manifest()[0]["hash"]);
  ASSERT_EQ(Render({"--shard", "2/3"}).status, 0);
  EXPECT_EQ(TextOf("jobs.manifest.d/batch.plan"), text);
  EXPECT_TRUE(Run({"report", "jobs.yaml"}).out.starts_with("2 done, 0 failed, 1 left: "));
}

TEST_F(ReportCommandTest, WhatIsNoBatch) {
  for (const std::vector<std::string>& args : {std::vector<std::string>{"report"},
                                               {"report", "a", "b"},
                                               {"report", "missing"},
                                               {"report", "."},
                                               {"report", "--frames", "3", "."},
                                               {"report", "--progress", "loud", "."}}) {
    const ProcessResult result = Run(args);
    EXPECT_EQ(result.status, 2) << result.err;
    ExpectErrorLines(result.err);
  }
  EXPECT_TRUE(Names().empty());
  EXPECT_NE(Run({"report", "--help"}).out.find("report.csv"), std::string::npos);
}

}  // namespace
}  // namespace app
