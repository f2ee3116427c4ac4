#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/batch/manifest.h"
#include "app/jobs/plan.h"
#include "pipeline/progress.h"

// Everything that a report tells, read from manifests, recorded plans and sidecars: all of it may come from anybody.
namespace app {

// What attention skipped, step by layer: shares 0…1, NaN where nothing is known.
struct SkipMap {
  int64_t steps = 0, layers = 0;
  std::vector<float> values;  // [layers][steps]
  bool empty() const { return values.empty(); }
};

struct ReportJob {
  enum class State { kDone, kFailed, kLeft };

  std::string name, variant, hash, sidecar;  // `sidecar`: its path; "": none
  int64_t index = 0;
  PlanRole role = PlanRole::kAlone;
  std::vector<std::string> outputs;
  nlohmann::json settings = nlohmann::json::object();  // {dotted key: value}, all that is known

  State state = State::kLeft;
  std::string note;               // of what is left: "cancelled (denoise 3)", "running (host, process 7)"; "" else
  std::vector<Attempt> attempts;  // in the order in which they began

  // From the sidecar of this very job; absent where there is none.
  std::optional<double> total_s, load_s, encode_s, denoise_s, decode_s, write_s;
  std::optional<double> sparsity, attention_share;
  std::optional<double> psnr_db, ssim, flicker;  // against its reference; no PSNR where all frames are identical
  bool identical = false;
  std::string measured_on, comparison;  // how metrics were measured; folder of the comparison
  std::optional<double> speedup;        // denoising of the reference over that of this job
  SkipMap skipped;
  std::string device, dtype, version, model, model_hash, kernels;
  int64_t peak_memory_bytes = 0;
  int64_t fallbacks = 0, redone_steps = 0;

  const Attempt* last() const { return attempts.empty() ? nullptr : &attempts.back(); }
  std::string Title() const;                          // "balls/half/3"
  std::optional<double> Seconds() const;              // of the render; of its attempt where the sidecar does not say
  std::string Setting(const std::string& key) const;  // as text; "" where it is not known
};

struct BatchData {
  std::string name;    // for people: the YAML's, else the folder's
  std::string folder;  // where the report goes
  std::vector<std::string> sources;
  bool plan_known = false;      // what is left is known
  int64_t other_records = 0;    // attempts of jobs that are not in the plan any more
  std::vector<ReportJob> jobs;  // in order of the plan, else of the first attempts
  std::vector<std::string> notices;
  std::vector<std::string> varying;  // keys of settings that are not the same in all jobs, in the table's order

  int64_t Count(ReportJob::State state) const;
};

// Reads all that is known of a batch. Errors as WriteReport.
BatchData ReadBatch(const std::string& target, pipeline::Progress& progress);

// Seconds since 1970 of "2026-05-31T23:59:59Z"; absent for anything else.
std::optional<double> SecondsOf(const std::string& utc);

}  // namespace app
