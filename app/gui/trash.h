#pragma once

#include <string>
#include <utility>
#include <vector>

namespace app {

// Files that went to the trash together.
struct Trashed {
  std::vector<std::pair<std::string, std::string>> files;  // where each was, where it is
  std::vector<std::string> infos;
};

// Moves files to the user's trash (freedesktop.org, "Trash specification" 1.0): the home trash, or that of the files'
// own disk. All or none. Throws base::Error{kIo}.
Trashed MoveToTrash(const std::vector<std::string>& paths);

// Puts them back; what is there again meanwhile stays, and is told: base::Error{kIo}.
void Restore(const Trashed& trashed);

}  // namespace app
