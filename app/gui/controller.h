#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/gui/clip_loader.h"
#include "app/gui/form.h"
#include "app/gui/stats_board.h"
#include "app/gui/user_files.h"
#include "app/gui/worker_link.h"
#include "ui/commands.h"
#include "ui/view.h"

namespace app {

struct ControllerOptions {
  std::string state_folder;                                 // "" is the user's own
  std::function<std::unique_ptr<WorkerLink>()> start_link;  // called when a worker is needed first
  LookAtModel look_at_model = LookAtModelFolder;
  std::function<std::vector<SavedJob>(const std::string& path)> read_jobs;  // of a JOBS.yaml, plan or clip; throws
  std::function<void()> wake = [] {};  // from any thread: the window should look again
  std::string program = "Sparge Studio", device = "CPU";
};

// What the window's commands do: the form, the queue and its file, the worker, what is shown. No window is needed.
// For one thread.
class Controller {
 public:
  explicit Controller(ControllerOptions options);
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  void Handle(const ui::Command& command);
  void Open(const std::string& path);  // a model folder, a JOBS.yaml, a clip; errors become notices
  // Takes what the worker says, starts the next job, saves. `now_s`: the clock of notices. Returns whether the view is
  // another one now.
  bool Tick(double now_s);

  const ui::StudioView& view() const { return view_; }
  SavedState& saved() { return saved_; }  // window and panels, for who draws
  bool busy() const { return active_ != nullptr || releasing_; }
  bool quits() const { return quits_; }
  // Saves everything; what renders leaves a checkpoint, for which it waits up to `patience_s`.
  void Shutdown(double patience_s);

 private:
  struct Job {
    ui::JobRow row;
    std::string name;
    ExplicitSettings settings;
    StatsBoard board;
    std::string sidecar, clip_path;
    std::optional<ui::Clip> preview;
    int deaths = 0;
    bool pausing = false, cancelled = false;
  };

  // what commands do
  void SetSetting(const std::string& key, const std::string& value);
  void LookAtChosenModel();
  void Generate(bool compare);
  Job& Add(ExplicitSettings settings, size_t at);
  void Cancel(uint64_t id);
  void Pause(bool on);
  void Move(uint64_t id, size_t to);
  void OpenFolder(const std::string& path);
  void OpenJobs(const std::string& path);
  void OpenClip(const std::string& path);
  void SaveQueueAs(const std::string& path);
  // the worker
  void StartNext();
  void Send(const nlohmann::json& command);
  void SendLive();
  void Take(const nlohmann::json& event);
  void TakeOfJob(Job& job, const nlohmann::json& event);
  void TakePreview(Job& job, const nlohmann::json& event);
  void TakeFailed(Job& job, const nlohmann::json& event);
  void TakeDone(Job& job, const nlohmann::json& event);
  // the view
  void Show(uint64_t id);
  void ShowClip();
  void Refresh();
  void RefreshMeters(double now_s);
  void Notify(ui::Level level, const std::string& text, const std::string& remedy = "", const std::string& action = "",
              std::function<void()> run = nullptr);
  // saving
  void Save();
  std::vector<SavedJob> QueueToSave() const;

  Job* Find(uint64_t id);
  std::string FreshName(const std::string& prompt) const;
  static void Describe(Job& job);

  const ControllerOptions options_;
  UserFiles files_;
  SavedState saved_;
  Form form_;
  std::unique_ptr<WorkerLink> link_;
  std::vector<std::unique_ptr<Job>> jobs_;
  Job* active_ = nullptr;                    // given to the worker
  bool releasing_ = false;                   // the worker was told to quit, its memory is not free yet
  std::map<std::string, std::string> live_;  // settings that wait to be sent
  double live_since_s_ = 0;
  std::map<std::string, ui::ModelRow> models_;  // by path
  ClipLoader loader_;
  std::string loading_, clip_title_;
  std::optional<ui::Clip> clip_;
  std::string clip_note_;
  uint64_t shown_ = 0, next_id_ = 1, next_notice_ = 1, next_image_ = 2;  // images: even, see ClipLoader
  std::map<uint64_t, std::function<void()>> notice_actions_;
  ui::StudioView view_;
  double now_s_ = 0, meters_s_ = -1e9, saved_s_ = -1e9;
  bool changed_ = true, queue_changed_ = false, state_changed_ = false, quits_ = false;
};

}  // namespace app
