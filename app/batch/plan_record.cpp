#include "app/batch/plan_record.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/jobs/render_options.h"
#include "app/settings/sha256.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kRoles[] = {"alone", "reference", "variant", "noise_floor"};
constexpr size_t kMostLine = size_t{1} << 20;

std::string Line(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

// Keys of settings that are the same in every entry.
std::vector<std::string> CommonKeys(const Plan& plan) {
  std::vector<std::string> keys;
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    const Assignment* first = plan.entries.empty() ? nullptr : &plan.entries[0].At(key);
    const bool same = std::all_of(plan.entries.begin(), plan.entries.end(), [&](const PlanEntry& entry) {
      const Assignment& one = entry.At(key);
      return &one == first || one.value == first->value;
    });
    if (same) keys.push_back(key);
  }
  return keys;
}

json SettingsOf(const PlanEntry& entry, const std::vector<std::string>& keys, bool these) {
  json settings = json::object();
  for (const Setting& setting : Settings()) {
    const std::string key(setting.key);
    if ((std::find(keys.begin(), keys.end(), key) != keys.end()) == these) settings[key] = entry.At(key).value;
  }
  return settings;
}

std::string TextOf(const Plan& plan, const std::string& folder) {
  const std::vector<std::string> common = CommonKeys(plan);
  std::string text =
      Line({{"schema", kPlanRecordSchema},
            {"version", SPARGE_VERSION},
            {"source", plan.source},
            {"folder", folder},
            {"settings", plan.entries.empty() ? json::object() : SettingsOf(plan.entries[0], common, true)},
            {"jobs", plan.entries.size()}});
  for (const PlanEntry& entry : plan.entries) {
    text += Line({{"name", entry.name},
                  {"variant", entry.variant},
                  {"index", entry.index},
                  {"hash", entry.hash},
                  {"role", kRoles[static_cast<int>(entry.role)]},
                  {"outputs", entry.files.outputs},
                  {"sidecar", entry.files.sidecar.empty() ? json(nullptr) : json(entry.files.sidecar)},
                  {"settings", SettingsOf(entry, common, false)}});
  }
  return text;
}

// The batch that a folder belongs to needs no name of its own; nor do the plans that Slurm's tasks render.
std::string FileOf(const Plan& plan, const std::string& folder) {
  const bool own = ManifestFolder(plan, {}) == folder || fs::path(plan.source).parent_path() == folder;
  return folder + (own ? "/batch.plan" : "/batch-" + SHA256Hex(plan.source).substr(0, 8) + ".plan");
}

std::string Content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Throw json::exception.
RecordedPlan HeadOf(const json& line) {
  RecordedPlan plan;
  const int64_t schema = line.at("schema").get<int64_t>();
  base::Check(schema >= 1 && schema <= kPlanRecordSchema, base::ErrorCode::kInvalidInput, "schema ", schema,
              " is newer than this program");
  plan.source = line.at("source").get<std::string>();
  plan.folder = line.at("folder").get<std::string>();
  plan.settings = line.at("settings").get<json::object_t>();
  return plan;
}

PlannedJob JobOf(const json& line) {
  PlannedJob job;
  job.name = line.at("name").get<std::string>();
  job.variant = line.at("variant").get<std::string>();
  job.index = line.at("index").get<int64_t>();
  job.hash = line.at("hash").get<std::string>();
  const std::string role = line.at("role").get<std::string>();
  const auto found = std::find(std::begin(kRoles), std::end(kRoles), role);
  if (found != std::end(kRoles)) job.role = static_cast<PlanRole>(found - std::begin(kRoles));
  job.outputs = line.at("outputs").get<std::vector<std::string>>();
  if (line.at("sidecar").is_string()) job.sidecar = line["sidecar"].get<std::string>();
  job.settings = line.at("settings").get<json::object_t>();
  return job;
}

RecordedPlan ReadOne(const std::string& path, std::vector<std::string>& notices) {
  RecordedPlan plan;
  std::ifstream in(path, std::ios::binary);
  int64_t number = 0;
  for (std::string line; std::getline(in, line) && plan.jobs.size() <= static_cast<size_t>(kMaxPlanEntries);) {
    ++number;
    try {
      const json parsed = line.size() > kMostLine ? json() : json::parse(line);
      if (number == 1) {
        plan = HeadOf(parsed);
      } else {
        plan.jobs.push_back(JobOf(parsed));
      }
    } catch (const std::exception&) {
      notices.push_back(base::StrCat(path, ":", number, ": is no line of a recorded plan, and is passed over"));
      if (number == 1) break;
    }
  }
  return plan;
}

}  // namespace

void RecordPlan(const Plan& plan, const std::string& manifest_folder) {
  const std::string path = FileOf(plan, manifest_folder), text = TextOf(plan, manifest_folder);
  if (Content(path) == text) return;
  base::AtomicFile file(path);
  file.Write(text);
  file.Commit();
}

std::vector<RecordedPlan> ReadRecordedPlans(const std::string& manifest_folder, std::vector<std::string>& notices) {
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator it(manifest_folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name.starts_with("batch") && name.ends_with(".plan") && it->is_regular_file(ignored)) {
      paths.push_back(it->path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<RecordedPlan> plans;
  for (const std::string& path : paths) {
    RecordedPlan plan = ReadOne(path, notices);
    if (!plan.source.empty()) plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace app
