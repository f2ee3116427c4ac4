#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/gui/form.h"
#include "ui/state.h"

namespace app {

// What the window keeps between sessions, in the user's state folder.
struct SavedState {
  ui::UiState ui;
  int width = 1440, height = 900;  // of the window, in screen units
  bool maximized = false;
  ExplicitSettings form;
  std::vector<std::string> prompt_history, recent_models;
  bool shuffle_seed = false, live = true, paused = false;
  int num_seeds = 1;
};

// One clip of the queue, as its file has it.
struct SavedJob {
  std::string name;
  ExplicitSettings settings;
};

// The files. One window at a time owns them; a second one keeps nothing.
class UserFiles {
 public:
  // `folder`: "" for $XDG_STATE_HOME/sparge, else ~/.local/state/sparge.
  explicit UserFiles(std::string folder);
  ~UserFiles();
  UserFiles(const UserFiles&) = delete;
  UserFiles& operator=(const UserFiles&) = delete;

  bool owned() const { return lock_ >= 0; }
  const std::string& folder() const { return folder_; }
  std::string queue_path() const { return folder_ + "/queue.yaml"; }

  // What cannot be read is put aside under another name and said in `problems`.
  SavedState ReadState(std::vector<std::string>& problems) const;
  std::vector<SavedJob> ReadQueue(std::vector<std::string>& problems) const;
  // Nothing where another window owns the files. Throw base::Error.
  void WriteState(const SavedState& state) const;
  void WriteQueue(const std::vector<SavedJob>& jobs) const;

 private:
  void PutAside(const std::string& path, const std::string& why, std::vector<std::string>& problems) const;

  std::string folder_;
  int lock_ = -1;
};

// A queue as a JOBS.yaml (docs/interfaces.md), for `sparge render` too.
std::string QueueYAML(const std::vector<SavedJob>& jobs);

}  // namespace app
