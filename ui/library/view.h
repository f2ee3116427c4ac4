#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ui/image.h"

// What the workspace Library shows, as plain data, and what it asks for.
namespace ui {

enum class Mark { kNone, kKeep, kReject };
enum class LibrarySort { kNewest, kPrompt, kSeconds, kSkipped };

struct LibraryItem {
  uint64_t id = 0;  // stays with the file
  std::string path, title, detail;
  double seconds = -1, skipped = -1;  // negative: not known
  bool has_job = false, dense = false;
  Mark mark = Mark::kNone;
};

// A few frames of a clip, small.
struct LibraryThumb {
  std::vector<Image> frames;
  double fps = 4;
  std::string error;
};

struct LibraryView {
  std::shared_ptr<const std::vector<LibraryItem>> items;  // that the search leaves, sorted
  size_t num_all = 0;
  bool scanning = false;
  std::vector<std::string> folders;
  std::map<uint64_t, std::shared_ptr<const LibraryThumb>> thumbs;  // of what is visible
};

struct LibraryQuery {
  std::string search;
  LibrarySort sort = LibrarySort::kNewest;
  int marks = 0;  // 0: all but rejected, 1: kept, 2: rejected

  bool operator==(const LibraryQuery&) const = default;
};
struct LibraryVisible {
  std::vector<uint64_t> ids;
  bool operator==(const LibraryVisible&) const = default;
};
struct LibraryMark {
  uint64_t id = 0;
  Mark mark = Mark::kNone;
};
struct LibraryTrash {
  std::vector<uint64_t> ids;
};
struct LibraryPlay {
  uint64_t id = 0;
};
struct LibraryCompare {
  std::vector<uint64_t> ids;
};
struct LibraryFinish {  // dense, from the same noise
  uint64_t id = 0;
};
struct LibraryRescan {};
using LibraryCommand = std::variant<LibraryQuery, LibraryVisible, LibraryMark, LibraryTrash, LibraryPlay,
                                    LibraryCompare, LibraryFinish, LibraryRescan>;

// What the workspace remembers between frames and nobody saves.
struct LibraryLocal {
  LibraryQuery query;
  LibraryVisible visible;
  std::vector<uint64_t> selected;  // in the order in which they were chosen
  bool asked = false;
};

}  // namespace ui
