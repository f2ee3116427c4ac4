#include <filesystem>
#include <set>

#include "app/gui/controller.h"
#include "app/job/model.h"
#include "attention/base/error.h"

// Models whose folder goes away, with a disk that is unplugged or a share that is not mounted, and comes back.
namespace app {

namespace fs = std::filesystem;
using ui::JobState;
using ui::Level;

namespace {

constexpr const char* kRemedy = "Put it back: it is looked for every second. Or choose another model.";

bool IsThere(const std::string& model) {
  try {
    std::error_code error;
    return fs::is_regular_file(fs::path(FindModel(model)) / "model_index.json", error);
  } catch (const base::Error&) {
    return false;
  }
}

std::string ModelOf(const ExplicitSettings& settings) {
  const auto it = settings.find("model");
  return it != settings.end() && it->second.is_string() ? it->second.get<std::string>() : "";
}

}  // namespace

std::vector<std::string> FindModels(const std::vector<std::string>& models) {
  std::vector<std::string> found;
  for (const std::string& model : models) {
    if (IsThere(model)) found.push_back(model);
  }
  return found;
}

// The chosen model and those that clips wait for.
void Controller::AskForModels() {
  std::set<std::string> wanted;
  for (const auto& job : jobs_) {
    if (job->held) wanted.insert(ModelOf(job->settings));
  }
  if (const std::string chosen = form_.Text("model"); !chosen.empty()) wanted.insert(chosen);
  model_watch_.Ask({wanted.begin(), wanted.end()});
  watched_ = std::move(wanted);
}

void Controller::TakeModels() {
  const auto found = model_watch_.Take();
  if (!found) return;
  const std::set<std::string> there(found->begin(), found->end());
  const std::string chosen = form_.Text("model");
  if (watched_.count(chosen)) {
    const bool is_there = there.count(chosen) != 0;
    if (form_.model() != nullptr && !is_there) {
      Notify(Level::kWarning, "The model folder " + chosen + " is not there any more", kRemedy);
      LookAtChosenModel();
    } else if (is_there && chosen_gone_) {
      LookAtChosenModel();
      changed_ = true;
    }
    chosen_gone_ = !is_there;
  }
  for (const auto& job : jobs_) {
    if (!job->held || !there.count(ModelOf(job->settings))) continue;
    job->held = false;
    job->row.error.clear();
    changed_ = true;
  }
}

// Whether a clip that failed did so because its model is not there: then it waits for it, with all that need it too.
bool Controller::HoldForModel(Job& failed) {
  const std::string model = ModelOf(failed.settings);
  if (model.empty() || IsThere(model)) return false;
  failed.row.state = JobState::kWaiting;
  model_watch_.Forget();  // an answer from before
  for (const auto& job : jobs_) {
    if (job->row.state != JobState::kWaiting || ModelOf(job->settings) != model) continue;
    job->held = true;
    job->row.error = "waits for its model: " + model + " is not there";
  }
  Notify(Level::kWarning, "The model folder " + model + " is not there: its clips wait for it", kRemedy);
  return true;
}

}  // namespace app
