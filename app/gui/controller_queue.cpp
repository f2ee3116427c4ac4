#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "app/gui/controller.h"
#include "app/job/job.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

// The queue: what is added, moved, cancelled and saved.
namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ui::JobState;
using ui::Level;

constexpr size_t kMostHistory = 50, kMostName = 48;

std::string Absolute(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

}  // namespace

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

namespace {

// Both clips of a pair may not have one file's name: "clip.mp4" becomes "clip_a.mp4", unless the job's hash is in it.
void NameApart(ExplicitSettings& settings, const std::string& ending) {
  const auto out = settings.find("out");
  if (out == settings.end()) return;
  const auto apart = [&](const std::string& path) {
    if (path.find("{hash8}") != std::string::npos) return path;
    const size_t slash = path.find_last_of('/', path.size() - 2), from = slash == std::string::npos ? 0 : slash + 1;
    size_t at = path.find('%', from);  // of numbered pictures
    if (at == std::string::npos) at = path.back() == '/' ? path.size() - 1 : path.rfind('.');
    return at == std::string::npos || at <= from ? path + ending : path.substr(0, at) + ending + path.substr(at);
  };
  if (out->second.is_string() && !out->second.get<std::string>().empty())
    out->second = apart(out->second.get<std::string>());
  if (!out->second.is_array()) return;
  for (nlohmann::json& path : out->second) {
    if (path.is_string() && !path.get<std::string>().empty()) path = apart(path.get<std::string>());
  }
}

}  // namespace

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
      ExplicitSettings a = SettingsOfA(one);
      NameApart(a, "_a");
      NameApart(one, "_b");
      Job& job = Add(std::move(a), jobs_.size());
      job.pair = next_pair_;
      if (!kept_a_ && mode == "dense") one["attention.mode"] = "sparge";
      shown = shown == 0 ? job.row.id : shown;
    }
    Job& job = Add(std::move(one), jobs_.size());
    if (compare) job.pair = next_pair_++;
    job.is_b = compare;
    shown = shown == 0 ? job.row.id : shown;
  }
  if (view_.shuffle_seed) form_.Set("seed", std::to_string(DrawSeed() % 1000000));
  const auto remember = [](const std::string& text, std::vector<std::string>& history) {
    if (text.empty()) return;
    std::erase(history, text);
    history.insert(history.begin(), text);
    if (history.size() > kMostHistory) history.resize(kMostHistory);
  };
  remember(form_.Text("prompt"), saved_.prompt_history);
  remember(form_.Text("negative_prompt"), saved_.negative_history);
  view_.prompt_history = saved_.prompt_history;
  view_.negative_history = saved_.negative_history;
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
  const std::optional<Again> again = job->again;
  const ui::JobRow row = job->row;
  const std::string title = job->row.title, name = job->name;
  std::erase_if(jobs_, [&](const auto& other) { return other.get() == job; });
  if (shown_ == id) Show(0);
  queue_changed_ = true;
  if (!open) return;
  Notify(Level::kInfo, "Taken out of the queue: " + title, "", "Undo", [this, settings, name, again, row] {
    if (again) return AddAgain(row, settings, *again);
    Add(settings, jobs_.size()).name = name;
  });
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
    if (open && !job->again) saved.push_back({job->name, job->settings});
  }
  return saved;
}

void Controller::Save() {
  saved_.form = form_.Settings();
  saved_.shuffle_seed = view_.shuffle_seed;
  saved_.live = view_.live;
  saved_.num_seeds = view_.num_seeds;
  saved_.paused = view_.paused;
  if (queue_changed_) files_.WriteQueue(QueueToSave());
  files_.WriteState(saved_);
  queue_changed_ = state_changed_ = false;
}

void Controller::SaveQueueAs(const std::string& path) {
  std::vector<SavedJob> all;
  for (const auto& job : jobs_) {
    if (!job->again) all.push_back({job->name, job->settings});
  }
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
  files_.Finish();
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
