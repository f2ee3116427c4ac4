#include "app/gui/library_desk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/gui/low_priority.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ui::Level;

constexpr size_t kMostFolders = 50;

// Whether a render left another clip of this stem beside this one.
bool HasSibling(const std::string& path, const std::string& stem) {
  for (const char* end : {".mp4", ".mkv", ".mov", ".webm", ".gif", ".png", "/"}) {
    std::error_code error;
    if (stem + end != path && fs::exists(stem + end, error)) return true;
  }
  return false;
}

// A clip and what lies beside it of the same render and of no other clip.
std::vector<std::string> FilesOf(const std::string& path) {
  std::vector<std::string> files = {path.ends_with('/') ? path.substr(0, path.size() - 1) : path};
  const std::string stem = StemOf(path);
  if (HasSibling(path, stem)) return files;
  for (const char* end : {".json", ".latents.safetensors"}) {
    std::error_code error;
    if (fs::is_regular_file(stem + end, error)) files.push_back(stem + end);
  }
  return files;
}

}  // namespace

LibraryDesk::LibraryDesk(DeskOptions options, LibraryActions actions)
    : options_(std::move(options)),
      actions_(std::move(actions)),
      disk_(options_.wake),
      index_(options_.wake),
      thumbs_(
          [next_image = uint64_t{1}](const Wanted& wanted, const auto&) mutable {
            LowerThreadPriority();
            Made made;
            made.id = wanted.id;
            auto thumb = std::make_shared<ui::LibraryThumb>(MakeThumb(wanted.path, next_image));
            for (const ui::Image& image : thumb->frames) made.bytes += image.rgb->size();
            made.thumb = std::move(thumb);
            return made;
          },
          options_.wake),
      facts_(
          [](const Wanted& wanted, const auto&) {
            LowerThreadPriority();
            return KnownFacts{wanted.id, wanted.sidecar_modified, FactsOf(wanted.path)};
          },
          options_.wake) {
  Load();
  view_.items = std::make_shared<const std::vector<ui::LibraryItem>>();
  view_.folders = folders_;
  if (!folders_.empty()) index_.Scan(folders_);
}

void LibraryDesk::AddFolder(const std::string& folder) {
  const std::string path = fs::absolute(folder).lexically_normal().string();
  if (std::find(folders_.begin(), folders_.end(), path) == folders_.end()) {
    folders_.push_back(path);
    if (folders_.size() > kMostFolders) folders_.erase(folders_.begin());
    Save();
  }
  view_.folders = folders_;
  index_.Scan(folders_);
  changed_ = true;
}

const LibraryEntry* LibraryDesk::Find(uint64_t id) const {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const LibraryEntry& entry) { return entry.item.id == id; });
  return it == entries_.end() ? nullptr : &*it;
}

void LibraryDesk::Handle(const ui::LibraryCommand& command) {
  changed_ = true;
  const auto visitor = [this](const auto& c) {
    using T = std::decay_t<decltype(c)>;
    if constexpr (std::is_same_v<T, ui::LibraryQuery>) {
      query_ = c;
      Filter();
    } else if constexpr (std::is_same_v<T, ui::LibraryVisible>) {
      visible_ = c.ids;
    } else if constexpr (std::is_same_v<T, ui::LibraryMark>) {
      for (const uint64_t id : c.ids) {
        const LibraryEntry* entry = Find(id);
        if (entry == nullptr) continue;
        if (c.mark == ui::Mark::kNone) {
          marks_.erase(entry->item.path);
        } else {
          marks_[entry->item.path] = c.mark;
        }
      }
      Save();
      Filter();
    } else if constexpr (std::is_same_v<T, ui::LibraryTrash>) {
      Trash(c.ids);
    } else if constexpr (std::is_same_v<T, ui::LibraryPlay>) {
      if (const LibraryEntry* entry = Find(c.id)) actions_.play(entry->item.path);
    } else if constexpr (std::is_same_v<T, ui::LibraryFinish>) {
      if (const LibraryEntry* entry = Find(c.id)) actions_.finish_dense(entry->item.path);
    } else if constexpr (std::is_same_v<T, ui::LibraryCompare>) {
      std::vector<std::string> paths;
      for (const uint64_t id : c.ids) {
        if (const LibraryEntry* entry = Find(id)) paths.push_back(entry->item.path);
      }
      if (paths.size() >= 2) actions_.compare(paths);
    } else if constexpr (std::is_same_v<T, ui::LibraryRescan>) {
      index_.Scan(folders_);
    } else if constexpr (std::is_same_v<T, ui::LibraryLook>) {
      Look(c.id);
    } else if constexpr (std::is_same_v<T, ui::LibraryOpenFolder>) {
      OpenFolderOf(c.id);
    } else if constexpr (std::is_same_v<T, ui::LibraryPlanEncode>) {
      Look(c.id);
      plan_ = c;
    } else if constexpr (std::is_same_v<T, ui::LibraryEncode>) {
      if (const LibraryEntry* entry = Find(c.id)) actions_.encode(entry->item.path, c);
    }
  };
  std::visit(visitor, command);
}

// Of each clip the newest one from the same noise to compare it with: of a draft a dense one, of a dense one a draft.
void LibraryDesk::FindMates() {
  std::map<std::pair<uint64_t, bool>, const LibraryEntry*> newest;  // by noise, and whether it is dense
  for (const LibraryEntry& entry : entries_) {
    if (entry.noise == 0) continue;
    const LibraryEntry*& best = newest[{entry.noise, entry.item.dense}];
    if (best == nullptr || best->modified < entry.modified) best = &entry;
  }
  for (LibraryEntry& entry : entries_) {
    const auto it = newest.find({entry.noise, !entry.item.dense});
    entry.item.mate = entry.noise == 0 || it == newest.end() ? 0 : it->second->item.id;
  }
}

void LibraryDesk::Look(uint64_t id) {
  const LibraryEntry* entry = Find(id);
  if (entry == nullptr || looked_at_ == id) return;
  looked_at_ = id;
  view_.facts = {};
  view_.facts.id = id;
  facts_.Ask({id, entry->item.path, entry->sidecar_modified});
}

void LibraryDesk::TakeFacts() {
  if (auto known = facts_.Take(); known && known->id == looked_at_) {
    known_ = std::move(*known);
    view_.facts = known_.facts.shown;
    view_.facts.id = known_.id;
    changed_ = true;
  }
  if (!plan_ || known_.id != plan_->id) return;
  if (const LibraryEntry* entry = Find(plan_->id)) {
    view_.encode = actions_.plan_encode(entry->item.path, known_.facts, *plan_);
    view_.encode->id = plan_->id;
    changed_ = true;
  }
  plan_.reset();
}

void LibraryDesk::OpenFolderOf(uint64_t id) {
  const LibraryEntry* entry = Find(id);
  if (entry == nullptr) return;
  fs::path path = entry->item.path;
  if (!path.has_filename()) path = path.parent_path();  // a folder of frames
  try {
    opener_.Open(path.parent_path().string());
  } catch (const base::Error& error) {
    options_.notify(Level::kWarning, error.what(), "Copy this text for the folder's path.");
  }
}

void LibraryDesk::Filter() {
  view_.items = std::make_shared<const std::vector<ui::LibraryItem>>(Matching(entries_, marks_, query_));
  view_.num_all = entries_.size();
  changed_ = true;
}

void LibraryDesk::Trash(const std::vector<uint64_t>& ids) {
  std::vector<std::string> files;
  size_t clips = 0;
  for (const uint64_t id : ids) {
    const LibraryEntry* entry = Find(id);
    if (entry == nullptr) continue;
    ++clips;
    for (const std::string& file : FilesOf(entry->item.path)) files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  if (files.empty()) return;
  try {
    const Trashed trashed = MoveToTrash(files);
    std::erase_if(entries_, [&](const LibraryEntry& entry) {
      return std::find(ids.begin(), ids.end(), entry.item.id) != ids.end();
    });
    Filter();
    actions_.offer_undo(base::StrCat(clips, clips == 1 ? " clip" : " clips", " went to the trash"), [this, trashed] {
      try {
        Restore(trashed);
      } catch (const base::Error& error) {
        options_.notify(Level::kError, error.what(), "The rest is back.");
      }
      index_.Scan(folders_);
    });
  } catch (const base::Error& error) {
    options_.notify(Level::kError, error.what(), "Nothing was deleted.");
  }
}

// What is visible, one after another; what was not visible for longest goes when there is too much.
void LibraryDesk::Thumbs() {
  if (auto made = thumbs_.Take()) {
    if (made->id == asked_) asked_ = 0;
    made_bytes_ += made->bytes;
    made_order_.push_back(made->id);
    made_[made->id] = std::move(*made);
    changed_ = true;
    const auto is_visible = [&](uint64_t id) {
      return std::find(visible_.begin(), visible_.end(), id) != visible_.end();
    };
    for (size_t i = made_order_.size(); i-- > 0 && made_bytes_ > kMostThumbBytes;) {
      const uint64_t id = made_order_.front();
      made_order_.pop_front();
      if (is_visible(id)) {
        made_order_.push_back(id);
        continue;
      }
      made_bytes_ -= made_[id].bytes;
      made_.erase(id);
    }
  }
  if (asked_ != 0) return;
  for (const uint64_t id : visible_) {
    if (made_.count(id)) continue;
    const LibraryEntry* entry = Find(id);
    if (entry == nullptr) continue;
    asked_ = id;
    return thumbs_.Ask({id, entry->item.path, 0});
  }
}

bool LibraryDesk::Tick() {
  bool scanning = view_.scanning;
  if (index_.Take(entries_, scanning)) {
    view_.scanning = scanning;
    FindMates();
    Filter();
    // A sidecar may come after its clip was looked at.
    const LibraryEntry* entry = Find(looked_at_);
    if (entry != nullptr && known_.id == looked_at_ && known_.sidecar_modified != entry->sidecar_modified)
      facts_.Ask({entry->item.id, entry->item.path, entry->sidecar_modified});
  }
  Thumbs();
  TakeFacts();
  for (const std::string& error : opener_.TakeErrors()) {
    options_.notify(Level::kWarning, error, "Copy this text for the folder's path.");
  }
  for (const std::string& error : disk_.TakeErrors()) {
    options_.notify(Level::kError, "The library's marks could not be saved: " + error, "");
  }
  if (!changed_) return false;
  changed_ = false;
  view_.thumbs.clear();
  for (const uint64_t id : visible_) {
    if (const auto it = made_.find(id); it != made_.end()) view_.thumbs[id] = it->second.thumb;
  }
  return true;
}

void LibraryDesk::Load() {
  if (options_.folder.empty()) return;
  std::ifstream in(options_.folder + "/library.json", std::ios::binary);
  const json file = json::parse(in, nullptr, false);
  if (!file.is_object()) return;
  const json folders = file.value("folders", json::array()), marks = file.value("marks", json::object());
  for (const json& folder : folders) {
    if (folder.is_string() && folders_.size() < kMostFolders) folders_.push_back(folder.get<std::string>());
  }
  if (!marks.is_object()) return;
  for (const auto& [path, mark] : marks.items()) {
    if (mark == "keep") marks_[path] = ui::Mark::kKeep;
    if (mark == "reject") marks_[path] = ui::Mark::kReject;
  }
}

void LibraryDesk::Save() {
  if (options_.folder.empty()) return;
  json marks = json::object();
  for (const auto& [path, mark] : marks_) marks[path] = mark == ui::Mark::kKeep ? "keep" : "reject";
  disk_.Write(options_.folder + "/library.json",
              json{{"folders", folders_}, {"marks", marks}}.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace app
