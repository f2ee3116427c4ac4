#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/gui/clip_loader.h"
#include "app/gui/compare_desk.h"
#include "app/gui/form.h"
#include "app/gui/library_desk.h"
#include "app/gui/looks.h"
#include "app/gui/memory_view.h"
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
  MemoryView::LookAt look_at_machine;       // from a thread of its own; none: memory is not estimated
  MemoryView::LookAtDevice look_at_device;  // likewise
  std::function<std::vector<SavedJob>(const std::string& path)> read_jobs;  // of a JOBS.yaml, plan or clip; throws
  std::function<void()> wake = [] {};  // from any thread: the window should look again
  std::string program = "Sparge Studio", device = "CPU";
};

// Those of the models, folders or names, that are there.
std::vector<std::string> FindModels(const std::vector<std::string>& models);

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
  // Several at once: two clips or more are compared.
  void OpenAll(const std::vector<std::string>& paths);
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
  // A clip that is there, in another encoding; nothing is rendered.
  struct Again {
    std::string from;  // kept latents, or the clip
    bool is_clip = false;
    std::string out;
  };
  struct Job {
    ui::JobRow row;
    std::string name;
    ExplicitSettings settings;
    StatsBoard board;
    std::optional<Again> again;
    std::string sidecar, clip_path;
    std::optional<ui::Clip> preview;
    std::map<std::pair<int, int>, std::map<std::string, std::string>> maps;  // files by step and layer, then by pass
    std::string speed_key;  // clips whose dense calls take equally long share it
    uint64_t pair = 0;      // of A/B: both have it; 0: none
    bool is_b = false;
    std::string draft;  // the clip that this one is the dense version of
    int deaths = 0;
    bool pausing = false, cancelled = false, audit_asked = false;
    bool held = false;  // waits until its model is there
  };

  // what commands do
  void SetSetting(const std::string& key, const std::string& value);
  void LookAtChosenModel();
  void AskForModels();
  void TakeModels();
  bool HoldForModel(Job& failed);
  void Generate(bool compare);
  Job& Add(ExplicitSettings settings, size_t at);
  void Cancel(uint64_t id);
  void Pause(bool on);
  void Move(uint64_t id, size_t to);
  void OpenFolder(const std::string& path);
  void OpenJobs(const std::string& path);
  void OpenClip(const std::string& path);
  void SaveQueueAs(const std::string& path);
  // the workspaces Compare and Library
  void MakeDesks();
  bool TickDesks();
  bool HandleDesk(const ui::Command& command);
  void Go(ui::Workspace workspace);
  void DescribeA();
  ExplicitSettings SettingsOfA(const ExplicitSettings& b) const;
  void OpenPair(const Job& done);
  void FinishDense(const std::string& path);
  void OpenTogether(const std::vector<std::string>& paths);
  ui::LibraryEncodePlan PlanEncode(const std::string& path, const ClipFacts& facts,
                                   const ui::LibraryPlanEncode& wanted) const;
  void EncodeAgain(const std::string& path, const ui::LibraryEncode& wanted);
  void AddAgain(const ui::JobRow& like, const ExplicitSettings& settings, const Again& again);
  // the worker
  void StartNext();
  void Send(const nlohmann::json& command);
  void SendLive();
  void Take(const nlohmann::json& event);
  void TakeOfJob(Job& job, const nlohmann::json& event);
  void AskForPreview(const Job& job, const nlohmann::json& event);
  void TakeMaps(Job& job, const nlohmann::json& event);
  void TakeLooks();  // what was read beside the window
  void AskForMemory();
  void TakeMemory();
  void SetModes(Job& job);
  std::string FolderForMaps(uint64_t id);
  void TakeFailed(Job& job, const nlohmann::json& event);
  void TakeDone(Job& job, const nlohmann::json& event);
  // the view
  const ModelCard* CardOf(const Job& job) const;
  void ShowMap(const ui::ShowMap& wanted);
  void Audit();
  void Show(uint64_t id);
  void ShowClip();
  void Refresh();
  void RefreshMeters(double now_s);
  void SetDeviceMemory(int64_t used_bytes, int64_t total_bytes);
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
  std::map<std::string, ui::ModelRow> models_;    // by path
  std::map<std::string, ModelCard> cards_;        // of the folders looked at
  std::map<std::string, FullTimes> dense_times_;  // by speed_key, of clips so far
  ClipLoader loader_;
  Background<PreviewFile, Preview> preview_reader_;
  Background<MapFile, BlockMapPicture> map_reader_;
  std::optional<Background<MemoryQuestion, MemoryAnswer>> memory_reader_;
  Background<std::vector<std::string>, std::vector<std::string>> model_watch_;
  std::set<std::string> watched_;  // that were asked for last
  bool chosen_gone_ = false;
  std::optional<ui::Meter> device_meter_;  // of the CUDA device, once one is known
  std::optional<ui::BlockMapView> map_;    // of the job that is shown
  std::vector<uint64_t> with_maps_;        // jobs that keep theirs, oldest first
  std::string loading_, clip_title_;
  std::optional<ui::Clip> clip_;
  std::string clip_note_;
  uint64_t shown_ = 0, next_id_ = 1, next_notice_ = 1, next_image_ = 2;  // images: even, see ClipLoader
  std::map<uint64_t, std::function<void()>> notice_actions_;
  ui::StudioView view_;
  std::unique_ptr<CompareDesk> compare_;
  std::unique_ptr<LibraryDesk> library_;
  std::optional<ExplicitSettings> kept_a_;
  uint64_t next_pair_ = 1;
  // What the view has of each already.
  uint64_t form_revision_ = ~uint64_t{0}, board_revision_ = 0, board_job_ = 0;
  double now_s_ = 0, meters_s_ = -1e9, saved_s_ = -1e9;
  bool changed_ = true, queue_changed_ = false, state_changed_ = false, quits_ = false;
};

}  // namespace app
