#include "app/report/batch_data.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>

#include "app/batch/assess.h"
#include "app/batch/claims.h"
#include "app/batch/plan_record.h"
#include "app/report/sidecar_facts.h"
#include "app/settings/text.h"
#include "app/settings/value.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using nlohmann::json;
using State = ReportJob::State;

constexpr size_t kMostSidecars = 100000;

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool IsFile(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

bool IsManifestFolder(const fs::path& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".jsonl") || (name.starts_with("batch") && name.ends_with(".plan"))) return true;
  }
  return false;
}

// What `target` names.
struct Place {
  std::string folder;                  // where the report goes; absolute
  std::vector<std::string> manifests;  // folders
  std::string only;                    // of the one folder, this file
};

Place PlaceOf(const std::string& target) {
  const std::string path = fs::absolute(target).lexically_normal().string();
  const fs::path clean = path.ends_with('/') && path.size() > 1 ? fs::path(path).parent_path() : fs::path(path);
  Place place;
  if (IsFile(clean)) {
    const std::string extension = LowerASCII(clean.extension().string());
    if (extension == ".jsonl") {
      place.folder = clean.parent_path().string();
      place.manifests = {place.folder};
      place.only = clean.filename().string();
      return place;
    }
    place.folder = (clean.parent_path() / clean.stem()).string() + ".manifest.d";
    base::Check(IsFolder(place.folder), ErrorCode::kInvalidInput, target, ": there is no ", place.folder,
                " beside it; name the folder of the manifests, or a HOST.PID.jsonl in it");
    place.manifests = {place.folder};
    return place;
  }
  base::Check(IsFolder(clean), ErrorCode::kInvalidInput, target, ": no such file or folder");
  place.folder = clean.string();
  if (IsManifestFolder(clean)) {
    place.manifests = {place.folder};
    return place;
  }
  std::error_code error;
  for (fs::directory_iterator it(clean, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".manifest.d") && IsFolder(it->path())) place.manifests.push_back(it->path().string());
  }
  std::sort(place.manifests.begin(), place.manifests.end());
  return place;
}

// A path that was recorded when the batch lay elsewhere: the same below where it lies now, if it is there.
std::string Relocated(const std::string& path, const std::string& was, const std::string& is) {
  std::error_code error;
  if (was.empty() || was == is || fs::exists(path, error)) return path;
  const std::string before = fs::path(was).parent_path().string() + "/",
                    now = fs::path(is).parent_path().string() + "/";
  if (!path.starts_with(before)) return path;
  const std::string moved = now + path.substr(before.size());
  return fs::exists(moved, error) ? moved : path;
}

int64_t FramesOf(const ReportJob& job) {
  const json frames = job.settings.value("frames", json());
  return frames.is_number_integer() ? frames.get<int64_t>() : 0;
}

// Bytes on disk of an output; absent where it, or one of its frames, is missing.
std::optional<int64_t> BytesOf(const std::string& output, int64_t frames) {
  try {
    std::error_code error;
    if (pipeline::KindOfOutput(output) != pipeline::OutputKind::kPngFrames) {
      const auto bytes = fs::file_size(output, error);
      return error ? std::nullopt : std::optional<int64_t>(static_cast<int64_t>(bytes));
    }
    int64_t bytes = 0;
    for (int64_t i = 0; i < std::min<int64_t>(frames, 100000); ++i) {
      bytes += static_cast<int64_t>(fs::file_size(pipeline::FramePath(output, i), error));
      if (error) return std::nullopt;
    }
    return bytes;
  } catch (const base::Error&) {  // a path that is no output's
    return std::nullopt;
  }
}

std::string StepText(const json& error) {
  const json stage = error.is_object() ? error.value("stage", json()) : json();
  const json step = error.is_object() ? error.value("step", json()) : json();
  if (!stage.is_string()) return "";
  return stage.get<std::string>() + (step.is_number_integer() ? " " + step.dump() : "");
}

class Reader {
 public:
  Reader(const Place& place, pipeline::Progress& progress) : place_(place), progress_(progress) {}

  BatchData Read() {
    data_.folder = place_.folder;
    for (const std::string& folder : place_.manifests) ReadManifests(folder);
    if (place_.manifests.empty()) ReadSidecars();
    base::Check(!data_.jobs.empty() || data_.plan_known, ErrorCode::kInvalidInput, place_.folder,
                ": neither manifests (HOST.PID.jsonl), nor folders NAME.manifest.d with them, nor sidecars of clips");
    AddFacts();
    AddSpeedups();
    FindVarying();
    Name();
    return std::move(data_);
  }

 private:
  void ReadManifests(const std::string& folder) {
    ManifestReader reader(folder, place_.only);
    reader.Refresh();
    for (std::string& notice : reader.TakeNotices()) data_.notices.push_back(std::move(notice));
    // A file of one process among several says nothing about what the others did.
    const bool alone = place_.only.empty() || OnlyManifest(folder);
    const std::vector<RecordedPlan> plans =
        alone ? ReadRecordedPlans(folder, data_.notices) : std::vector<RecordedPlan>();
    std::set<std::string> known;  // hashes
    for (const RecordedPlan& plan : plans) {
      data_.plan_known = true;
      data_.sources.push_back(plan.source);
      for (const PlannedJob& planned : plan.jobs) AddPlanned(plan, planned, folder, reader, known);
    }
    for (const auto& [hash, attempts] : reader.All()) {
      if (known.count(hash) > 0) continue;
      if (!plans.empty()) {
        data_.other_records += static_cast<int64_t>(attempts.size());
      } else {
        AddUnplanned(attempts);
      }
    }
    if (plans.empty()) SortByStart();
  }

  bool OnlyManifest(const std::string& folder) {
    std::error_code error;
    int64_t count = 0;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      count += it->path().extension() == ".jsonl";
    }
    return count == 1;
  }

  void AddPlanned(const RecordedPlan& plan, const PlannedJob& planned, const std::string& folder,
                  const ManifestReader& reader, std::set<std::string>& known) {
    ReportJob job;
    job.name = planned.name;
    job.variant = planned.variant;
    job.index = planned.index;
    job.hash = planned.hash;
    job.role = planned.role;
    job.settings = plan.settings;
    job.settings.update(planned.settings);
    for (const std::string& output : planned.outputs) job.outputs.push_back(Relocated(output, plan.folder, folder));
    job.sidecar = Relocated(planned.sidecar, plan.folder, folder);
    known.insert(job.hash);
    if (!seen_.insert(job.hash + "\n" + Join(job.outputs, "\n")).second) return;
    const std::vector<Attempt>& all = reader.Of(job.hash);
    std::copy_if(all.begin(), all.end(), std::back_inserter(job.attempts), [&](const Attempt& a) {
      return a.name == job.name && a.variant == job.variant && a.index == job.index;
    });
    bool recorded = !planned.outputs.empty(), there = true;
    for (size_t i = 0; i < planned.outputs.size(); ++i) {
      const std::optional<int64_t> bytes = BytesOf(job.outputs[i], FramesOf(job));
      bool known_output = false, same = false;
      for (const Attempt& attempt : all) {
        if (attempt.status != "done") continue;
        for (const Digest& digest : attempt.outputs) {
          if (digest.path != planned.outputs[i]) continue;
          known_output = true;
          same = same || bytes == digest.bytes;
        }
      }
      recorded = recorded && known_output;
      there = there && same;
    }
    if (recorded && there) {
      job.state = State::kDone;
      if (job.attempts.empty()) job.attempts = all;
    } else {
      Judge(job, planned, recorded, folder);
    }
    SortAttempts(job);
    data_.jobs.push_back(std::move(job));
  }

  void Judge(ReportJob& job, const PlannedJob& planned, bool recorded, const std::string& folder) {
    PlanEntry entry;
    entry.hash = planned.hash;
    entry.files.outputs = planned.outputs;
    if (!claims_ || claims_folder_ != folder) {
      claims_ = std::make_unique<Claims>(folder + "/locks");
      claims_folder_ = folder;
    }
    const Claims::State lock = entry.hash.size() < 16 ? Claims::State() : claims_->Look(ClaimKey(entry));
    SortAttempts(job);
    const Attempt* last = job.last();
    if (lock.locked && !lock.stale) {
      job.note = "running (" + lock.owner + ")";
    } else if (last != nullptr && last->status == "failed") {
      job.state = State::kFailed;
    } else if (last != nullptr && last->status == "cancelled") {
      const std::string step = StepText(last->error);
      job.note = "cancelled" + (step.empty() ? "" : " (" + step + ")");
    } else if (recorded) {
      job.note = "was done; its file is gone or changed";
    }
  }

  // Jobs of manifests without a plan: by what the attempts themselves say.
  void AddUnplanned(const std::vector<Attempt>& attempts) {
    std::map<std::string, ReportJob> jobs;
    for (const Attempt& attempt : attempts) {
      ReportJob& job = jobs[base::StrCat(attempt.name, "\n", attempt.variant, "\n", attempt.index)];
      job.name = attempt.name;
      job.variant = attempt.variant;
      job.index = attempt.index;
      job.hash = attempt.hash;
      if (attempt.variant == "reference") job.role = PlanRole::kReference;
      if (attempt.variant == "noise_floor") job.role = PlanRole::kNoiseFloor;
      if (job.role == PlanRole::kAlone && attempt.variant != "main") job.role = PlanRole::kVariant;
      job.attempts.push_back(attempt);
    }
    for (auto& [key, job] : jobs) {
      SortAttempts(job);
      for (const Attempt& attempt : job.attempts) {
        if (attempt.status != "done") continue;
        job.state = State::kDone;
        job.outputs.clear();
        for (const Digest& digest : attempt.outputs) job.outputs.push_back(digest.path);
      }
      const Attempt& last = job.attempts.back();
      if (job.state != State::kDone && last.status == "failed") job.state = State::kFailed;
      if (job.state == State::kLeft) job.note = "cancelled";
      data_.jobs.push_back(std::move(job));
    }
  }

  static void SortAttempts(ReportJob& job) {
    std::stable_sort(job.attempts.begin(), job.attempts.end(),
                     [](const Attempt& a, const Attempt& b) { return a.started < b.started; });
  }

  void SortByStart() {
    std::stable_sort(data_.jobs.begin(), data_.jobs.end(), [](const ReportJob& a, const ReportJob& b) {
      const auto key = [](const ReportJob& job) { return job.attempts.empty() ? "" : job.attempts[0].started; };
      return key(a) < key(b);
    });
  }

  // A folder of clips without manifests: what their sidecars say.
  void ReadSidecars() {
    std::vector<std::string> paths;
    std::error_code error;
    for (fs::recursive_directory_iterator it(place_.folder, error), end; !error && it != end; it.increment(error)) {
      std::error_code ignored;
      if (it->path().extension() == ".json" && it->is_regular_file(ignored)) paths.push_back(it->path().string());
      if (paths.size() >= kMostSidecars) break;
    }
    std::sort(paths.begin(), paths.end());
    for (const std::string& path : paths) {
      ReportJob job;
      job.sidecar = path;
      if (!AddSidecarFacts(path, job)) continue;
      job.name = fs::path(path).stem().string();
      job.variant = "main";
      job.state = State::kDone;
      const std::string stem = (fs::path(path).parent_path() / fs::path(path).stem()).string();
      for (const char* extension : {".mp4", ".mkv", ".mov", ".webm", ".gif", ".png", ".safetensors"}) {
        if (IsFile(stem + extension)) job.outputs.push_back(stem + extension);
      }
      if (job.outputs.empty() && IsFolder(stem)) job.outputs.push_back(stem + "/");
      data_.jobs.push_back(std::move(job));
    }
  }

  void AddFacts() {
    int64_t count = 0;
    const auto total = static_cast<int64_t>(data_.jobs.size());
    for (ReportJob& job : data_.jobs) {
      progress_.ThrowIfCancelled();
      progress_.Update(pipeline::Stage::kMeasure, count++, std::max<int64_t>(total, 1));
      if (job.state != State::kDone) continue;
      if (!job.sidecar.empty() && job.attempts.empty()) continue;  // read already
      if (job.sidecar.empty() && !job.outputs.empty()) {
        try {
          job.sidecar = pipeline::OutputStem(job.outputs[0]) + ".json";
        } catch (const base::Error&) {
          continue;
        }
      }
      if (!AddSidecarFacts(job.sidecar, job)) job.sidecar.clear();
    }
    for (ReportJob& job : data_.jobs) {
      const Attempt* last = job.last();
      if (last == nullptr) continue;
      if (job.device.empty()) job.device = last->device;
      if (job.version.empty()) job.version = last->version;
      if (job.peak_memory_bytes == 0) job.peak_memory_bytes = last->peak_memory_bytes;
    }
  }

  // Denoising of the reference over that of the others of its group.
  void AddSpeedups() {
    std::map<std::pair<std::string, int64_t>, const ReportJob*> references;
    for (const ReportJob& job : data_.jobs) {
      if (job.role == PlanRole::kReference && job.denoise_s.value_or(0) > 0) references[{job.name, job.index}] = &job;
    }
    for (ReportJob& job : data_.jobs) {
      const auto it = references.find({job.name, job.index});
      if (it == references.end() || job.role == PlanRole::kReference || job.denoise_s.value_or(0) <= 0) continue;
      job.speedup = *it->second->denoise_s / *job.denoise_s;
    }
  }

  void FindVarying() {
    static const std::set<std::string> kNot = {"out", "log", "overwrite", "sidecar", "metadata", "keep_latents"};
    for (const auto& setting : Settings()) {
      const std::string key(setting.key);
      if (kNot.count(key) > 0) continue;
      std::set<std::string> values;
      for (const ReportJob& job : data_.jobs) {
        if (job.settings.contains(key))
          values.insert(job.settings[key].dump(-1, ' ', false, json::error_handler_t::replace));
        if (values.size() > 1) break;
      }
      if (values.size() > 1) data_.varying.push_back(key);
    }
  }

  void Name() {
    if (data_.sources.size() == 1) {
      data_.name = fs::path(data_.sources[0]).filename().string();
    } else {
      data_.name = fs::path(data_.folder).filename().string();
    }
  }

  const Place& place_;
  pipeline::Progress& progress_;
  BatchData data_;
  std::set<std::string> seen_;
  std::unique_ptr<Claims> claims_;
  std::string claims_folder_;
};

}  // namespace

std::string ReportJob::Title() const { return name + "/" + variant + (index > 0 ? base::StrCat("/", index) : ""); }

std::optional<double> ReportJob::Seconds() const {
  if (total_s) return total_s;
  for (auto it = attempts.rbegin(); it != attempts.rend(); ++it) {
    if (it->status == "done" && !it->adopted && it->seconds > 0) return it->seconds;
  }
  return std::nullopt;
}

std::string ReportJob::Setting(const std::string& key) const {
  if (!settings.contains(key)) return "";
  const json& value = settings[key];
  // A model by its folder's name.
  if (key == "model" && value.is_string()) return fs::path(value.get<std::string>()).filename().string();
  return value.is_structured() ? value.dump(-1, ' ', false, json::error_handler_t::replace) : ToText(value);
}

int64_t BatchData::Count(ReportJob::State state) const {
  return std::count_if(jobs.begin(), jobs.end(), [&](const ReportJob& job) { return job.state == state; });
}

std::optional<double> SecondsOf(const std::string& utc) {
  std::tm time = {};
  if (utc.size() > 40) return std::nullopt;
  const char* end = strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (end == nullptr || (*end != 'Z' && *end != '.')) return std::nullopt;
  return static_cast<double>(timegm(&time));
}

BatchData ReadBatch(const std::string& target, pipeline::Progress& progress) {
  const Place place = PlaceOf(target);
  return Reader(place, progress).Read();
}

}  // namespace app
