#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "app/gui/controller.h"
#include "app/gui/event_json.h"
#include "app/seen/job_record.h"
#include "app/settings/table.h"
#include "app/settings/text.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

// What goes to the worker, and what it says.
namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ui::JobState;
using ui::Level;

constexpr size_t kMostMaps = 10000;  // of a step
constexpr size_t kJobsWithMaps = 4;
constexpr int kDeathsToFail = 2;

}  // namespace

bool IsMedia(const std::string& path) {
  try {
    return pipeline::KindOfOutput(path) != pipeline::OutputKind::kTensors;
  } catch (const base::Error&) {
    return false;
  }
}

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

// Where the worker puts the block maps of a job; the newest jobs keep theirs.
std::string Controller::FolderForMaps(uint64_t id) {
  std::erase(with_maps_, id);
  with_maps_.push_back(id);
  if (with_maps_.size() > kJobsWithMaps) {
    files_.RemoveLooks(std::to_string(with_maps_.front()));
    if (Job* old = Find(with_maps_.front())) old->maps.clear();
    with_maps_.erase(with_maps_.begin());
  }
  return files_.LooksFolder(std::to_string(id));
}

void Controller::StartNext() {
  if (active_ != nullptr || view_.paused || releasing_) return;
  const auto next = std::find_if(jobs_.begin(), jobs_.end(),
                                 [](const auto& job) { return job->row.state == JobState::kWaiting && !job->held; });
  if (next == jobs_.end()) return;
  Job& job = **next;
  const bool follows = shown_ == 0 || Find(shown_) == nullptr || Find(shown_)->row.state != JobState::kWaiting;
  active_ = &job;
  job.row.state = JobState::kRunning;
  job.row.stage.clear();
  job.row.step = job.row.total = 0;
  job.row.error.clear();
  job.cancelled = job.pausing = false;
  if (const ModelCard* card = CardOf(job)) {
    const EffectiveSettings effective = EffectiveOf(*card, job.settings);
    job.board.Begin(static_cast<int>(std::clamp<int64_t>(effective.Int("steps"), 0, 1000)),
                    static_cast<int>(card->info.num_layers), static_cast<int>(card->info.num_heads));
    job.speed_key = card->info.path;
    for (const char* key : {"dtype", "device", "threads"}) job.speed_key += '\n' + TypedText(effective.at(key));
    job.board.SetEarlier(dense_times_[job.speed_key]);
    SetModes(job);
  } else {
    job.board.Begin(0, 0, 0);
  }
  job.maps.clear();
  job.audit_asked = false;
  json settings = json::object();
  for (const auto& [key, value] : job.settings) settings[key] = value;
  // The default name holds the job's hash: what is there under it is this very clip.
  const bool replace = !job.settings.count("out");
  json render = {{"id", job.row.id}, {"cmd", "render"},    {"settings", settings},
                 {"name", job.name}, {"replace", replace}, {"preview", true}};
  if (job.again) {
    render[job.again->is_clip ? "from_clip" : "from_latents"] = job.again->from;
    render["outputs"] = json::array({job.again->out});
    render["replace"] = render["preview"] = false;
  } else if (const std::string maps = FolderForMaps(job.row.id); !maps.empty()) {
    render["maps"] = maps;
  }
  Send(render);
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
    if (device_meter_) SetDeviceMemory(0, 0);
    return;
  }
  if (!event.contains("id") || !event["id"].is_number_unsigned()) return;
  if (Job* job = Find(event["id"].get<uint64_t>())) TakeOfJob(*job, event);
}

void Controller::TakeOfJob(Job& job, const json& event) {
  const std::string kind = TextIn(event, "event");
  ui::JobRow& row = job.row;
  if (const json memory = event.value("device_memory", json()); memory.is_object()) {
    const auto bytes = [&](const char* key) {
      return static_cast<int64_t>(std::clamp(NumberIn(memory, key).value_or(0), 0.0, 1e15));
    };
    if (bytes("total_bytes") > 0)
      SetDeviceMemory(std::min(bytes("used_bytes"), bytes("total_bytes")), bytes("total_bytes"));
  }
  if (kind == "progress") {
    row.stage = TextIn(event, "stage");
    row.step = static_cast<int64_t>(NumberIn(event, "step").value_or(0));
    row.total = static_cast<int64_t>(NumberIn(event, "total").value_or(0));
    row.s_per_step = row.stage == "denoise" ? NumberIn(event, "s_per_step") : std::nullopt;
    row.eta_s = NumberIn(event, "eta_s");
    if (const auto sparsity = NumberIn(event, "sparsity")) row.sparsity = sparsity;
  } else if (kind == "stats") {
    job.board.TakeStats(event);
    TakeMaps(job, event);
  } else if (kind == "audit") {
    job.audit_asked = false;
    job.board.TakeAudit(event);
  } else if (kind == "preview") {
    AskForPreview(job, event);
  } else if (kind == "set") {
    // The rule is part of the job from now on: rendered again it gives the same bits.
    if (event.contains("rule") && event["rule"].is_object()) {
      Value& rules = job.settings["attention.schedule"];
      if (!rules.is_array()) rules = Value::array();
      rules.push_back(event["rule"]);
      queue_changed_ = true;
      SetModes(job);
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
void Controller::AskForPreview(const Job& job, const json& event) {
  PreviewFile file;
  file.job = job.row.id;
  file.path = TextIn(event, "path");
  const auto whole = [&](const char* key) {
    return static_cast<int>(std::clamp(NumberIn(event, key).value_or(0), 0.0, 1e6));
  };
  file.width_px = whole("width");
  file.height_px = whole("height");
  file.num_frames = whole("frames");
  const int step = whole("step") + 1;
  file.badge = "preview, step " + std::to_string(step);
  if (job.row.total > 0) file.badge += " of " + std::to_string(job.row.total);
  // Latents have fewer frames than the clip, and show it in the same time.
  if (const ModelCard* card = CardOf(job)) {
    const EffectiveSettings settings = EffectiveOf(*card, job.settings);
    const double seconds = static_cast<double>(settings.Int("frames")) / std::max(settings.Number("fps"), 0.1);
    file.fps = std::clamp(file.num_frames / std::max(seconds, 0.1), 0.5, 60.0);
  }
  preview_reader_.Ask(std::move(file));
}

void Controller::TakeMaps(Job& job, const json& event) {
  if (!event.contains("maps") || !event["maps"].is_array()) return;
  const int step = static_cast<int>(std::clamp(NumberIn(event, "step").value_or(0), 0.0, 1e6));
  size_t taken = 0;
  for (const json& map : event["maps"]) {
    const std::optional<double> layer = NumberIn(map, "layer");
    const std::string path = TextIn(map, "path");
    if (!layer || *layer < 0 || *layer > 1e6 || path.empty() || ++taken > kMostMaps) continue;
    job.maps[{step, static_cast<int>(*layer)}][TextIn(map, "pass")] = path;
  }
}

void Controller::TakeLooks() {
  if (auto preview = preview_reader_.Take()) {
    Job* job = Find(preview->of.job);
    if (job != nullptr && job == active_ && !preview->frames.empty()) {
      ui::Clip clip;
      clip.id = next_image_ += 2;
      clip.title = job->row.title;
      clip.fps = preview->of.fps;
      clip.preview = true;
      clip.badge = preview->of.badge;
      clip.frames = std::move(preview->frames);
      for (ui::Image& frame : clip.frames) frame.id = next_image_ += 2;
      job->preview = std::move(clip);
      changed_ = true;
    }
  }
  if (auto picture = map_reader_.Take(); picture && picture->of.job == shown_) {
    map_ = std::move(picture->view);
    map_->image.id = next_image_ += 2;
    changed_ = true;
  }
}

// What its steps and layers run as, with what was changed while it rendered.
void Controller::SetModes(Job& job) {
  const ModelCard* card = CardOf(job);
  if (card == nullptr) return;
  try {
    job.board.SetModes(ModesOf(*card, EffectiveOf(*card, job.settings)), static_cast<int>(card->info.num_layers));
  } catch (const base::Error&) {
    return;  // the worker says what is wrong
  }
}

void Controller::TakeDone(Job& job, const json& event) {
  job.row.state = JobState::kDone;
  job.row.seconds = NumberIn(event, "seconds");
  job.row.eta_s.reset();
  job.sidecar = TextIn(event, "sidecar");
  if (job.clip_path.empty()) job.preview.reset();  // else it stays until the clip is read
  if (&job == active_) active_ = nullptr;
  queue_changed_ = true;
  live_.clear();
  if (!job.sidecar.empty()) {
    job.board.TakeSidecar(ReadSidecar(job.sidecar));
  }
  if (!job.speed_key.empty()) {
    for (const auto& [size, sum] : job.board.dense().by_size) dense_times_[job.speed_key].by_size[size] = sum;
  }
  if (shown_ == job.row.id) ShowClip();
  OpenPair(job);
}

void Controller::TakeFailed(Job& job, const json& event) {
  const json error = event.value("error", json::object());
  const std::string message = TextIn(error, "message");
  const bool cancelled = TextIn(event, "status") == "cancelled";
  const bool died = event.contains("worker_died") && event["worker_died"] == true;
  if (died && device_meter_) SetDeviceMemory(0, 0);
  if (&job == active_) active_ = nullptr;
  live_.clear();
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
  job.preview.reset();
  if (cancelled || job.cancelled) {
    job.row.state = JobState::kCancelled;
    return;
  }
  if (HoldForModel(job)) return;
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

}  // namespace app
