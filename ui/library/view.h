#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ui/compare/view.h"
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
  uint64_t mate = 0;  // the newest clip from the same noise to compare it with: dense for another, another for dense
};

// A few frames of a clip, small.
struct LibraryThumb {
  std::vector<Image> frames;
  double fps = 4;
  std::string error;
};

// What is known about the clip that is looked at.
struct LibraryFacts {
  uint64_t id = 0;
  std::vector<Figure> figures;
  std::string note;   // what it was made from, if it was not rendered
  std::string error;  // why it cannot be read, or only in part
};

// The clip in another encoding, as the form's settings would have it.
struct LibraryEncodePlan {
  uint64_t id = 0;
  std::string extension;         // of the file, "mp4"; "png": frames in a folder
  std::string out;               // a name that is free
  bool from_clip = false;        // else from the kept latents
  std::string why_not_latents;   // "" if they are there
  std::string source, encoding;  // for people
  std::string why_not;           // "" if it can be done
};

struct LibraryView {
  std::shared_ptr<const std::vector<LibraryItem>> items;  // that the search leaves, sorted
  size_t num_all = 0;
  bool scanning = false;
  std::vector<std::string> folders;
  std::map<uint64_t, std::shared_ptr<const LibraryThumb>> thumbs;  // of what is visible
  LibraryFacts facts;                                              // of the clip that was looked at last
  std::optional<LibraryEncodePlan> encode;                         // that was asked for last
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
  std::vector<uint64_t> ids;
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
struct LibraryLook {  // facts of this clip are wanted
  uint64_t id = 0;
};
struct LibraryOpenFolder {  // that the clip is in, in the desktop's file manager
  uint64_t id = 0;
};
struct LibraryPlanEncode {  // the plan is wanted again whenever the form changes
  uint64_t id = 0;
  std::string extension;
  bool from_clip = false;
};
struct LibraryEncode {
  uint64_t id = 0;
  std::string out;
  bool from_clip = false;
};
using LibraryCommand =
    std::variant<LibraryQuery, LibraryVisible, LibraryMark, LibraryTrash, LibraryPlay, LibraryCompare, LibraryFinish,
                 LibraryRescan, LibraryLook, LibraryOpenFolder, LibraryPlanEncode, LibraryEncode>;

// What the workspace remembers between frames and nobody saves.
struct LibraryLocal {
  LibraryQuery query;
  LibraryVisible visible;
  std::vector<uint64_t> selected;  // in the order in which they were chosen
  bool asked = false;
  uint64_t looked_at = 0;
  bool focus_search = false;
  // The window "encode again".
  bool encode_open = false, focus_encode = false;
  LibraryPlanEncode wanted;
  std::string planned_for;  // the plan's question and the form's answers when it was asked
  std::string out;          // as it is typed
};

}  // namespace ui
