#include "app/gui/user_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/settings/table.h"
#include "app/settings/text.h"
#include "app/settings/yaml.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMostBytes = 8 << 20, kMostTexts = 200;
constexpr const char* kLooks = "sparge-looks-";  // folders for what is only looked at

std::string StateFolder() {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && state[0] == '/')
    return std::string(state) + "/sparge";
  if (const char* home = std::getenv("HOME"); home != nullptr && home[0] != '\0')
    return std::string(home) + "/.local/state/sparge";
  return "";
}

// `${` would be taken for a variable by who renders the file.
std::string YAMLScalar(const std::string& text) {
  std::string safe;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '$' && i + 1 < text.size() && text[i + 1] == '{') safe += '$';
    safe += text[i];
  }
  return json(safe).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::vector<std::string> Texts(const json& list) {
  std::vector<std::string> texts;
  if (!list.is_array()) return texts;
  for (const json& item : list) {
    if (item.is_string() && texts.size() < kMostTexts) texts.push_back(item.get<std::string>());
  }
  return texts;
}

template <class T>
void Get(const json& object, const char* key, T& value) {
  if (!object.contains(key)) return;
  const json& found = object[key];
  if constexpr (std::is_same_v<T, bool>) {
    if (found.is_boolean()) value = found.get<bool>();
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (found.is_string()) value = found.get<std::string>();
  } else if (found.is_number()) {
    value = found.get<T>();
  }
}

SavedState StateOf(const json& file) {
  SavedState state;
  const json ui = file.value("ui", json::object());
  if (ui.is_object()) {
    int workspace = 0, heat_view = 0;
    Get(ui, "workspace", workspace);
    Get(ui, "heat_view", heat_view);
    state.ui.workspace = static_cast<ui::Workspace>(workspace);
    state.ui.heat_view = static_cast<ui::HeatView>(heat_view);
    Get(ui, "dark", state.ui.dark);
    Get(ui, "scale", state.ui.scale);
    Get(ui, "left", state.ui.left);
    Get(ui, "right", state.ui.right);
    Get(ui, "bottom", state.ui.bottom);
    Get(ui, "painter_open", state.ui.painter_open);
    Get(ui, "kernels_open", state.ui.kernels_open);
    Get(ui, "more_attention_open", state.ui.more_attention_open);
    Get(ui, "words_open", state.ui.words_open);
    Get(ui, "open_groups", state.ui.open_groups);
    Get(ui, "loop", state.ui.loop);
    Get(ui, "speed", state.ui.speed);
  }
  state.ui = ui::Sane(std::move(state.ui));
  Get(file, "width", state.width);
  Get(file, "height", state.height);
  state.width = std::clamp(state.width, 1, 16384);
  state.height = std::clamp(state.height, 1, 16384);
  Get(file, "maximized", state.maximized);
  Get(file, "shuffle_seed", state.shuffle_seed);
  Get(file, "live", state.live);
  Get(file, "paused", state.paused);
  Get(file, "num_seeds", state.num_seeds);
  state.num_seeds = std::clamp(state.num_seeds, 1, 64);
  const json form = file.value("form", json::object());
  if (form.is_object()) {
    for (const auto& [key, value] : form.items()) {
      if (FindSetting(key)) state.form[key] = value;
    }
  }
  state.prompt_history = Texts(file.value("prompt_history", json()));
  state.negative_history = Texts(file.value("negative_history", json()));
  state.recent_models = Texts(file.value("recent_models", json()));
  return state;
}

}  // namespace

std::string QueueYAML(const std::vector<SavedJob>& jobs) {
  std::string text = "# The queue of `sparge gui`; `sparge render` takes it too.\nversion: 1\njobs:";
  if (jobs.empty()) return text + " []\n";
  for (const SavedJob& job : jobs) {
    text += "\n  - name: " + YAMLScalar(job.name);
    for (const auto& [key, value] : job.settings) {
      if (value.is_null()) continue;
      text += "\n    " + key + ": ";
      text += value.is_string() ? YAMLScalar(value.get<std::string>())
                                : value.dump(-1, ' ', false, json::error_handler_t::replace);
    }
  }
  return text + "\n";
}

UserFiles::UserFiles(std::string folder, std::function<void()> failed)
    : folder_(folder.empty() ? StateFolder() : std::move(folder)), disk_(std::move(failed)) {
  if (folder_.empty()) return;
  std::error_code error;
  fs::create_directories(folder_, error);
  lock_ = open((folder_ + "/gui.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock_ >= 0 && flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    close(lock_);
    lock_ = -1;
  }
  if (!owned()) return;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(kLooks))
      disk_.Remove(it->path().string());  // of one that was killed
  }
}

UserFiles::~UserFiles() {
  if (!looks_.empty()) disk_.Remove(looks_);
  disk_.Finish();
  if (lock_ >= 0) close(lock_);
}

std::string UserFiles::LooksFolder(const std::string& name) {
  std::error_code error;
  if (looks_.empty()) {
    const std::string parent = owned() ? folder_ : fs::temp_directory_path(error).string();
    std::string made = parent + "/" + kLooks + "XXXXXX";
    if (mkdtemp(made.data()) == nullptr) return "";
    looks_ = made;
  }
  const std::string folder = looks_ + "/" + name;
  fs::remove_all(folder, error);
  return fs::create_directories(folder, error) ? folder : "";
}

void UserFiles::RemoveLooks(const std::string& name) {
  if (!looks_.empty()) disk_.Remove(looks_ + "/" + name);
}

void UserFiles::PutAside(const std::string& path, const std::string& why, std::vector<std::string>& problems) const {
  const std::string aside = path + ".broken";
  std::error_code error;
  if (owned()) fs::rename(path, aside, error);
  problems.push_back(why + (owned() && !error ? "; it is kept as " + aside : ""));
}

SavedState UserFiles::ReadState(std::vector<std::string>& problems) const {
  const std::string path = folder_ + "/gui.json";
  std::error_code error;
  if (folder_.empty() || !fs::is_regular_file(path, error)) return {};
  if (fs::file_size(path, error) > kMostBytes) {
    PutAside(path, path + " is larger than anything that was saved", problems);
    return {};
  }
  std::ifstream in(path, std::ios::binary);
  const json file = json::parse(in, nullptr, false);
  if (file.is_object()) return StateOf(file);
  PutAside(path, path + " is damaged", problems);
  return {};
}

std::vector<SavedJob> UserFiles::ReadQueue(std::vector<std::string>& problems) const {
  std::vector<SavedJob> jobs;
  std::error_code error;
  if (folder_.empty() || !fs::is_regular_file(queue_path(), error)) return jobs;
  ErrorList errors;
  try {
    std::ifstream in(queue_path(), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    YAMLFile file(queue_path(), text.str(), errors);
    const YAML::Node list = file.root().IsMap() ? file.root()["jobs"] : YAML::Node();
    if (errors.empty() && !list.IsSequence()) errors.Add(queue_path() + " has no list of jobs");
    for (size_t i = 0; list.IsSequence() && i < list.size(); ++i) {
      Layer layer;
      if (!list[i].IsMap()) {
        errors.Add(base::StrCat(queue_path(), ": job ", i + 1, " is no mapping"));
        continue;
      }
      ReadSettings(file, list[i], {"name"}, {}, layer);
      SavedJob job;
      if (list[i]["name"] && list[i]["name"].IsScalar()) job.name = list[i]["name"].Scalar();
      for (const auto& [key, assignment] : layer) {
        Value value = assignment.value;
        if (value.is_string()) {
          std::string plain = value.get<std::string>();
          for (size_t at = plain.find("$${"); at != std::string::npos; at = plain.find("$${", at + 2))
            plain.erase(at, 1);
          value = plain;
        }
        job.settings[key] = value;
      }
      if (job.settings.count("model") && job.settings.count("prompt")) jobs.push_back(std::move(job));
    }
  } catch (const std::exception& problem) {
    errors.Add(std::string(problem.what()));
  }
  try {
    errors.ThrowIfAny();
  } catch (const base::Error& problem) {
    const std::string what = problem.what();  // the line that is wrong and a caret below it follow
    PutAside(queue_path(), "the saved queue cannot be read as a whole: " + what.substr(0, what.find('\n')), problems);
  }
  return jobs;
}

void UserFiles::WriteState(const SavedState& state) {
  if (!owned()) return;
  json form = json::object();
  for (const auto& [key, value] : state.form) form[key] = value;
  const ui::UiState& u = state.ui;
  const json file = {{"ui",
                      {{"workspace", static_cast<int>(u.workspace)},
                       {"heat_view", static_cast<int>(u.heat_view)},
                       {"dark", u.dark},
                       {"scale", u.scale},
                       {"left", u.left},
                       {"right", u.right},
                       {"bottom", u.bottom},
                       {"painter_open", u.painter_open},
                       {"kernels_open", u.kernels_open},
                       {"more_attention_open", u.more_attention_open},
                       {"words_open", u.words_open},
                       {"open_groups", u.open_groups},
                       {"loop", u.loop},
                       {"speed", u.speed}}},
                     {"width", state.width},
                     {"height", state.height},
                     {"maximized", state.maximized},
                     {"shuffle_seed", state.shuffle_seed},
                     {"live", state.live},
                     {"paused", state.paused},
                     {"num_seeds", state.num_seeds},
                     {"form", form},
                     {"prompt_history", state.prompt_history},
                     {"negative_history", state.negative_history},
                     {"recent_models", state.recent_models}};
  disk_.Write(folder_ + "/gui.json", file.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

void UserFiles::WriteQueue(const std::vector<SavedJob>& jobs) {
  if (owned()) disk_.Write(queue_path(), QueueYAML(jobs));
}

}  // namespace app
