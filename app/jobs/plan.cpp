#include "app/jobs/plan.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "app/jobs/clip_job.h"
#include "app/jobs/expand.h"
#include "app/jobs/jobs_file.h"
#include "app/jobs/planner.h"
#include "app/jobs/sets.h"
#include "app/settings/text.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

constexpr uintmax_t kMaxYAMLBytes = 16 << 20;

std::string FolderOf(const std::string& path) { return fs::absolute(path).lexically_normal().parent_path().string(); }

std::string ReadText(const std::string& path) {
  std::error_code error;
  base::Check(fs::is_regular_file(path, error), ErrorCode::kInvalidInput, path, ": no such file");
  const uintmax_t bytes = fs::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  base::Check(in.good() && !error, ErrorCode::kInvalidInput, path, ": cannot be read");
  base::Check(bytes <= kMaxYAMLBytes, ErrorCode::kInvalidInput, path, ": larger than 16 MiB: not a file of jobs");
  std::string text(static_cast<size_t>(bytes), '\0');
  in.read(text.data(), static_cast<std::streamsize>(bytes));
  base::Check(static_cast<uintmax_t>(in.gcount()) == bytes, ErrorCode::kInvalidInput, path, ": cannot be read");
  return text;
}

}  // namespace

namespace {

// Errors in the order of the file's lines; those without a place first.
InputErrors Sorted(const InputErrors& errors, const std::string& path) {
  std::vector<std::pair<std::pair<long, long>, InputErrors::Item>> placed;
  for (const InputErrors::Item& item : errors.items()) {
    std::pair<long, long> place(0, 0);
    if (item.located && item.text.starts_with(path + ":")) {
      char* end = nullptr;
      place.first = std::strtol(item.text.c_str() + path.size() + 1, &end, 10);
      if (*end == ':') place.second = std::strtol(end + 1, nullptr, 10);
    }
    placed.emplace_back(place, item);
  }
  std::stable_sort(placed.begin(), placed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<InputErrors::Item> items;
  for (auto& [place, item] : placed) items.push_back(std::move(item));
  return InputErrors(std::move(items));
}

Plan ReadUnsorted(const std::string& path, std::string text, const SetFlags& sets, const InspectModelFolder& inspect) {
  ErrorList errors;
  Plan plan;
  plan.source = fs::absolute(path).lexically_normal().string();
  plan.from_yaml = true;
  const Layer set_layer = LayerOfSets(sets, errors);
  const size_t before = errors.size();
  YAMLFile file(path, std::move(text), errors);
  if (errors.size() > before && (!file.root() || file.root().IsNull())) errors.ThrowIfAny();
  const JobsFile jobs = ReadJobsFile(file, errors);
  std::set<std::string> said;
  const ReportError report = [&](const std::string& where, const std::string& fallback, const std::string& message) {
    const bool here = where.starts_with(path + ":");
    if (!said.insert((here ? where : where + "\n" + fallback) + "\n" + message).second) return;
    if (file.ErrorAt(where, message)) return;
    if (where.starts_with("--")) return errors.Add(where + ": " + message);
    file.ErrorAt(fallback, message + (where.empty() || where == "default" ? "" : " (" + where + ")"));
  };
  const std::string folder = FolderOf(path);
  Planner planner(inspect, folder, errors, report);
  ExpandJobs(jobs, set_layer, folder, planner, plan, report);
  planner.Finish(plan);
  return plan;
}

}  // namespace

Plan ReadJobs(const std::string& path, std::string text, const SetFlags& sets, const InspectModelFolder& inspect) {
  try {
    return ReadUnsorted(path, std::move(text), sets, inspect);
  } catch (const InputErrors& errors) {
    throw Sorted(errors, path);
  }
}

Plan ReadPlanSource(const std::string& path, const SetFlags& sets, const InspectModelFolder& inspect) {
  const std::string extension = LowerASCII(fs::path(path).extension().string());
  if (extension == ".json") {
    std::error_code error;
    base::Check(fs::is_regular_file(path, error), ErrorCode::kInvalidInput, path, ": no such file");
    if (IsJobRecordFile(path)) return ReadClipJob(path, sets, inspect);
    base::Check(sets.empty(), ErrorCode::kInvalidInput,
                "--set changes nothing in a saved plan, which is rendered as it is; make another plan with it");
    std::ifstream in(path, std::ios::binary);
    base::Check(in.good(), ErrorCode::kInvalidInput, path, ": cannot be read");
    return ReadPlanJSON(path, in, inspect);
  }
  return IsClip(path) ? ReadClipJob(path, sets, inspect) : ReadJobs(path, ReadText(path), sets, inspect);
}

Job JobOfEntry(const Plan& plan, const PlanEntry& entry) {
  const PlanModel& model = *plan.models.at(entry.model);
  const EffectiveSettings settings = entry.Settings();
  Layer layer;
  for (const Setting& setting : Settings()) {
    layer[std::string(setting.key)] = settings.assignment(setting.key);
  }
  JobSource source;
  source.names = {entry.name, entry.variant, "", entry.index};
  source.layers = {std::move(layer)};
  source.existing_is_error = false;
  source.model_hash = model.hash;
  Job job = PrepareJob(source, model.info, model.notes);
  job.files = entry.files;
  return job;
}

}  // namespace app
