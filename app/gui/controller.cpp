#include "app/gui/controller.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "app/job/job.h"
#include "app/job/model.h"
#include "app/settings/table.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"
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
constexpr size_t kMostHistory = 50, kMostRecent = 10, kMostNotices = 50, kMostName = 48;

std::string Absolute(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

}  // namespace

Controller::Controller(ControllerOptions options)
    : options_(std::move(options)), files_(options_.state_folder), loader_(options_.wake) {
  std::vector<std::string> problems;
  saved_ = files_.ReadState(problems);
  view_.program = options_.program;
  view_.device = options_.device;
  view_.prompt_history = saved_.prompt_history;
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
      if (const Job* job = Find(c.id)) Add(job->settings, jobs_.size());
    } else if constexpr (std::is_same_v<T, ui::EditJob>) {
      const Job* job = Find(c.id);
      if (job == nullptr) return;
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
    int64_t bytes = 0;
    for (const pipeline::ComponentInfo& component : card.info.components) bytes += component.bytes;
    view_.memory_estimate = "weights " + ShortestNumber(static_cast<double>(bytes >> 20)) + " MiB";
    form_.SetModel(std::move(card), "");
  } catch (const base::Error& error) {
    const auto it = models_.find(chosen);
    if (it != models_.end()) it->second.error = error.what();
    view_.memory_estimate.clear();
    form_.SetModel(std::nullopt, error.what());
  }
}

std::string Controller::FreshName(const std::string& prompt) const {
  std::string base = Trim(CutUTF8(prompt, kMostName));
  std::replace(base.begin(), base.end(), '\n', ' ');
  if (base.empty()) base = "clip";
  const auto taken = [&](const std::string& name) {
    return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->name == name; });
  };
  std::string name = base;
  for (int i = 2; taken(name); ++i) name = base + " " + std::to_string(i);
  return name;
}

void Controller::Describe(Job& job) {
  const auto text = [&](const char* key) {
    const auto it = job.settings.find(key);
    return it == job.settings.end() ? std::string() : TypedText(it->second);
  };
  job.row.title = text("prompt");
  std::string detail;
  const auto add = [&](const std::string& part) { detail += (detail.empty() || part.empty() ? "" : " · ") + part; };
  const std::string mode = text("attention.mode");
  add(mode.empty() ? "sparge" : mode);
  if (!text("seed").empty()) add("seed " + text("seed"));
  if (!text("width").empty() && !text("height").empty()) add(text("width") + " × " + text("height"));
  if (!text("frames").empty()) add(text("frames") + " frames");
  if (!text("steps").empty()) add(text("steps") + " steps");
  add(fs::path(text("model")).filename().string());
  job.row.detail = detail;
}

Controller::Job& Controller::Add(ExplicitSettings settings, size_t at) {
  auto job = std::make_unique<Job>();
  job->row.id = next_id_++;
  const auto prompt = settings.find("prompt");
  job->name =
      FreshName(prompt != settings.end() && prompt->second.is_string() ? prompt->second.get<std::string>() : "");
  const auto seed = settings.find("seed");
  if (seed != settings.end() && seed->second == "random") seed->second = DrawSeed();
  job->settings = std::move(settings);
  Describe(*job);
  Job& added = *job;
  jobs_.insert(jobs_.begin() + static_cast<ptrdiff_t>(std::min(at, jobs_.size())), std::move(job));
  queue_changed_ = true;
  return added;
}

void Controller::Generate(bool compare) {
  if (const std::string why_not = form_.WhyNot(); !why_not.empty())
    return Notify(Level::kWarning, "Not yet: " + why_not);
  const ExplicitSettings settings = form_.Settings();
  const EffectiveSettings effective = form_.Effective();
  int64_t first = effective.at("seed").is_number_integer() ? effective.Int("seed") : DrawSeed();
  uint64_t shown = 0;
  for (int i = 0; i < view_.num_seeds; ++i) {
    ExplicitSettings one = settings;
    one["seed"] = first + i;
    const std::string mode = effective.TextOr("attention.mode", "sparge");
    if (compare) {
      ExplicitSettings reference = one;
      reference["attention.mode"] = "dense";
      if (mode == "dense") one["attention.mode"] = "sparge";
      Job& job = Add(std::move(reference), jobs_.size());
      shown = shown == 0 ? job.row.id : shown;
    }
    Job& job = Add(std::move(one), jobs_.size());
    shown = shown == 0 ? job.row.id : shown;
  }
  if (view_.shuffle_seed) form_.Set("seed", std::to_string(DrawSeed() % 1000000));
  const std::string prompt = form_.Text("prompt");
  auto& history = saved_.prompt_history;
  std::erase(history, prompt);
  history.insert(history.begin(), prompt);
  if (history.size() > kMostHistory) history.resize(kMostHistory);
  view_.prompt_history = history;
  if (active_ == nullptr) Show(shown);
}

void Controller::Cancel(uint64_t id) {
  Job* job = Find(id);
  if (job == nullptr) return;
  if (job == active_) {
    job->cancelled = true;
    job->pausing = false;
    return Send({{"id", job->row.id}, {"cmd", "cancel"}});
  }
  const bool open = job->row.state == JobState::kWaiting || job->row.state == JobState::kPaused;
  const ExplicitSettings settings = job->settings;
  const std::string title = job->row.title, name = job->name;
  std::erase_if(jobs_, [&](const auto& other) { return other.get() == job; });
  if (shown_ == id) Show(0);
  queue_changed_ = true;
  if (!open) return;
  Notify(Level::kInfo, "Taken out of the queue: " + title, "", "Undo",
         [this, settings, name] { Add(settings, jobs_.size()).name = name; });
}

void Controller::Pause(bool on) {
  if (on == view_.paused) return;
  view_.paused = on;
  state_changed_ = true;
  if (on && active_ != nullptr) {
    active_->pausing = true;
    active_->row.state = JobState::kPausing;
    Send({{"id", active_->row.id}, {"cmd", "pause"}});
  }
  if (on) return;
  if (active_ != nullptr && active_->pausing) {
    active_->pausing = false;
    active_->row.state = JobState::kRunning;
    Send({{"id", active_->row.id}, {"cmd", "resume"}});
  }
  for (const auto& job : jobs_) {
    if (job->row.state == JobState::kPaused) job->row.state = JobState::kWaiting;
  }
}

void Controller::Move(uint64_t id, size_t to) {
  const auto it = std::find_if(jobs_.begin(), jobs_.end(), [&](const auto& job) { return job->row.id == id; });
  if (it == jobs_.end() || to >= jobs_.size()) return;
  auto job = std::move(*it);
  jobs_.erase(it);
  jobs_.insert(jobs_.begin() + static_cast<ptrdiff_t>(to), std::move(job));
  queue_changed_ = true;
}

// ---- Saving

std::vector<SavedJob> Controller::QueueToSave() const {
  std::vector<SavedJob> saved;
  for (const auto& job : jobs_) {
    const JobState state = job->row.state;
    const bool open =
        job.get() == active_ ? !job->cancelled : state == JobState::kWaiting || state == JobState::kPaused;
    if (open) saved.push_back({job->name, job->settings});
  }
  return saved;
}

void Controller::Save() {
  saved_.form = form_.Settings();
  saved_.shuffle_seed = view_.shuffle_seed;
  saved_.live = view_.live;
  saved_.num_seeds = view_.num_seeds;
  saved_.paused = view_.paused;
  try {
    if (queue_changed_) files_.WriteQueue(QueueToSave());
    files_.WriteState(saved_);
    queue_changed_ = state_changed_ = false;
  } catch (const base::Error& error) {
    queue_changed_ = state_changed_ = false;
    Notify(Level::kError, base::StrCat("The queue could not be saved: ", error.what()),
           "Make room there, or save the queue as YAML elsewhere.");
  }
}

void Controller::SaveQueueAs(const std::string& path) {
  std::vector<SavedJob> all;
  for (const auto& job : jobs_) all.push_back({job->name, job->settings});
  try {
    base::AtomicFile file(path);
    file.Write(QueueYAML(all));
    file.Commit();
    Notify(Level::kInfo, "Saved: " + Absolute(path), "sparge render takes it.");
  } catch (const base::Error& error) {
    Notify(Level::kError, error.what(), "Choose another place.");
  }
}

void Controller::Shutdown(double patience_s) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::duration<double>(patience_s);
  queue_changed_ = state_changed_ = true;
  Save();  // with what renders: it goes on from its checkpoint
  if (active_ == nullptr || !link_) return;
  const uint64_t id = active_->row.id;
  try {
    link_->Send({{"id", id}, {"cmd", "cancel"}});
    while (Clock::now() < deadline) {
      const std::optional<json> event = link_->Next();
      if (!event) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      const std::string kind = event->value("event", "");
      if (kind == "done" || kind == "failed" || kind == "worker_died") return;
    }
  } catch (const base::Error&) {
    return;  // it is gone; the queue is saved
  }
}

}  // namespace app
