#include <filesystem>

#include "app/gui/controller.h"
#include "app/gui/event_json.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

// What is opened, and what the viewer shows.
namespace app {

namespace fs = std::filesystem;
using ui::Level;

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
  } else if (saved_.ui.workspace == ui::Workspace::kCompare) {
    compare_->Handle(ui::CompareAdd{path});
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
  if (saved_.ui.workspace == ui::Workspace::kLibrary) Go(ui::Workspace::kCreate);
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
  const ExplicitSettings before = form_.Settings();
  form_.Take(jobs[0].settings);
  LookAtChosenModel();
  state_changed_ = true;
  Notify(Level::kInfo, "The job that made this clip is in the form", "", "Undo", [this, before] {
    form_.Take(before);
    LookAtChosenModel();
  });
}

// ---- What is shown

const ModelCard* Controller::CardOf(const Job& job) const {
  const auto model = job.settings.find("model");
  if (model == job.settings.end() || !model->second.is_string()) return nullptr;
  const auto card = cards_.find(model->second.get<std::string>());
  return card == cards_.end() ? nullptr : &card->second;
}

void Controller::Audit() {
  if (active_ == nullptr || active_->row.state != ui::JobState::kRunning || active_->audit_asked) return;
  active_->audit_asked = true;
  Send({{"id", active_->row.id}, {"cmd", "audit"}});
}

void Controller::ShowMap(const ui::ShowMap& wanted) {
  map_.reset();
  map_reader_.Forget();
  const Job* job = Find(shown_);
  if (job == nullptr) return;
  ui::BlockMapView none;
  none.step = wanted.step;
  none.layer = wanted.layer;
  none.head = wanted.head;
  none.note = "Reading the map";
  const auto found = job->maps.find({wanted.step, wanted.layer});
  if (found == job->maps.end()) {
    const ui::SkipGrid& grid = job->board.view().grid;
    const bool known = wanted.step >= 0 && wanted.step < grid.num_steps && wanted.layer >= 0 &&
                       wanted.layer < grid.num_layers && wanted.head >= 0 && wanted.head < grid.num_heads &&
                       grid.at(wanted.step, wanted.layer, wanted.head).known;
    const bool full = known && grid.at(wanted.step, wanted.layer, wanted.head).block_skip() == 0;
    none.note = !known ? "This step has not run yet."
                : full ? "Every block was computed here: nothing was skipped."
                       : "The map of this step is not there any more: the maps of the newest clips made in this window "
                         "are kept, up to a limit.";
    map_ = none;
    return;
  }
  MapFile file;
  file.job = shown_;
  file.step = wanted.step;
  file.layer = wanted.layer;
  file.head = wanted.head;
  for (const auto& [pass, path] : found->second) file.passes.push_back(pass);
  file.pass = found->second.count(wanted.pass) ? wanted.pass : file.passes.front();
  file.path = found->second.at(file.pass);
  none.passes = file.passes;
  none.pass = file.pass;
  map_ = none;
  map_reader_.Ask(std::move(file));
}

void Controller::Show(uint64_t id) {
  if (id != shown_) {
    map_.reset();
    map_reader_.Forget();
  }
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

}  // namespace app
