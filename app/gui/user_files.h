#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "app/gui/disk_thread.h"
#include "app/gui/form.h"
#include "ui/state.h"

namespace app {

// What the window keeps between sessions, in the user's state folder.
struct SavedState {
  ui::UiState ui;
  int width = 1440, height = 900;  // of the window, in screen units
  bool maximized = false;
  ExplicitSettings form;
  std::vector<std::string> prompt_history, negative_history, recent_models;
  bool shuffle_seed = false, live = true, paused = false;
  int num_seeds = 1;
};

// One clip of the queue, as its file has it.
struct SavedJob {
  std::string name;
  ExplicitSettings settings;
};

// The files. One window at a time owns them; a second one keeps nothing. They are written beside the window, by a
// thread of their own.
class UserFiles {
 public:
  // `folder`: "" for $XDG_STATE_HOME/sparge, else ~/.local/state/sparge. `failed`: called from the thread when there is
  // something for TakeErrors.
  explicit UserFiles(
      std::string folder, std::function<void()> failed = [] {});
  ~UserFiles();
  UserFiles(const UserFiles&) = delete;
  UserFiles& operator=(const UserFiles&) = delete;

  bool owned() const { return lock_ >= 0; }
  const std::string& folder() const { return folder_; }
  std::string queue_path() const { return folder_ + "/queue.yaml"; }

  // What cannot be read is put aside under another name and said in `problems`.
  SavedState ReadState(std::vector<std::string>& problems) const;
  std::vector<SavedJob> ReadQueue(std::vector<std::string>& problems) const;
  // Nothing where another window owns the files.
  void WriteState(const SavedState& state);
  void WriteQueue(const std::vector<SavedJob>& jobs);
  void Finish() { disk_.Finish(); }  // waits until all is written
  std::vector<std::string> TakeErrors() { return disk_.TakeErrors(); }

  // A fresh folder for what is only looked at while this window lives, such as block maps; "" where none can be made.
  std::string LooksFolder(const std::string& name);
  void RemoveLooks(const std::string& name);

 private:
  void PutAside(const std::string& path, const std::string& why, std::vector<std::string>& problems) const;

  std::string folder_, looks_;
  int lock_ = -1;
  DiskThread disk_;  // last: it ends before the lock goes
};

// A queue as a JOBS.yaml (docs/interfaces.md), for `sparge render` too.
std::string QueueYAML(const std::vector<SavedJob>& jobs);

}  // namespace app
