#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/gui/compare_desk.h"
#include "app/gui/disk_thread.h"
#include "app/gui/library_facts.h"
#include "app/gui/library_index.h"
#include "app/gui/open_folder.h"
#include "app/gui/trash.h"

namespace app {

// What of the library only the window as a whole can do.
struct LibraryActions {
  std::function<void(const std::string& path)> play;
  std::function<void(const std::vector<std::string>& paths)> compare;
  std::function<void(const std::string& path)> finish_dense;
  std::function<void(const std::string& text, std::function<void()> undo)> offer_undo;
  // What a clip in another encoding would be, as the form says; and that it is to be made.
  std::function<ui::LibraryEncodePlan(const std::string& path, const ClipFacts& facts, const ui::LibraryPlanEncode&)>
      plan_encode;
  std::function<void(const std::string& path, const ui::LibraryEncode&)> encode;
};

// The workspace Library: clips below its folders, search, marks, thumbnails, the trash. Folders and marks are kept in
// library.json of the options' folder. For one thread.
class LibraryDesk {
 public:
  static constexpr uint64_t kMostThumbBytes = uint64_t{96} << 20;

  LibraryDesk(DeskOptions options, LibraryActions actions);

  void AddFolder(const std::string& folder);  // looked into from now on; again if it is known
  void Handle(const ui::LibraryCommand& command);
  bool Tick();
  const ui::LibraryView& view() const { return view_; }

 private:
  struct Wanted {
    uint64_t id = 0;
    std::string path;
    int64_t sidecar_modified = 0;
  };
  struct Made {
    uint64_t id = 0;
    std::shared_ptr<const ui::LibraryThumb> thumb;
    uint64_t bytes = 0;
  };
  struct KnownFacts {
    uint64_t id = 0;
    int64_t sidecar_modified = 0;
    ClipFacts facts;
  };
  const LibraryEntry* Find(uint64_t id) const;
  void Filter();
  void FindMates();
  void Look(uint64_t id);
  void TakeFacts();
  void OpenFolderOf(uint64_t id);
  void Thumbs();
  void Trash(const std::vector<uint64_t>& ids);
  void Load();
  void Save();

  const DeskOptions options_;
  const LibraryActions actions_;
  std::vector<std::string> folders_;
  std::map<std::string, ui::Mark> marks_;
  std::vector<LibraryEntry> entries_;
  ui::LibraryQuery query_;
  std::vector<uint64_t> visible_;
  std::map<uint64_t, Made> made_;
  std::deque<uint64_t> made_order_;  // oldest first
  uint64_t made_bytes_ = 0, asked_ = 0;
  ui::LibraryView view_;
  bool changed_ = true;
  KnownFacts known_;
  uint64_t looked_at_ = 0;
  std::optional<ui::LibraryPlanEncode> plan_;  // that waits for the facts of its clip
  FolderOpener opener_;
  DiskThread disk_;
  LibraryIndex index_;
  Background<Wanted, Made> thumbs_;
  Background<Wanted, KnownFacts> facts_;
};

}  // namespace app
