#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/jobs/plan.h"

// The plan of a batch as it stands beside the manifests, so that who reads them knows what is left: FOLDER/batch.plan,
// JSON lines, written anew whenever a process begins to render. The first line is {schema, version, source, folder,
// settings, jobs: how many}, then a line a job: {name, variant, index, hash, role, outputs, sidecar, settings}. A job
// has the settings of the first line and its own. Batches of several files that share a folder with --manifest have a
// file each: batch-ID.plan.
namespace app {

inline constexpr int kPlanRecordSchema = 1;

// Writes it, unless it is there already. `plan`: all of it, whatever part is rendered now. Throws base::Error{kIo}.
void RecordPlan(const Plan& plan, const std::string& manifest_folder);

struct PlannedJob {
  std::string name, variant, hash, sidecar;
  int64_t index = 0;
  PlanRole role = PlanRole::kAlone;
  std::vector<std::string> outputs;  // absolute
  nlohmann::json settings;           // {dotted key: value}, those that are not the same in all jobs of the plan
};

struct RecordedPlan {
  std::string source;       // the YAML file, the plan or the clip
  std::string folder;       // where the manifests were when it was written
  nlohmann::json settings;  // {dotted key: value}, that all jobs have in common
  std::vector<PlannedJob> jobs;
};

// Those of a manifest folder, in order of their names. A line that is none is passed over, and `notices` tells.
std::vector<RecordedPlan> ReadRecordedPlans(const std::string& manifest_folder, std::vector<std::string>& notices);

}  // namespace app
