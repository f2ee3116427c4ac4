#include "app/report/page.h"

#include <sys/stat.h>

#include "tests/app/report/support.h"

namespace app {
namespace {

class PageTest : public ReportTest {};

const char* const kHostile[] = {"</script><script>window.hacked=1</script>",
                                "\"><img src=x onerror=window.hacked=1>",
                                "' onmouseover='window.hacked=1",
                                "</style></title><svg onload=window.hacked=1>",
                                "<!--",
                                "]]>",
                                "javascript:window.hacked=1",
                                "{{x}}\\u003cscript\\u003e"};

TEST_F(PageTest, HasEverySection) {
  FakeJob reference, half, failed, left;
  reference.variant = reference.role = "reference";
  half.variant = "half";
  half.role = "variant";
  half.sparsity = 0.3;
  half.denoise_s = 4;
  half.metrics = {{"psnr", {{"clip", 31.5}}}, {"ssim", {{"mean", 0.9}}}, {"comparison", Path("cmp")}};
  failed.name = "b";
  failed.status = "failed";
  failed.error = {{"cause", "out_of_memory"},
                  {"stage", "decode"},
                  {"step", nullptr},
                  {"message", "no memory for the VAE"},
                  {"log", {"12:00 denoise", "12:01 decode"}}};
  left.name = "c";
  left.status = "";
  WriteBatch({reference, half, failed, left});
  const std::string page = PageOf(Read());
  for (const char* id :
       {"failures", "left", "clips", "measures", "skipped", "timeline", "slowest", "jobs", "machines"}) {
    EXPECT_EQ(CountOf(page, std::string("<section id=") + id + ">"), 1u) << id;
  }
  for (const char* text :
       {"Not enough memory", "Smaller width, height or frames", "no memory for the VAE", "12:00 denoise\n12:01 decode",
        "<b>2.00 ×</b>", "31.5 dB", "SSIM 0.900", "30.0 % skipped", "render1.77", "data:video/mp4;base64,",
        "data:image/jpeg;base64,", "data:image/png;base64,", "../cmp/report.html"}) {
    EXPECT_NE(page.find(text), std::string::npos) << text;
  }
  EXPECT_LT(page.find("<section id=failures>"), page.find("<section id=clips>"));
  EXPECT_EQ(page.find("http:"), std::string::npos);
  EXPECT_EQ(page.find("https:"), std::string::npos);
}

TEST_F(PageTest, EscapesWhateverStandsInTheFiles) {
  std::vector<FakeJob> jobs;
  int64_t index = 0;
  for (const char* text : kHostile) {
    FakeJob job;
    job.name = job.variant = job.started = text;
    job.index = index++;
    job.settings = {{"prompt", text}, {"seed", index}, {"negative_prompt", {{text, text}}}};
    job.metrics = {{"comparison", text}, {"measured_on", text}, {"psnr", {{"clip", 1.0}}}};
    jobs.push_back(job);
    job.status = "failed";
    job.name += "f";
    job.error = {{"cause", text}, {"stage", text}, {"step", text}, {"message", text}, {"log", {text, text}}};
    jobs.push_back(job);
    job.name += "l";
    job.status = "cancelled";
    jobs.push_back(job);
  }
  jobs[0].out = "out/\"><script>x.mp4";
  WriteBatch(jobs);
  std::ofstream(Manifests() + "/<script>.1.jsonl") << "{}\n";  // a notice names it
  const BatchData data = Read();
  EXPECT_EQ(data.Count(ReportJob::State::kDone), 8);
  const std::string page = PageOf(data);
  EXPECT_EQ(CountOf(page, "<script"), 1u);
  EXPECT_EQ(CountOf(page, "</script"), 1u);
  EXPECT_EQ(CountOf(page, "<style"), 1u);
  EXPECT_EQ(CountOf(page, "</style"), 1u);
  EXPECT_EQ(CountOf(page, "<img src=x"), 0u);
  EXPECT_EQ(CountOf(page, "<svg onload"), 0u);
  EXPECT_EQ(CountOf(page, "' onmouseover"), 0u);
  EXPECT_EQ(CountOf(page, "<!--"), 0u);
  EXPECT_EQ(CountOf(page, "href=\"javascript:"), 0u);
  EXPECT_NE(page.find("&lt;/script&gt;&lt;script&gt;window.hacked=1"), std::string::npos);
}

TEST_F(PageTest, LargeClipsAreLinked) {
  FakeJob job;
  WriteBatch({job});
  PageOptions options;
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(OutOf(job)));
  options.most_clip_bytes = bytes;
  EXPECT_NE(PageOf(Read(), options).find("src=\"data:video/mp4;base64,"), std::string::npos);
  options.most_clip_bytes = bytes - 1;
  const std::string linked = PageOf(Read(), options);
  EXPECT_EQ(linked.find("data:video/mp4"), std::string::npos);
  EXPECT_NE(linked.find("src=\"../out/job"), std::string::npos);
  EXPECT_NE(linked.find("poster=\"data:image/jpeg;base64,"), std::string::npos);
  EXPECT_EQ(PageOptions().most_clip_bytes, 20'000'000);
  // All of them together, too.
  options = {};
  options.most_embedded_bytes = bytes + bytes / 2;
  FakeJob other;
  other.index = 1;
  WriteBatch({job, other});
  EXPECT_EQ(CountOf(PageOf(Read(), options), "src=\"data:video/mp4;base64,"), 1u);
}

// A path in a manifest may name anything: a file that is no clip, a pipe, an address.
TEST_F(PageTest, WhatIsNoClipHasNoPicture) {
  FakeJob text, pipe, address;
  text.clip = false;
  pipe.index = 1;
  pipe.out = "out/pipe.mp4";
  address.index = 2;
  WriteBatch({text});
  ASSERT_EQ(mkfifo(Path("out/pipe.mp4").c_str(), 0600), 0);
  BatchData data = Read();
  data.jobs.push_back(data.jobs[0]);
  data.jobs.push_back(data.jobs[0]);
  data.jobs.push_back(data.jobs[0]);
  data.jobs[1].outputs = {Path("out/pipe.mp4")};
  data.jobs[2].outputs = {"http://127.0.0.1:9/x.mp4"};
  data.jobs[3].outputs = {"/dev/zero", "out/", ""};
  EXPECT_EQ(CountOf(PageOf(data), "no picture"), 4u);
}

// Thousands of jobs make a page that opens: rows, clips and lists have an end that is told.
TEST_F(PageTest, ThousandsOfJobs) {
  std::filesystem::create_directories(Manifests());
  std::string manifest, planned = Line({{"schema", 1},
                                        {"source", "/j.yaml"},
                                        {"folder", Manifests()},
                                        {"settings", json::object()},
                                        {"jobs", 12000}});
  for (int i = 0; i < 12000; ++i) {
    const std::string hash = std::to_string(i) + std::string(60, 'h');
    planned += Line({{"name", "a"},
                     {"variant", "main"},
                     {"index", i},
                     {"hash", hash},
                     {"role", "alone"},
                     {"outputs", {Path(std::to_string(i) + ".mp4")}},
                     {"sidecar", nullptr},
                     {"settings", {{"seed", i}, {"prompt", "a red ball"}}}});
    if (i % 3 != 0) continue;
    manifest += Line({{"schema", 1},
                      {"hash", hash},
                      {"name", "a"},
                      {"variant", "main"},
                      {"index", i},
                      {"status", "failed"},
                      {"outputs", json::array()},
                      {"started", "2026-05-01T00:00:00Z"},
                      {"seconds", 1},
                      {"error", {{"cause", "io"}, {"message", "full"}}}});
  }
  std::ofstream(Manifests() + "/batch.plan") << planned;
  std::ofstream(Manifests() + "/h.1.jsonl") << manifest;
  const BatchData data = Read();
  EXPECT_EQ(data.Count(ReportJob::State::kFailed), 4000);
  EXPECT_EQ(data.Count(ReportJob::State::kLeft), 8000);
  const std::string page = PageOf(data);
  EXPECT_LT(page.size(), size_t{6'000'000});
  EXPECT_EQ(CountOf(page, "<tr id=job"), kMostRows);
  EXPECT_EQ(CountOf(page, "<figure>"), PageOptions().most_blanks);
  EXPECT_NE(page.find("The first 5,000 of 12,000"), std::string::npos);
  EXPECT_NE(page.find("11,500 more jobs have no clip yet"), std::string::npos);
  EXPECT_NE(page.find("and 3960 more: the table of jobs has them"), std::string::npos);
}

}  // namespace
}  // namespace app
