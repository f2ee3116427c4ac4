#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "app/gui/controller.h"
#include "app/seen/job_record.h"
#include "app/settings/table.h"
#include "app/settings/text.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

// What the worker says, what is opened, and what is shown.
namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ui::JobState;
using ui::Level;

constexpr double kLiveAfterS = 0.25, kSaveEveryS = 1, kMetersEveryS = 1;
constexpr int64_t kMostPreviewBytes = int64_t{256} << 20;
constexpr int kDeathsToFail = 2;

std::string TextIn(const json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

std::optional<double> NumberIn(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number()) return std::nullopt;
  const auto value = object[key].get<double>();
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

bool IsMedia(const std::string& path) {
  try {
    return pipeline::KindOfOutput(path) != pipeline::OutputKind::kTensors;
  } catch (const base::Error&) {
    return false;
  }
}

}  // namespace

bool Controller::Tick(double now_s) {
  now_s_ = now_s;
  if (link_) {
    try {
      while (const std::optional<json> event = link_->Next()) Take(*event);
    } catch (const base::Error& error) {
      Notify(Level::kError, error.what(), "A fresh worker is started with the next clip.");
    }
  }
  if (!live_.empty() && now_s - live_since_s_ >= kLiveAfterS) SendLive();
  StartNext();
  if (const auto loaded = loader_.Take()) {
    changed_ = true;
    if (loaded->path == loading_) {
      clip_ = loaded->clip;
      clip_note_ = loaded->error;
      loading_.clear();
      if (clip_ && !clip_title_.empty()) clip_->title = clip_title_;
      if (!loaded->error.empty()) Notify(Level::kError, loaded->error, "The file may be damaged or no longer there.");
      if (loaded->cut)
        Notify(Level::kWarning, "Only the beginning of this clip is shown",
               "The rest would need more than 1 GiB of memory.");
    }
  }
  RefreshMeters(now_s);
  if ((queue_changed_ || state_changed_) && now_s - saved_s_ >= kSaveEveryS) {
    saved_s_ = now_s;
    Save();
  }
  const bool changed = changed_;
  if (changed) Refresh();
  changed_ = false;
  return changed;
}

// ---- The worker

void Controller::Send(const json& command) {
  try {
    if (!link_) link_ = options_.start_link();
    link_->Send(command);
  } catch (const base::Error& error) {
    Notify(Level::kError, base::StrCat("No worker: ", error.what()),
           "Try again; `sparge worker` in a terminal says more.");
    view_.paused = true;
    if (active_ != nullptr) active_->row.state = JobState::kWaiting;
    active_ = nullptr;
  }
}

void Controller::StartNext() {
  if (active_ != nullptr || view_.paused || releasing_) return;
  const auto next =
      std::find_if(jobs_.begin(), jobs_.end(), [](const auto& job) { return job->row.state == JobState::kWaiting; });
  if (next == jobs_.end()) return;
  Job& job = **next;
  const bool follows = shown_ == 0 || Find(shown_) == nullptr || Find(shown_)->row.state != JobState::kWaiting;
  active_ = &job;
  job.row.state = JobState::kRunning;
  job.row.stage.clear();
  job.row.step = job.row.total = 0;
  job.row.error.clear();
  job.cancelled = job.pausing = false;
  job.preview.reset();
  int layers = 0, heads = 0;
  int64_t steps = 0;
  const auto model = job.settings.find("model");
  if (form_.model() != nullptr && model != job.settings.end() && model->second == form_.model()->info.path) {
    layers = static_cast<int>(form_.model()->info.num_layers);
    heads = static_cast<int>(form_.model()->info.num_heads);
    const auto own = job.settings.find("steps");
    steps = own != job.settings.end() && own->second.is_number_integer() ? own->second.get<int64_t>()
                                                                         : form_.model()->Defaults().Int("steps");
  }
  job.board.Begin(static_cast<int>(std::clamp<int64_t>(steps, 0, 1000)), layers, heads);
  json settings = json::object();
  for (const auto& [key, value] : job.settings) settings[key] = value;
  // The default name holds the job's hash: what is there under it is this very clip.
  const bool replace = !job.settings.count("out");
  Send({{"id", job.row.id}, {"cmd", "render"}, {"settings", settings}, {"name", job.name}, {"replace", replace}});
  if (follows) Show(job.row.id);
  changed_ = true;
}

void Controller::SendLive() {
  std::map<std::string, std::string> settings = std::exchange(live_, {});
  if (active_ == nullptr || active_->row.state != JobState::kRunning) return;
  json wanted = json::object();
  for (const auto& [key, text] : settings) {
    const Setting& setting = *FindSetting(key);
    try {
      const Value value = text.empty() ? DefaultValue(setting) : ParseText(setting, text);
      if (!value.is_null()) wanted[key] = value;
    } catch (const base::Error&) {
      continue;  // the form says what is wrong
    }
  }
  if (!wanted.empty()) Send({{"id", active_->row.id}, {"cmd", "set"}, {"settings", wanted}});
}

void Controller::Take(const json& event) {
  changed_ = true;
  if (TextIn(event, "event") == "worker_died") {
    if (!releasing_)
      Notify(Level::kWarning, "The worker ended: " + TextIn(event.value("error", json::object()), "message"),
             "A fresh one is started with the next clip.");
    releasing_ = false;
    return;
  }
  if (!event.contains("id") || !event["id"].is_number_unsigned()) return;
  if (Job* job = Find(event["id"].get<uint64_t>())) TakeOfJob(*job, event);
}

void Controller::TakeOfJob(Job& job, const json& event) {
  const std::string kind = TextIn(event, "event");
  ui::JobRow& row = job.row;
  if (kind == "progress") {
    row.stage = TextIn(event, "stage");
    row.step = static_cast<int64_t>(NumberIn(event, "step").value_or(0));
    row.total = static_cast<int64_t>(NumberIn(event, "total").value_or(0));
    row.s_per_step = row.stage == "denoise" ? NumberIn(event, "s_per_step") : std::nullopt;
    row.eta_s = NumberIn(event, "eta_s");
    if (const auto sparsity = NumberIn(event, "sparsity")) row.sparsity = sparsity;
    job.board.TakeProgress(event);
  } else if (kind == "stats") {
    job.board.TakeStats(event);
  } else if (kind == "preview") {
    TakePreview(job, event);
  } else if (kind == "set") {
    // The rule is part of the job from now on: rendered again it gives the same bits.
    if (event.contains("rule") && event["rule"].is_object()) {
      Value& rules = job.settings["attention.schedule"];
      if (!rules.is_array()) rules = Value::array();
      rules.push_back(event["rule"]);
      queue_changed_ = true;
    }
  } else if (kind == "paused") {
    // Its checkpoint is written: the memory goes back by ending it; it goes on from there.
    if (job.pausing) Send({{"id", row.id}, {"cmd", "cancel"}});
  } else if (kind == "notice") {
    Notify(Level::kInfo, TextIn(event, "message"));
  } else if (kind == "output") {
    const std::string path = TextIn(event, "path");
    if (row.output.empty() || (!IsMedia(row.output) && IsMedia(path))) row.output = path;
    if (IsMedia(path)) job.clip_path = path;
  } else if (kind == "done") {
    TakeDone(job, event);
  } else if (kind == "failed") {
    TakeFailed(job, event);
  }
}

// "path" is a file of 8-bit RGB, frame after frame (docs/worker.md).
void Controller::TakePreview(Job& job, const json& event) {
  const std::string path = TextIn(event, "path");
  const auto width = NumberIn(event, "width").value_or(0), height = NumberIn(event, "height").value_or(0);
  const auto count = NumberIn(event, "frames").value_or(0);
  if (path.empty() || width < 1 || height < 1 || count < 1 || width > 16384 || height > 16384 || count > 100000) return;
  const auto frame_bytes = static_cast<int64_t>(width) * static_cast<int64_t>(height) * 3;
  if (frame_bytes * static_cast<int64_t>(count) > kMostPreviewBytes) return;
  std::ifstream in(path, std::ios::binary);
  ui::Clip clip;
  clip.id = next_image_ += 2;
  clip.title = job.row.title;
  clip.fps = NumberIn(event, "fps").value_or(12);
  clip.preview = true;
  for (int i = 0; i < static_cast<int>(count); ++i) {
    auto rgb = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(frame_bytes));
    if (!in.read(reinterpret_cast<char*>(rgb->data()), frame_bytes)) return;  // the next one is complete again
    clip.frames.push_back({next_image_ += 2, static_cast<int>(width), static_cast<int>(height), std::move(rgb)});
  }
  job.preview = std::move(clip);
}

void Controller::TakeDone(Job& job, const json& event) {
  job.row.state = JobState::kDone;
  job.row.seconds = NumberIn(event, "seconds");
  job.row.eta_s.reset();
  job.sidecar = TextIn(event, "sidecar");
  job.preview.reset();
  if (&job == active_) active_ = nullptr;
  queue_changed_ = true;
  live_.clear();
  if (!job.sidecar.empty()) {
    const json record = ReadSidecar(job.sidecar);
    if (record.is_object() && record.contains("attention")) job.board.TakeRecord(record["attention"]);
  }
  if (shown_ == job.row.id) ShowClip();
}

void Controller::TakeFailed(Job& job, const json& event) {
  const json error = event.value("error", json::object());
  const std::string message = TextIn(error, "message");
  const bool cancelled = TextIn(event, "status") == "cancelled";
  const bool died = event.contains("worker_died") && event["worker_died"] == true;
  if (&job == active_) active_ = nullptr;
  live_.clear();
  job.preview.reset();
  job.row.eta_s.reset();
  queue_changed_ = true;
  if (job.pausing && !job.cancelled && (cancelled || died)) {
    job.row.state = view_.paused ? JobState::kPaused : JobState::kWaiting;
    if (!died) {
      Send({{"cmd", "quit"}});
      releasing_ = true;
    }
    return;
  }
  if (cancelled || job.cancelled) {
    job.row.state = JobState::kCancelled;
    return;
  }
  if (died && ++job.deaths < kDeathsToFail) {
    job.row.state = JobState::kWaiting;
    return Notify(Level::kWarning, message, "The clip is tried once more; it goes on from its last checkpoint.");
  }
  job.row.state = JobState::kFailed;
  job.row.error = message;
  const uint64_t id = job.row.id;
  Notify(Level::kError, message, died ? "It ended two workers. Smaller, or with fewer frames, it may fit." : "",
         "Try again", [this, id] { Handle(ui::RetryJob{id}); });
}

// ---- What is opened

void Controller::Open(const std::string& path) {
  std::error_code error;
  const std::string extension = LowerASCII(fs::path(path).extension().string());
  if (!fs::exists(path, error)) {
    Notify(Level::kError, path + ": there is no such file or folder",
           "A model folder, a JOBS.yaml or a clip can be opened.");
  } else if (fs::is_regular_file(fs::path(path) / "model_index.json", error)) {
    OpenFolder(path);
  } else if (extension == ".yaml" || extension == ".yml" || extension == ".json") {
    OpenJobs(path);
  } else if (fs::is_regular_file(path, error) && IsMedia(path)) {
    OpenClip(path);
  } else {
    Notify(Level::kError, path + ": neither a model folder, nor a JOBS.yaml, nor a clip",
           fs::is_directory(path, error) ? "A model folder in diffusers layout holds model_index.json." : "");
  }
  changed_ = true;
}

void Controller::OpenFolder(const std::string& path) {
  const std::string folder = fs::absolute(path).lexically_normal().string();
  try {
    options_.look_at_model(folder);
  } catch (const base::Error& error) {
    return Notify(Level::kError, error.what(), "The model that was chosen stays.");
  }
  form_.Set("model", folder);
  LookAtChosenModel();
}

void Controller::OpenJobs(const std::string& path) {
  try {
    const std::vector<SavedJob> jobs = options_.read_jobs(path);
    for (const SavedJob& saved : jobs) {
      Job& job = Add(saved.settings, jobs_.size());
      if (!saved.name.empty()) job.name = saved.name;
    }
    Notify(Level::kInfo, base::StrCat(jobs.size(), jobs.size() == 1 ? " clip" : " clips", " added from ", path));
  } catch (const base::Error& error) {
    Notify(Level::kError, error.what(), "Nothing of it was added to the queue.");
  }
}

void Controller::OpenClip(const std::string& path) {
  Show(0);
  loading_ = path;
  clip_title_ = path;
  clip_note_ = "Reading " + path;
  loader_.Load(path);
  std::vector<SavedJob> jobs;
  try {
    jobs = options_.read_jobs(path);
  } catch (const base::Error&) {
    return;  // a clip without a job of ours in it: only shown
  }
  if (jobs.empty()) return;
  Notify(Level::kInfo, "This clip holds the job that made it", "", "Use its settings",
         [this, settings = jobs[0].settings] {
           form_.Take(settings);
           LookAtChosenModel();
         });
}

// ---- What is shown

void Controller::Show(uint64_t id) {
  shown_ = id;
  ShowClip();
}

void Controller::ShowClip() {
  changed_ = true;
  clip_.reset();
  clip_note_.clear();
  loading_.clear();
  clip_title_.clear();
  const Job* job = Find(shown_);
  if (job == nullptr || job->clip_path.empty()) return;
  loading_ = job->clip_path;
  clip_title_ = job->row.title;
  clip_note_ = "Reading " + job->clip_path;
  loader_.Load(job->clip_path);
}

void Controller::RefreshMeters(double now_s) {
  if (now_s - meters_s_ < kMetersEveryS) return;
  meters_s_ = now_s;
  std::ifstream in("/proc/meminfo");
  double total = 0, free = 0;
  for (std::string key, unit; in >> key;) {
    double kib = 0;
    if (!(in >> kib)) break;
    std::getline(in, unit);
    if (key == "MemTotal:") total = kib;
    if (key == "MemAvailable:") free = kib;
  }
  if (total <= 0) return;
  const auto gib = [](double kib) { return ShortestNumber(std::round(kib / 1048576 * 10) / 10); };
  const std::string text = gib(total - free) + " of " + gib(total) + " GiB in use";
  if (!view_.meters.empty() && view_.meters[0].text == text) return;
  view_.meters = {{"RAM", total - free, total, text, "Memory of this machine, all programs"}};
  double weights = 0;
  if (form_.model() != nullptr) {
    for (const pipeline::ComponentInfo& component : form_.model()->info.components)
      weights += static_cast<double>(component.bytes) / 1024;
  }
  view_.memory_warning =
      weights > total ? "Will not fit: weights alone take " + gib(weights) + " GiB of " + gib(total) : "";
  changed_ = true;
}

void Controller::Refresh() {
  form_.Fill(view_);
  view_.models.clear();
  for (const auto& [path, row] : models_) view_.models.push_back(row);
  view_.jobs.clear();
  for (const auto& job : jobs_) view_.jobs.push_back(job->row);
  view_.shown_job = shown_;
  const Job* job = Find(shown_);
  const bool previews = job != nullptr && job->preview && job == active_;
  view_.clip = previews ? job->preview : clip_;
  view_.clip_note = clip_note_;
  view_.sparsity = job != nullptr ? job->board.view() : ui::SparsityView{};
  view_.why_not.pause = active_ != nullptr || !QueueToSave().empty() ? "" : "Nothing renders and nothing waits";
  view_.why_not.set_live = "";
}

}  // namespace app
