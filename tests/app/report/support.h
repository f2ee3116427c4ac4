#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/report/batch_data.h"
#include "app/report/page.h"
#include "pipeline/media/media.h"
#include "tests/app/temp_folder.h"

namespace app {

// What a test says of one job of a batch; `status` of its last attempt, "" for none.
struct FakeJob {
  std::string name = "a", variant = "main", status = "done", role = "alone";
  int64_t index = 0;
  nlohmann::json settings = nlohmann::json::object();
  double seconds = 10, denoise_s = 8, sparsity = 0;
  nlohmann::json error, metrics;
  std::string started = "2026-05-01T00:00:00Z";
  std::string out;   // below the folder; "": by name, variant and index, .mp4
  bool clip = true;  // a file that plays, else three bytes
};

// Batches as `sparge render` leaves them, written here without rendering: a manifest of one process, the plan, clips
// and sidecars.
class ReportTest : public TempFolderTest {
 protected:
  using json = nlohmann::json;

  static std::string HashOf(const FakeJob& job) {
    std::string hash = std::to_string(std::hash<std::string>()(job.name + "\n" + job.variant)) + "x" +
                       std::to_string(job.index) + std::string(64, '0');
    return hash.substr(0, 64);
  }
  std::string OutOf(const FakeJob& job) const {
    if (!job.out.empty()) return job.out.starts_with("/") ? job.out : Path(job.out);
    return Path("out/job" + std::to_string(std::hash<std::string>()(job.name) % 100000) + "_" +
                std::to_string(std::hash<std::string>()(job.variant) % 100000) + "_" + std::to_string(job.index) +
                ".mp4");
  }
  std::string Manifests() const { return Path("jobs.manifest.d"); }
  static std::string Line(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  }

  // The clip that all jobs have, made once.
  const std::string& Clip() {
    const std::string path = Path("clip.mp4");
    if (!std::filesystem::exists(path)) {
      std::vector<float> rgb(5 * 16 * 32 * 3);
      for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = i % 3 == 0 ? 0.9f : 0.1f;  // red
      pipeline::NoProgress progress;
      pipeline::WriteMedia(path, {rgb.data(), 5, 16, 32}, {}, progress);
    }
    return clip_ = path;
  }

  static json SidecarOf(const FakeJob& job) {
    const auto call = [&](int layer, int kept) {
      return json{{"layer", layer},        {"kind", "self"},     {"pass", "cond"},   {"visible_blocks", {10}},
                  {"kept_blocks", {kept}}, {"pv_tiles", {kept}}, {"pv_skipped", {0}}};
    };
    json attention = {{"kernels", {{"avx512", 5}}},
                      {"fallbacks", json::array()},
                      {"sparsity", job.sparsity},
                      {"share_of_time", 0.5},
                      {"steps", json::array({{{"step", 0}, {"sigma", 1.0}, {"layers", {call(0, 10), call(1, 10)}}},
                                             {{"step", 1}, {"sigma", 0.5}, {"layers", {call(0, 4), call(1, 10)}}}})}};
    json settings = job.settings;
    settings["seed"] = settings.value("seed", json(1));
    return {{"schema", 1},
            {"hash", HashOf(job)},
            {"job", settings},
            {"program", {{"version", "0.1.0"}, {"device", "cpu"}, {"dtype", "float32"}}},
            {"model", {{"class", "WanPipeline"}, {"name", "toybox"}, {"hash", std::string(64, 'c')}}},
            {"timings_s", {{"total", job.seconds}, {"denoise", job.denoise_s}, {"decode", 0.5}, {"write", 0.1}}},
            {"peak_memory_bytes", 1 << 28},
            {"attention", attention},
            {"metrics", job.metrics}};
  }

  void WriteBatch(const std::vector<FakeJob>& jobs, bool plan = true) {
    std::filesystem::create_directories(Manifests());
    std::string planned = Line({{"schema", 1},
                                {"version", "0.1.0"},
                                {"source", Path("jobs.yaml")},
                                {"folder", Manifests()},
                                {"settings", {{"model", "/models/toybox"}, {"frames", 5}}},
                                {"jobs", jobs.size()}}),
                manifest;
    for (const FakeJob& job : jobs) {
      const std::string out = OutOf(job),
                        stem = (std::filesystem::path(out).parent_path() / std::filesystem::path(out).stem()).string();
      planned += Line({{"name", job.name},
                       {"variant", job.variant},
                       {"index", job.index},
                       {"hash", HashOf(job)},
                       {"role", job.role},
                       {"outputs", {out}},
                       {"sidecar", stem + ".json"},
                       {"settings", job.settings}});
      json outputs = json::array();
      if (job.status == "done") {
        std::filesystem::create_directories(std::filesystem::path(out).parent_path());
        if (job.clip) {
          std::filesystem::copy_file(Clip(), out, std::filesystem::copy_options::overwrite_existing);
        } else {
          std::ofstream(out) << "abc";
        }
        std::ofstream(stem + ".json") << SidecarOf(job).dump(-1, ' ', false, json::error_handler_t::replace);
        outputs.push_back({{"path", out}, {"bytes", std::filesystem::file_size(out)}, {"sha256", "0"}});
      }
      if (job.status.empty()) continue;
      manifest += Line({{"schema", 1},
                        {"hash", HashOf(job)},
                        {"version", "0.1.0"},
                        {"name", job.name},
                        {"variant", job.variant},
                        {"index", job.index},
                        {"status", job.status},
                        {"outputs", outputs},
                        {"started", job.started},
                        {"seconds", job.seconds},
                        {"host", "render1"},
                        {"device", "cpu"},
                        {"attempt", 1},
                        {"peak_memory_bytes", 1 << 28},
                        {"slurm_job", nullptr},
                        {"error", job.error}});
    }
    std::ofstream(Manifests() + "/render1.77.jsonl", std::ios::app) << manifest;
    if (plan) std::ofstream(Manifests() + "/batch.plan") << planned;
  }

  BatchData Read(const std::string& target = "") {
    pipeline::NoProgress progress;
    return ReadBatch(target.empty() ? Manifests() : target, progress);
  }
  static std::string PageOf(const BatchData& data, const PageOptions& options = {}) {
    std::string page;
    pipeline::NoProgress progress;
    WritePage(
        data, options, [&](std::string_view text) { page += text; }, progress);
    return page;
  }
  static std::string TextOf(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static size_t CountOf(const std::string& text, const std::string& what) {
    size_t count = 0;
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++count;
    return count;
  }

 private:
  std::string clip_;
};

}  // namespace app
