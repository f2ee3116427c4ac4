#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "app/gui/background.h"
#include "ui/library/view.h"

namespace app {

// A clip of the library.
struct LibraryEntry {
  ui::LibraryItem item;
  std::string words;                           // lower case: what a search looks through
  int64_t modified = 0, sidecar_modified = 0;  // to tell whether the files are others; 0: there is none
  uint64_t bytes = 0;
  uint64_t noise = 0;  // equal for clips from the same noise, model and prompt, whatever their attention; 0: not known
};

// What a search looks through.
std::string WordsOf(const ui::LibraryItem& item);

// Finds clips below folders and what their sidecars (else the files themselves) say, in a thread of its own. What is
// known of a file that did not change is not read again, nor at the next start (app/gui/library_cache.h): what was
// there then is there at once, until the folders were looked through.
class LibraryIndex {
 public:
  explicit LibraryIndex(std::function<void()> wake);

  void Scan(const std::vector<std::string>& folders);
  // The clips, if they changed since the last call; `scanning`: more may come.
  bool Take(std::vector<LibraryEntry>& entries, bool& scanning);

 private:
  struct Nothing {};
  void ReadCache(const std::vector<std::string>& folders);
  Nothing Work(const std::vector<std::string>& folders, const std::function<bool()>& outdated);

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<LibraryEntry> entries_;
  std::map<std::string, LibraryEntry> known_;  // only the thread uses it
  uint64_t next_id_ = 1;                       // only the thread uses it
  bool cache_read_ = false;                    // only the thread uses it
  bool scanning_ = false, changed_ = false;
  Background<std::vector<std::string>, Nothing> thread_;
};

// The entries that a query leaves, sorted.
std::vector<ui::LibraryItem> Matching(const std::vector<LibraryEntry>& entries,
                                      const std::map<std::string, ui::Mark>& marks, const ui::LibraryQuery& query);

// A few small frames of a clip, evenly spaced over its beginning; their ids go on from `next_image`. Errors are in it.
ui::LibraryThumb MakeThumb(const std::string& path, uint64_t& next_image);

}  // namespace app
