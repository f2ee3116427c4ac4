#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/jobs/plan.h"

namespace app {

// The flags of `sparge render` (docs/interfaces.md, "Commands"). Who gets a plan beside them gets what `selection`
// selected.
struct RenderOptions {
  std::string source;  // JOBS.yaml, PLAN.json or CLIP, as given
  SetFlags sets;
  PlanSelection selection;
  std::string progress = "auto";  // a ProgressStyle's name

  // Instead of rendering.
  bool dry_run = false;
  bool explain = false;
  bool slurm = false;
  bool status = false;    // what the manifests say
  std::string plan_file;  // empty: not wanted
  std::string partition;  // of Slurm
  std::string sbatch;     // further arguments of sbatch, as a shell would take them apart
  int64_t array = 0;      // tasks of the Slurm array; 0: not said

  // How to render.
  int64_t retry = 0;  // further attempts at what failed
  bool force = false;
  bool fail_fast = false;
  std::optional<int64_t> max_jobs;
  std::optional<double> time_budget_s, job_timeout_s;
  std::string manifest;  // folder in place of JOBS.manifest.d beside the YAML; empty: that
};

// Reads them from a command line. `help` is set, and nothing checked, where the help text is asked for. Throws
// InputErrors with everything that is wrong.
RenderOptions ParseRenderOptions(const std::vector<std::string>& args, bool& help);

// The help text of `sparge render`.
std::string RenderHelp();

// "8h", "90m", "1h30m", "45s", "2d", or a number of seconds. Throws base::Error{kInvalidInput} that begins with `flag`.
double ParseDuration(const std::string& flag, const std::string& text);

// The folder of the manifests, absolute: --manifest, else STEM.manifest.d beside the source ("a/jobs.yaml" →
// "a/jobs.manifest.d"; a folder of frames or a pattern by its stem).
std::string ManifestFolder(const Plan& plan, const RenderOptions& options);

// What --dry-run shows besides the plan itself; the manifests' reader knows it.
struct EntryState {
  std::string text = "to do";  // "done", "to do", "failed (out_of_memory)", "would replace FILE", …
  int64_t memory_bytes = 0;    // estimated; 0: unknown
};
using EntryStates = std::function<EntryState(const Plan& plan, const PlanEntry& entry)>;

}  // namespace app
