#include "app/batch/comparisons.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/compare/compare.h"
#include "app/compare/report.h"
#include "app/console/errors.h"
#include "app/settings/sha256.h"
#include "app/settings/value.h"
#include "attention/base/atomic_file.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json ReadJSON(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in, nullptr, false);
}

// Of an output; of frames in a folder, the folder's.
fs::file_time_type TimeOf(const std::string& path) {
  std::error_code error;
  return fs::last_write_time(path, error);
}

// Whether a folder holds the comparison of these entries as they are now.
bool UpToDate(const std::string& folder, const std::vector<const PlanEntry*>& entries) {
  const std::string path = folder + "/metrics.json";
  const json metrics = ReadJSON(path);
  if (!metrics.is_object() || !metrics.contains("reference") || !metrics.contains("others")) return false;
  const json& others = metrics["others"];
  if (!others.is_array() || others.size() + 1 != entries.size()) return false;
  for (size_t i = 0; i < entries.size(); ++i) {
    const json& side = i == 0 ? metrics["reference"] : others[i - 1];
    const json hash = side.is_object() ? side.value("hash", json()) : json();
    if (!hash.is_null() && hash != entries[i]->hash) return false;
    if (TimeOf(entries[i]->files.outputs[0]) > TimeOf(path)) return false;
  }
  return true;
}

// What metrics.json says of one clip, without its frames.
json MetricsOf(const json& other) {
  json metrics = other.value("metrics", json::object());
  metrics["measured_on"] = other.value("measured_on", json());
  return metrics;
}

void AddToSidecars(const std::vector<const PlanEntry*>& entries, const json& metrics, const std::string& folder) {
  json floor;
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i]->role == PlanRole::kNoiseFloor) {
      floor = MetricsOf(metrics["others"][i - 1]);
      floor["kernel"] = entries[i]->At("attention.kernel").value;
    }
  }
  for (size_t i = 1; i < entries.size(); ++i) {
    const std::string& path = entries[i]->files.sidecar;
    json sidecar = path.empty() ? json() : ReadJSON(path);
    if (!sidecar.is_object() || sidecar.value("hash", json()) != entries[i]->hash) continue;
    json own = MetricsOf(metrics["others"][i - 1]);
    own["reference"] = {{"path", entries[0]->files.outputs[0]}, {"hash", entries[0]->hash}};
    own["noise_floor"] = floor;
    own["comparison"] = folder;
    sidecar["metrics"] = own;
    base::AtomicFile file(path);
    file.Write(PrettyJSON(sidecar));
    file.Commit();
  }
}

std::string KeyOf(const std::string& folder) { return "compare-" + SHA256Hex(folder).substr(0, 24); }

}  // namespace

std::string ComparisonFolder(const PlanEntry& reference) {
  return pipeline::OutputStem(reference.files.outputs.at(0)) + "_compare";
}

Comparisons::Comparisons(const Plan& plan, const std::string& manifest_folder) : claims_(manifest_folder + "/locks") {
  for (const PlanEntry& entry : plan.entries) {
    if (entry.role != PlanRole::kAlone) groups_[entry.group].entries.push_back(&entry);
  }
  for (auto it = groups_.begin(); it != groups_.end();) {
    std::vector<const PlanEntry*>& entries = it->second.entries;
    std::stable_partition(entries.begin(), entries.end(),
                          [](const PlanEntry* entry) { return entry->role == PlanRole::kReference; });
    const bool whole = entries.size() >= 2 && entries[0]->role == PlanRole::kReference;
    it = whole ? std::next(it) : groups_.erase(it);
  }
  thread_ = std::thread([this] { Work(); });
}

Comparisons::~Comparisons() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    queue_.clear();
  }
  changed_.notify_all();
  thread_.join();
}

void Comparisons::Done(const PlanEntry& entry) {
  const auto it = groups_.find(entry.group);
  if (entry.role == PlanRole::kAlone || it == groups_.end()) return;
  if (++it->second.done < it->second.entries.size()) return;
  const std::lock_guard lock(mutex_);
  queue_.push_back(&it->second);
  changed_.notify_all();
}

void Comparisons::WaitForAll() {
  std::unique_lock lock(mutex_);
  while (!queue_.empty() || busy_) changed_.wait_for(lock, std::chrono::milliseconds(100));
}

std::vector<Comparisons::Result> Comparisons::TakeResults() {
  const std::lock_guard lock(mutex_);
  return std::exchange(results_, {});
}

void Comparisons::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return ending_ || !queue_.empty(); });
    if (ending_) return;
    const Group& group = *queue_.front();
    queue_.pop_front();
    busy_ = true;
    lock.unlock();
    Result result{ComparisonFolder(*group.entries[0]), "", false};
    try {
      result.made = Compare(group, result.folder);
    } catch (...) {
      result.error = CurrentFailure().message;
    }
    lock.lock();
    busy_ = false;
    results_.push_back(std::move(result));
    changed_.notify_all();
  }
}

bool Comparisons::Compare(const Group& group, const std::string& folder) {
  if (UpToDate(folder, group.entries)) return false;
  const std::string key = KeyOf(folder);
  if (claims_.Claim(key, folder) == Claims::Result::kBusy) return false;  // who has it makes it
  const bool now = !UpToDate(folder, group.entries);
  if (now) {
    CompareRequest request;
    for (const PlanEntry* entry : group.entries) request.paths.push_back(entry->files.outputs.at(0));
    request.folder = folder;
    // Of an earlier comparison of the same clips.
    std::error_code error;
    request.overwrite = group.entries[0]->At("overwrite").value == true || fs::exists(folder + "/metrics.json", error);
    const CompareResult result = app::Compare(request, progress_);
    AddToSidecars(group.entries, json::parse(MetricsJSON(result)), folder);
  }
  claims_.GiveUp(key);
  return now;
}

}  // namespace app
