#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace app {

// Shows folders in the desktop's file manager: xdg-open, started without a shell. For one thread.
class FolderOpener {
 public:
  ~FolderOpener();
  // Throws base::Error{kUnsupported} where there is no xdg-open, kIo where it cannot be started.
  void Open(const std::string& folder);
  // Folders that it could not show, with why, since the last call.
  std::vector<std::string> TakeErrors();

 private:
  struct Child {
    pid_t pid;
    std::string folder;
  };
  std::vector<Child> children_;
};

}  // namespace app
