#include "app/gui/controller.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "app/job/job.h"
#include "app/job/model.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ui::JobState;
using ui::Level;

constexpr const char* kDemoModel = "toybox";  // comes with the program
constexpr const char* kDemoPrompt = "a red sphere rolling to the left on a blue floor";
constexpr const char* kNowhere =
    "/dev/null";  // no folder: names are those of the search path, not of the working directory
constexpr size_t kMostRecent = 10, kMostNotices = 50;
constexpr double kLiveAfterS = 0.25, kSaveEveryS = 1, kMetersEveryS = 1;

ui::Meter MeterOf(const char* label, double used_bytes, double total_bytes, const char* tooltip) {
  const auto gib = [](double bytes) { return ShortestNumber(std::round(bytes / (1 << 30) * 10) / 10); };
  return {label, used_bytes, total_bytes, gib(used_bytes) + " of " + gib(total_bytes) + " GiB in use", tooltip};
}

}  // namespace

Controller::Controller(ControllerOptions options)
    : options_(std::move(options)),
      files_(options_.state_folder, options_.wake),
      loader_(options_.wake),
      preview_reader_([](const PreviewFile& file, const auto&) { return ReadPreview(file); }, options_.wake),
      map_reader_([](const MapFile& file, const auto&) { return ReadBlockMap(file); }, options_.wake),
      model_watch_([](const std::vector<std::string>& models, const auto&) { return FindModels(models); }, [] {}) {
  if (options_.look_at_machine) {
    memory_reader_.emplace([view = std::make_shared<MemoryView>(options_.look_at_machine, options_.look_at_device)](
                               const MemoryQuestion& question, const auto&) { return (*view)(question); },
                           options_.wake);
  }
  std::vector<std::string> problems;
  saved_ = files_.ReadState(problems);
  view_.program = options_.program;
  view_.device = options_.device;
  view_.prompt_history = saved_.prompt_history;
  view_.negative_history = saved_.negative_history;
  view_.shuffle_seed = saved_.shuffle_seed;
  view_.num_seeds = saved_.num_seeds;
  view_.live = saved_.live;
  std::vector<std::string> paths = saved_.recent_models;
  for (const std::string& name : ModelNames()) {
    try {
      paths.push_back(FindModel(name, kNowhere));
    } catch (const base::Error&) {
      continue;  // gone since it was listed
    }
  }
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) continue;
    models_[path] = {fs::path(path).filename().string(), path, "", "", false};
    models_[path].demo = models_[path].name == kDemoModel;
  }
  form_.Take(saved_.form);
  if (form_.Text("model").empty() && !models_.empty()) {
    const auto demo = std::find_if(models_.begin(), models_.end(), [](const auto& row) { return row.second.demo; });
    form_.Set("model", demo != models_.end() ? demo->first : models_.begin()->first);
    if (demo != models_.end() && form_.Text("prompt").empty()) form_.Set("prompt", kDemoPrompt);
  }
  LookAtChosenModel();
  for (SavedJob& saved : files_.ReadQueue(problems)) {
    Job& job = Add(std::move(saved.settings), jobs_.size());
    if (!saved.name.empty()) job.name = saved.name;
  }
  view_.paused = saved_.paused && !jobs_.empty();
  for (const std::string& problem : problems) {
    Notify(Level::kWarning, problem, "What could be read is here; the rest starts afresh.");
  }
  if (!files_.owned()) {
    Notify(Level::kWarning, "Another window owns the saved queue and settings",
           "What is done here works, and is not kept when this window closes. Save the queue as YAML to keep it.");
  }
  MakeDesks();
  queue_changed_ = false;
  Refresh();
}

// What changed since the last save would be lost.
Controller::~Controller() {
  if (queue_changed_ || state_changed_) Save();
}

Controller::Job* Controller::Find(uint64_t id) {
  const auto it = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->row.id == id; });
  return it == jobs_.end() ? nullptr : it->get();
}

void Controller::Notify(Level level, const std::string& text, const std::string& remedy, const std::string& action,
                        std::function<void()> run) {
  for (const ui::NoticeRow& old : view_.notices) {
    if (old.text == text && old.remedy == remedy && action.empty()) return;  // said already
  }
  const uint64_t id = next_notice_++;
  view_.notices.push_back({id, level, text, remedy, action, now_s_});
  if (run) notice_actions_[id] = std::move(run);
  if (view_.notices.size() > kMostNotices) view_.notices.erase(view_.notices.begin());
  changed_ = true;
}

// ---- What commands do

void Controller::Handle(const ui::Command& command) {
  if (HandleDesk(command)) return;
  changed_ = true;
  const auto visitor = [this](const auto& c) {
    using T = std::decay_t<decltype(c)>;
    if constexpr (std::is_same_v<T, ui::SetSetting>) {
      SetSetting(c.key, c.value);
    } else if constexpr (std::is_same_v<T, ui::SetSeeds>) {
      view_.shuffle_seed = c.shuffle;
      view_.num_seeds = std::clamp(c.count, 1, 64);
    } else if constexpr (std::is_same_v<T, ui::SetLive>) {
      view_.live = c.on;
    } else if constexpr (std::is_same_v<T, ui::PaintSchedule>) {
      form_.Paint(c.step0, c.step1, c.layer0, c.layer1, c.mode);
    } else if constexpr (std::is_same_v<T, ui::ClearSchedule>) {
      form_.ClearPaint();
    } else if constexpr (std::is_same_v<T, ui::Generate>) {
      Generate(c.compare);
    } else if constexpr (std::is_same_v<T, ui::ShowJob>) {
      Show(c.id);
    } else if constexpr (std::is_same_v<T, ui::MoveJob>) {
      Move(c.id, c.to);
    } else if constexpr (std::is_same_v<T, ui::DuplicateJob>) {
      const Job* job = Find(c.id);
      if (job != nullptr && !job->again) Add(job->settings, jobs_.size());
    } else if constexpr (std::is_same_v<T, ui::EditJob>) {
      const Job* job = Find(c.id);
      if (job == nullptr || job->again) return;
      const bool waits = job->row.state == JobState::kWaiting;
      form_.Take(job->settings);
      LookAtChosenModel();
      if (waits) std::erase_if(jobs_, [&](const auto& other) { return other.get() == job; });
      queue_changed_ |= waits;
    } else if constexpr (std::is_same_v<T, ui::CancelJob>) {
      Cancel(c.id);
    } else if constexpr (std::is_same_v<T, ui::RetryJob>) {
      Job* job = Find(c.id);
      if (job == nullptr || (job->row.state != JobState::kFailed && job->row.state != JobState::kCancelled)) return;
      job->row.state = JobState::kWaiting;
      job->row.error.clear();
      job->deaths = 0;
      queue_changed_ = true;
    } else if constexpr (std::is_same_v<T, ui::CancelAll>) {
      std::vector<uint64_t> ids;
      for (const auto& job : jobs_) {
        if (job.get() == active_ || job->row.state == JobState::kWaiting || job->row.state == JobState::kPaused)
          ids.push_back(job->row.id);
      }
      for (const uint64_t id : ids) Cancel(id);
      Pause(false);
    } else if constexpr (std::is_same_v<T, ui::ClearFinished>) {
      std::erase_if(jobs_, [&](const auto& job) {
        const JobState state = job->row.state;
        return job.get() != active_ &&
               (state == JobState::kDone || state == JobState::kFailed || state == JobState::kCancelled);
      });
    } else if constexpr (std::is_same_v<T, ui::PauseQueue>) {
      Pause(c.on);
    } else if constexpr (std::is_same_v<T, ui::AuditStep>) {
      Audit();
    } else if constexpr (std::is_same_v<T, ui::ShowMap>) {
      ShowMap(c);
    } else if constexpr (std::is_same_v<T, ui::OpenPath>) {
      Open(c.path);
    } else if constexpr (std::is_same_v<T, ui::SaveQueue>) {
      SaveQueueAs(c.path);
    } else if constexpr (std::is_same_v<T, ui::DismissNotice>) {
      std::erase_if(view_.notices, [&](const ui::NoticeRow& row) { return c.id == 0 || row.id == c.id; });
    } else if constexpr (std::is_same_v<T, ui::NoticeAction>) {
      const auto it = notice_actions_.find(c.id);
      if (it == notice_actions_.end()) return;
      const std::function<void()> run = std::move(it->second);
      notice_actions_.erase(it);
      std::erase_if(view_.notices, [&](const ui::NoticeRow& row) { return row.id == c.id; });
      run();
    } else if constexpr (std::is_same_v<T, ui::Quit>) {
      quits_ = true;
    }
  };
  std::visit(visitor, command);
  state_changed_ = true;
}

void Controller::SetSetting(const std::string& key, const std::string& value) {
  const bool other_model = key == "model" && value != form_.Text("model");
  form_.Set(key, value);
  if (other_model) LookAtChosenModel();
  static const std::set<std::string> kLive = {"attention.mode",     "attention.topk",   "attention.cdf",
                                              "attention.theta",    "attention.lambda", "attention.sink",
                                              "attention.dense_as", "attention.kernel"};
  const bool renders = active_ != nullptr && active_->row.state == JobState::kRunning;
  if (!view_.live || !renders || !kLive.count(key)) return;
  live_[key] = value;
  live_since_s_ = now_s_;
}

void Controller::LookAtChosenModel() {
  const std::string chosen = form_.Text("model");
  if (chosen.empty()) return form_.SetModel(std::nullopt, "");
  try {
    const std::string folder = FindModel(chosen);
    ModelCard card = options_.look_at_model(folder);
    ui::ModelRow& row = models_[folder];
    row = {fs::path(folder).filename().string(), folder, ModelSummary(card.info), "", row.demo};
    if (chosen != folder) form_.Set("model", folder);
    std::erase(saved_.recent_models, folder);
    saved_.recent_models.insert(saved_.recent_models.begin(), folder);
    if (saved_.recent_models.size() > kMostRecent) saved_.recent_models.resize(kMostRecent);
    cards_[folder] = card;
    form_.SetModel(std::move(card), "");
  } catch (const base::Error& error) {
    const auto it = models_.find(chosen);
    if (it != models_.end()) it->second.error = error.what();
    form_.SetModel(std::nullopt, error.what());
  }
}

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
      if (Job* job = Find(shown_); clip_ && job != nullptr) job->preview.reset();
      if (!loaded->error.empty()) Notify(Level::kError, loaded->error, "The file may be damaged or no longer there.");
      if (loaded->cut)
        Notify(Level::kWarning, "Only the beginning of this clip is shown",
               "The rest would need more than 1 GiB of memory.");
    }
  }
  TakeLooks();
  TakeMemory();
  TakeModels();
  RefreshMeters(now_s);
  for (const std::string& error : files_.TakeErrors()) {
    Notify(Level::kError, base::StrCat("The queue could not be saved: ", error),
           "Make room there, or save the queue as YAML elsewhere.");
  }
  if ((queue_changed_ || state_changed_) && now_s - saved_s_ >= kSaveEveryS) {
    saved_s_ = now_s;
    Save();
  }
  const bool desks = TickDesks();
  const bool changed = changed_;
  if (changed) Refresh();
  changed_ = false;
  return changed || desks;
}

// ---- The view

void Controller::RefreshMeters(double now_s) {
  if (now_s - meters_s_ < kMetersEveryS) return;
  meters_s_ = now_s;
  AskForModels();
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
  const ui::Meter ram = MeterOf("RAM", (total - free) * 1024, total * 1024, "Memory of this machine, all programs");
  std::vector<ui::Meter> meters = {ram};
  if (device_meter_) meters.push_back(*device_meter_);
  const auto same = [](const ui::Meter& a, const ui::Meter& b) { return a.text == b.text && a.tooltip == b.tooltip; };
  if (std::equal(meters.begin(), meters.end(), view_.meters.begin(), view_.meters.end(), same)) return;
  view_.meters = std::move(meters);
  changed_ = true;
}

// What was said last. 0 of 0: who could say it is gone.
void Controller::SetDeviceMemory(int64_t used_bytes, int64_t total_bytes) {
  device_meter_ = total_bytes > 0 ? MeterOf("VRAM", static_cast<double>(used_bytes), static_cast<double>(total_bytes),
                                            "Memory of the CUDA device, all programs, as of the last step")
                                  : ui::Meter{"VRAM", 0, 0, "not known now", "It is known again when a clip is made"};
  meters_s_ = -1e9;
}

// The estimate of what the form says; the last one stays until the next is there.
void Controller::AskForMemory() {
  if (!memory_reader_) return;
  if (form_.model() == nullptr) {
    memory_reader_->Forget();
    view_.memory_estimate.clear();
    view_.memory_warning.clear();
    view_.memory_offers.clear();
    return;
  }
  memory_reader_->Ask({form_.Effective(), form_.model()->info, link_ == nullptr});
}

void Controller::TakeMemory() {
  std::optional<MemoryAnswer> answer = memory_reader_ ? memory_reader_->Take() : std::nullopt;
  if (!answer) return;
  if (answer->device) SetDeviceMemory(answer->device->used_bytes, answer->device->total_bytes);
  view_.memory_estimate = std::move(answer->estimate);
  view_.memory_warning = std::move(answer->warning);
  view_.memory_offers = std::move(answer->offers);
  changed_ = true;
}

void Controller::Refresh() {
  if (form_.revision() != form_revision_) {
    form_revision_ = form_.revision();
    form_.Fill(view_);
    AskForMemory();
  }
  view_.models.clear();
  for (const auto& [path, row] : models_) view_.models.push_back(row);
  view_.jobs.clear();
  for (const auto& job : jobs_) view_.jobs.push_back(job->row);
  view_.shown_job = shown_;
  const Job* job = Find(shown_);
  const bool previews = job != nullptr && job->preview && !clip_;
  const std::optional<ui::Clip>& clip = previews ? job->preview : clip_;
  if (clip.has_value() != view_.clip.has_value() || (clip && clip->id != view_.clip->id)) view_.clip = clip;
  view_.clip_note = clip_note_;
  if (job == nullptr) {
    view_.sparsity = {};
  } else if (board_job_ != shown_ || board_revision_ != job->board.revision()) {
    board_revision_ = job->board.revision();
    view_.sparsity = job->board.view();
  }
  board_job_ = shown_;
  view_.sparsity.map = map_;
  view_.why_not.audit = active_ == nullptr || active_->row.state != JobState::kRunning ? "Nothing renders"
                        : active_->audit_asked ? "Asked for: the next step is audited"
                                               : "";
  view_.why_not.pause = active_ != nullptr || !QueueToSave().empty() ? "" : "Nothing renders and nothing waits";
  view_.why_not.set_live = "";
}

}  // namespace app
