#include <algorithm>
#include <filesystem>

#include "app/gui/compare_desk.h"
#include "app/gui/controller.h"
#include "app/gui/event_json.h"
#include "attention/base/error.h"

// The workspaces Compare and Library, and what passes between them and the queue.
namespace app {

namespace fs = std::filesystem;
using ui::JobState;
using ui::Level;

void Controller::MakeDesks() {
  DeskOptions options;
  options.wake = options_.wake;
  options.folder = files_.owned() ? files_.folder() : "";
  options.notify = [this](Level level, const std::string& text, const std::string& remedy) {
    Notify(level, text, remedy);
  };
  compare_ = std::make_unique<CompareDesk>(options);
  LibraryActions actions;
  actions.play = [this](const std::string& path) {
    Show(0);
    loading_ = clip_title_ = path;
    clip_note_ = "Reading " + path;
    loader_.Load(path);
    Go(ui::Workspace::kCreate);
  };
  actions.compare = [this](const std::vector<std::string>& paths) { OpenTogether(paths); };
  actions.finish_dense = [this](const std::string& path) { FinishDense(path); };
  actions.offer_undo = [this](const std::string& text, std::function<void()> undo) {
    Notify(Level::kInfo, text, "", "Undo", std::move(undo));
  };
  actions.plan_encode = [this](const std::string& path, const ClipFacts& facts, const ui::LibraryPlanEncode& wanted) {
    return PlanEncode(path, facts, wanted);
  };
  actions.encode = [this](const std::string& path, const ui::LibraryEncode& wanted) { EncodeAgain(path, wanted); };
  library_ = std::make_unique<LibraryDesk>(options, std::move(actions));
  DescribeA();
}

bool Controller::TickDesks() {
  const bool compared = compare_->Tick();
  if (compared) view_.compare = compare_->view();
  const bool listed = library_->Tick();
  if (listed) view_.library = library_->view();
  return compared || listed;
}

void Controller::Go(ui::Workspace workspace) {
  view_.go_to = workspace;
  ++view_.go_count;
  changed_ = true;
}

// Commands of playing and looking come with every frame: they leave the form and the saved files alone.
bool Controller::HandleDesk(const ui::Command& command) {
  if (const auto* library = std::get_if<ui::LibraryCommand>(&command)) {
    library_->Handle(*library);
    return true;
  }
  const auto* compare = std::get_if<ui::CompareCommand>(&command);
  if (compare == nullptr) return false;
  if (const auto* keep = std::get_if<ui::CompareKeepA>(compare)) {
    kept_a_ = keep->on ? std::optional<ExplicitSettings>(form_.Settings()) : std::nullopt;
    DescribeA();
    changed_ = true;
    return true;
  }
  compare_->Handle(*compare);
  return true;
}

void Controller::DescribeA() {
  if (!kept_a_) {
    view_.ab_reference = "dense";
    return;
  }
  const auto mode = kept_a_->find("attention.mode");
  std::string text = mode == kept_a_->end() ? "sparge" : TypedText(mode->second);
  for (const char* key : {"attention.topk", "attention.cdf", "attention.theta", "attention.lambda", "steps"}) {
    const auto it = kept_a_->find(key);
    const std::string name(key);
    if (it != kept_a_->end()) text += ", " + name.substr(name.rfind('.') + 1) + " " + TypedText(it->second);
  }
  view_.ab_reference = text;
}

// What A is rendered with: what was kept, else this job dense. The noise is the same: what it depends on is `b`'s.
ExplicitSettings Controller::SettingsOfA(const ExplicitSettings& b) const {
  ExplicitSettings a = kept_a_ ? *kept_a_ : b;
  for (const char* key : {"model", "seed", "width", "height", "frames", "out"}) {
    a.erase(key);
    if (const auto it = b.find(key); it != b.end()) a[key] = it->second;
  }
  if (!kept_a_) a["attention.mode"] = "dense";
  return a;
}

// The job of a sparse draft once more, dense: the noise is the same. It goes where files go by default.
void Controller::FinishDense(const std::string& path) {
  try {
    const std::vector<SavedJob> jobs = options_.read_jobs(path);
    base::Check(jobs.size() == 1, base::ErrorCode::kInvalidInput, path, " holds no job of ours");
    ExplicitSettings settings = jobs[0].settings;
    settings["attention.mode"] = "dense";
    settings.erase("out");
    Job& job = Add(std::move(settings), jobs_.size());
    job.draft = path;
    Notify(Level::kInfo, "In the queue, dense: " + job.row.title);
  } catch (const base::Error& error) {
    Notify(Level::kError, error.what(), "Only clips with their job in them, or a sidecar, can be rendered again.");
  }
}

// Both clips of a pair are there: they are opened together.
void Controller::OpenPair(const Job& done) {
  if (!done.clip_path.empty()) library_->AddFolder(fs::path(done.clip_path).parent_path().string());
  if (!done.draft.empty() && !done.clip_path.empty()) {
    const std::vector<std::string> both = {done.clip_path, done.draft};
    Notify(Level::kInfo, "Finished dense: " + done.row.title, "", "Compare with the draft",
           [this, both] { OpenTogether(both); });
  }
  if (done.pair == 0) return;
  std::vector<const Job*> pair;
  for (const auto& job : jobs_) {
    if (job->pair == done.pair) pair.push_back(job.get());
  }
  if (pair.size() != 2) return;
  std::sort(pair.begin(), pair.end(), [](const Job* a, const Job* b) { return a->is_b < b->is_b; });
  std::vector<std::string> paths;
  for (const Job* job : pair) {
    if (job->row.state != JobState::kDone || job->clip_path.empty()) return;
    paths.push_back(job->clip_path);
  }
  if (saved_.ui.workspace == ui::Workspace::kCreate) return OpenTogether(paths);
  Notify(Level::kInfo, "A and B are done: " + done.row.title, "", "Compare them",
         [this, paths] { OpenTogether(paths); });
}

void Controller::OpenTogether(const std::vector<std::string>& paths) {
  compare_->Handle(ui::CompareOpen{paths});
  Go(ui::Workspace::kCompare);
}

void Controller::OpenAll(const std::vector<std::string>& paths) {
  std::vector<std::string> clips, others;
  for (const std::string& path : paths) {
    std::error_code error;
    const bool folder = fs::is_directory(path, error);
    const bool model = folder && fs::is_regular_file(fs::path(path) / "model_index.json", error);
    if (folder && !model && saved_.ui.workspace == ui::Workspace::kLibrary) {
      library_->AddFolder(path);
      continue;
    }
    const bool clip = folder ? !model : fs::path(path).extension() != ".json" && IsMedia(path);
    (clip ? clips : others).push_back(path);
  }
  for (const std::string& path : others) Open(path);
  if (clips.size() >= 2) return OpenTogether(clips);
  for (const std::string& path : clips) Open(path);
}

}  // namespace app
