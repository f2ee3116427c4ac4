#include <algorithm>

#include "app/report/report.h"
#include "app/report/report_csv.h"
#include "attention/base/error.h"
#include "tests/app/report/support.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using State = ReportJob::State;

class BatchDataTest : public ReportTest {
 protected:
  static FakeJob Of(const std::string& name, const std::string& status, int64_t index = 0) {
    FakeJob job;
    job.name = name;
    job.status = status;
    job.index = index;
    if (status == "failed") job.error = {{"cause", "io"}, {"stage", "decode"}, {"step", nullptr}, {"message", "no"}};
    if (status == "cancelled") {
      job.error = {{"cause", "cancelled"}, {"stage", "denoise"}, {"step", 3}, {"message", "stopped"}};
    }
    return job;
  }
  static std::string CSVOf(const BatchData& data) {
    std::string csv;
    WriteReportCSV(data, [&](std::string_view text) { csv += text; });
    return csv;
  }
};

TEST_F(BatchDataTest, DoneFailedAndLeft) {
  WriteBatch({Of("a", "done"), Of("b", "failed"), Of("c", "cancelled"), Of("d", ""), Of("e", "done")});
  fs::resize_file(OutOf(Of("e", "done")), 5);
  const BatchData data = Read();
  ASSERT_EQ(data.jobs.size(), 5u);
  EXPECT_TRUE(data.plan_known);
  EXPECT_EQ(data.name, "jobs.yaml");
  EXPECT_EQ(data.folder, Manifests());
  EXPECT_EQ(data.jobs[0].state, State::kDone);
  EXPECT_EQ(data.jobs[1].state, State::kFailed);
  EXPECT_EQ(data.jobs[2].state, State::kLeft);
  EXPECT_EQ(data.jobs[2].note, "cancelled (denoise 3)");
  EXPECT_EQ(data.jobs[3].state, State::kLeft);
  EXPECT_EQ(data.jobs[3].note, "");
  EXPECT_EQ(data.jobs[4].state, State::kLeft);
  EXPECT_EQ(data.jobs[4].note, "was done; its file is gone or changed");
  EXPECT_EQ(data.Count(State::kLeft), 3);
  EXPECT_DOUBLE_EQ(*data.jobs[0].Seconds(), 10);
  EXPECT_EQ(data.jobs[0].model, "toybox · WanPipeline");
  EXPECT_EQ(data.jobs[0].device, "cpu");
  EXPECT_EQ(data.jobs[0].Setting("model"), "toybox");
}

TEST_F(BatchDataTest, LaterAttemptsCount) {
  FakeJob job = Of("a", "failed");
  WriteBatch({job});
  EXPECT_EQ(Read().jobs[0].state, State::kFailed);
  job.status = "done";
  job.started = "2026-05-01T00:10:00Z";
  WriteBatch({job});
  const BatchData data = Read();
  ASSERT_EQ(data.jobs.size(), 1u);
  EXPECT_EQ(data.jobs[0].state, State::kDone);
  EXPECT_EQ(data.jobs[0].attempts.size(), 2u);
}

TEST_F(BatchDataTest, SpeedupAndMetricsAgainstTheReference) {
  FakeJob reference = Of("a", "done"), half = Of("a", "done");
  reference.variant = reference.role = "reference";
  half.variant = "half";
  half.role = "variant";
  half.denoise_s = 2;
  half.sparsity = 0.25;
  half.metrics = {{"measured_on", "decoded"},    {"psnr", {{"clip", 31.5}}}, {"ssim", {{"mean", 0.9}}},
                  {"flicker", {{"mean", 0.01}}}, {"identical", false},       {"comparison", Path("out/cmp")}};
  WriteBatch({reference, half});
  const BatchData data = Read();
  EXPECT_FALSE(data.jobs[0].speedup);
  EXPECT_DOUBLE_EQ(*data.jobs[1].speedup, 4);
  EXPECT_DOUBLE_EQ(*data.jobs[1].psnr_db, 31.5);
  EXPECT_DOUBLE_EQ(*data.jobs[1].ssim, 0.9);
  EXPECT_DOUBLE_EQ(*data.jobs[1].flicker, 0.01);
  EXPECT_DOUBLE_EQ(*data.jobs[1].sparsity, 0.25);
  // Two steps of two layers; layer 0 kept 4 of 10 in step 1.
  ASSERT_EQ(data.jobs[1].skipped.values.size(), 4u);
  EXPECT_FLOAT_EQ(data.jobs[1].skipped.values[0], 0);
  EXPECT_FLOAT_EQ(data.jobs[1].skipped.values[1], 0.6f);
}

TEST_F(BatchDataTest, WhatVariesIsKnown) {
  FakeJob a = Of("a", "done", 0), b = Of("a", "done", 1);
  a.settings = {{"seed", 1}, {"guidance", 3.0}, {"out", "x"}};
  b.settings = {{"seed", 2}, {"guidance", 3.0}, {"out", "y"}};
  WriteBatch({a, b});
  EXPECT_EQ(Read().varying, std::vector<std::string>{"seed"});
  const std::string csv = CSVOf(Read());
  EXPECT_TRUE(csv.starts_with(kReportCSVHead)) << csv;
  EXPECT_EQ(CountOf(csv, "\r\n"), 3u);
  EXPECT_EQ(CountOf(csv, "\n"), 3u);
  EXPECT_NE(csv.find(",comparison,seed\r\n"), std::string::npos) << csv;
  EXPECT_NE(csv.find(",2\r\n"), std::string::npos) << csv;
}

TEST_F(BatchDataTest, EveryKindOfTarget) {
  WriteBatch({Of("a", "done"), Of("b", "failed")});
  std::ofstream(Path("jobs.yaml")) << "version: 1\njobs: []\n";
  for (const std::string& target :
       {Manifests(), Manifests() + "/", Manifests() + "/render1.77.jsonl", Path("jobs.yaml"), folder_}) {
    const BatchData data = Read(target);
    EXPECT_EQ(data.Count(State::kDone), 1) << target;
    EXPECT_EQ(data.Count(State::kFailed), 1) << target;
    EXPECT_EQ(data.folder, target == folder_ ? folder_ : Manifests()) << target;
  }
  // Clips with sidecars and nothing else.
  const BatchData clips = Read(Path("out"));
  ASSERT_EQ(clips.jobs.size(), 1u);
  EXPECT_EQ(clips.jobs[0].state, State::kDone);
  EXPECT_EQ(clips.jobs[0].outputs, std::vector<std::string>{OutOf(Of("a", "done"))});
  fs::create_directories(Path("empty"));
  std::ofstream(Path("other.yaml")) << "version: 1\njobs: []\n";
  for (const char* target : {"empty", "none", "other.yaml"}) {
    try {
      Read(Path(target));
      ADD_FAILURE() << target;
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidInput) << target;
      EXPECT_NE(std::string(error.what()).find(target), std::string::npos) << error.what();
    }
  }
}

TEST_F(BatchDataTest, WithoutAPlanTheAttemptsTell) {
  WriteBatch({Of("a", "done"), Of("b", "failed"), Of("c", "cancelled")}, false);
  const BatchData data = Read();
  EXPECT_FALSE(data.plan_known);
  EXPECT_EQ(data.Count(State::kDone), 1);
  EXPECT_EQ(data.Count(State::kFailed), 1);
  EXPECT_EQ(data.Count(State::kLeft), 1);
}

TEST_F(BatchDataTest, ABatchThatMovedIsFound) {
  WriteBatch({Of("a", "done")});
  fs::create_directories(beside_);
  for (const char* part : {"out", "jobs.manifest.d"}) fs::rename(Path(part), beside_ + "/" + part);
  const BatchData data = Read(beside_ + "/jobs.manifest.d");
  ASSERT_EQ(data.jobs.size(), 1u);
  EXPECT_EQ(data.jobs[0].state, State::kDone);
  EXPECT_TRUE(data.jobs[0].outputs[0].starts_with(beside_)) << data.jobs[0].outputs[0];
}

TEST_F(BatchDataTest, ASidecarOfAnotherJobSaysNothing) {
  WriteBatch({Of("a", "done")});
  const std::string sidecar = Read().jobs[0].sidecar;
  std::ofstream(sidecar) << R"({"hash": "other", "job": {}, "timings_s": {"total": 777}})";
  const BatchData data = Read();
  EXPECT_TRUE(data.jobs[0].sidecar.empty());
  EXPECT_DOUBLE_EQ(*data.jobs[0].Seconds(), 10);  // of the attempt
}

// Of any type and any value: no exception, no number that is none.
TEST_F(BatchDataTest, AnythingMayStandInTheFiles) {
  WriteBatch({Of("a", "done"), Of("b", "failed")});
  const std::string sidecar = Read().jobs[0].sidecar, hash = Read().jobs[0].hash;
  const std::vector<std::string> values = {"null", "true", "-1",      "1e308",        "\"<b>\"",
                                           "[]",   "{}",   "[[[1]]]", "{\"a\": [1]}", "18446744073709551615"};
  for (const char* key : {"timings_s", "attention", "metrics", "program", "model", "peak_memory_bytes", "schema"}) {
    for (const std::string& value : values) {
      std::ofstream(sidecar) << "{\"hash\": \"" << hash << "\", \"job\": {}, \"" << key << "\": " << value << "}";
      const BatchData data = Read();
      EXPECT_EQ(data.jobs.size(), 2u);
      EXPECT_FALSE(PageOf(data).empty());
      EXPECT_FALSE(CSVOf(data).empty());
    }
  }
  for (const char* key : {"total", "denoise", "sparsity", "steps", "fallbacks", "redone", "kernels", "psnr", "ssim"}) {
    for (const std::string& value : values) {
      std::ofstream(sidecar) << "{\"hash\": \"" << hash << "\", \"job\": {}, \"timings_s\": {\"" << key
                             << "\": " << value << "}, \"attention\": {\"" << key << "\": " << value
                             << "}, \"metrics\": {\"" << key << "\": " << value << "}}";
      const std::string page = PageOf(Read());
      EXPECT_EQ(page.find(">nan"), std::string::npos);
      EXPECT_EQ(page.find(">inf"), std::string::npos);
      EXPECT_EQ(page.find("<b>\"<"), std::string::npos);
    }
  }
  for (const char* key : {"name", "variant", "index", "status", "outputs", "started", "seconds", "host", "device",
                          "attempt", "error", "hash", "version", "slurm_job", "schema", "peak_memory_bytes"}) {
    for (const std::string& value : values) {
      std::ofstream(Manifests() + "/x.1.jsonl")
          << R"({"schema":1,"hash":"h","name":"n","variant":"v","index":0,"status":"failed","outputs":[],)"
          << R"("started":"2026-05-01T00:00:00Z","seconds":1,"attempt":1,"error":{"log":)" << value << R"(},")" << key
          << "\":" << value << "}\n";
      std::ofstream(Manifests() + "/batch-1.plan")
          << R"({"schema":1,"source":"s","folder":"f","settings":{},"jobs":1})"
          << "\n"
          << R"({"name":"n","variant":"v","index":0,"hash":"h","role":"alone","outputs":["/x"],"sidecar":null,)"
          << R"("settings":{"prompt":)" << value << "},\"" << key << "\":" << value << "}\n";
      const BatchData data = Read();
      EXPECT_GE(data.jobs.size(), 2u);
      EXPECT_FALSE(PageOf(data).empty());
      EXPECT_FALSE(CSVOf(data).empty());
    }
  }
}

TEST_F(BatchDataTest, BytesOfAnyKindInThePlan) {
  WriteBatch({Of("a", "done")});
  for (const std::string& text : {std::string("\0\xFF\n{", 4), std::string("{}"), std::string("[]\n[]\n"),
                                  std::string(3 << 20, 'x'), std::string("{\"schema\": 99}")}) {
    std::ofstream(Manifests() + "/batch.plan") << text;
    const BatchData data = Read();
    EXPECT_FALSE(data.plan_known);
    EXPECT_EQ(data.Count(State::kDone), 1);
    EXPECT_FALSE(data.notices.empty());
  }
}

TEST_F(BatchDataTest, FilesThatAreNoReportsStay) {
  WriteBatch({Of("a", "done")});
  std::ofstream(Manifests() + "/report.html") << "<h1>mine</h1>";
  pipeline::NoProgress progress;
  EXPECT_THROW(WriteReport(Manifests(), progress), base::Error);
  EXPECT_EQ(TextOf(Manifests() + "/report.html"), "<h1>mine</h1>");
  EXPECT_FALSE(fs::exists(Manifests() + "/report.csv"));
  fs::remove(Manifests() + "/report.html");
  EXPECT_EQ(WriteReport(Manifests(), progress).done, 1);
  EXPECT_EQ(WriteReport(Manifests(), progress).done, 1);  // replaces its own
}

TEST(SecondsOf, UTCOnly) {
  EXPECT_DOUBLE_EQ(*SecondsOf("1970-01-02T00:00:01Z"), 86401);
  EXPECT_DOUBLE_EQ(*SecondsOf("2026-05-31T23:59:59Z"), 1780271999);
  for (const char* text : {"", "today", "2026-05-31", "2026-05-31T23:59:59", "2026-05-31T23:59:59+02:00"}) {
    EXPECT_FALSE(SecondsOf(text)) << text;
  }
}

}  // namespace
}  // namespace app
