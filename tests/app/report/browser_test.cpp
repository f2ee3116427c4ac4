#include <cstdlib>

#include "app/report/report.h"
#include "tests/app/report/support.h"

namespace app {
namespace {

class BrowserTest : public ReportTest {};

// The page in a browser: nothing of the files runs, nothing is fetched, tables sort, clips play.
TEST_F(BrowserTest, ChromiumFindsNothingWrong) {
  if (std::system("command -v chromium chromium-browser google-chrome > /dev/null") != 0) {
    GTEST_SKIP() << "no Chromium on this machine";
  }
  std::vector<FakeJob> jobs;
  for (int64_t i = 0; i < 12; ++i) {
    FakeJob job;
    job.index = i / 2;
    job.name = "study </script><script>window.hacked=1</script>";
    job.variant = i % 2 ? "half \"><img src=x onerror=window.hacked=1>" : "reference";
    job.role = i % 2 ? "variant" : "reference";
    job.settings = {{"prompt", "' onmouseover='window.hacked=1"}, {"seed", 100 - i / 2}};
    job.seconds = static_cast<double>(i * 7 % 5) + 1;
    job.denoise_s = job.seconds / 2;
    job.sparsity = i % 2 ? 0.1 * static_cast<double>(i % 4) : 0;
    if (i % 2) job.metrics = {{"psnr", {{"clip", 20.0 + static_cast<double>(i * 5 % 7)}}}, {"ssim", {{"mean", 0.9}}}};
    if (i == 9) {
      job.status = "failed";
      job.error = {{"cause", "<b>"}, {"stage", "denoise"}, {"step", 3}, {"message", "<svg onload=window.hacked=1>"}};
    }
    if (i == 11) job.status = "";
    jobs.push_back(job);
  }
  WriteBatch(jobs);
  pipeline::NoProgress progress;
  const ReportFiles files = WriteReport(Manifests(), progress);
  const std::string command = std::string("/usr/bin/python3 ") + SPARGE_SOURCE_DIR +
                              "/tests/app/report/browser_check.py '" + files.html + "' > '" + Path("said") + "' 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << TextOf(Path("said"));
}

}  // namespace
}  // namespace app
