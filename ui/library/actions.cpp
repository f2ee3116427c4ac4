#include "ui/library/actions.h"

#include <algorithm>
#include <utility>

namespace ui {
namespace {

LibraryLocal& Mine(Context& c) { return c.local.library; }

std::string Here(const Context& c) {
  return c.state.workspace == Workspace::kLibrary ? "" : "In the workspace Library";
}

std::string HasOne(const Context& c) {
  if (!WhyNoChosen(c).empty()) return WhyNoChosen(c);
  return LookedAt(c) == nullptr ? "The clip is not in sight" : "";
}

std::string HasDraft(const Context& c) {
  if (!HasOne(c).empty()) return HasOne(c);
  const LibraryItem& item = *LookedAt(c);
  return !item.has_job ? "It records no job of ours" : item.dense ? "It is dense" : "";
}

std::string HasMate(const Context& c) {
  if (!HasOne(c).empty()) return HasOne(c);
  return LookedAt(c)->mate == 0 ? "There is no other clip from the same noise" : "";
}

const std::vector<LibraryItem>& Items(const Context& c) {
  static const std::vector<LibraryItem> kNone;
  return c.view.library.items ? *c.view.library.items : kNone;
}

}  // namespace

std::string WhyNoChosen(const Context& c) {
  if (!Here(c).empty()) return Here(c);
  return c.local.library.selected.empty() ? "Choose clips first" : "";
}

const LibraryItem* LookedAt(const Context& c) {
  if (c.local.library.selected.empty()) return nullptr;
  const std::vector<LibraryItem>& items = Items(c);
  const auto it = std::find_if(items.begin(), items.end(),
                               [&](const LibraryItem& item) { return item.id == c.local.library.selected.back(); });
  return it == items.end() ? nullptr : &*it;
}

void TrashChosen(Context& c) { c.Do(LibraryCommand(LibraryTrash{std::exchange(Mine(c).selected, {})})); }

void ToggleMark(Context& c, const std::vector<uint64_t>& ids, Mark mark) {
  const bool all = std::all_of(ids.begin(), ids.end(), [&](uint64_t id) {
    const std::vector<LibraryItem>& items = Items(c);
    return std::any_of(items.begin(), items.end(),
                       [&](const auto& item) { return item.id == id && item.mark == mark; });
  });
  c.Do(LibraryCommand(LibraryMark{ids, all ? Mark::kNone : mark}));
}

void OpenEncodeAgain(Context& c, uint64_t id) {
  LibraryLocal& local = Mine(c);
  local.encode_open = local.focus_encode = true;
  local.wanted = {id, local.wanted.extension.empty() ? "mp4" : local.wanted.extension, false};
  local.planned_for.clear();
}

const std::vector<Action>& LibraryActions() {
  static const std::vector<Action> kActions = {
      {"library_play",
       "Play the chosen clip",
       "Library",
       {kKeyEnter},
       false,
       HasOne,
       [](Context& c) { c.Do(LibraryCommand(LibraryPlay{LookedAt(c)->id})); }},
      {"library_keep",
       "Keep the chosen clips, or not",
       "Library",
       {'K'},
       false,
       WhyNoChosen,
       [](Context& c) { ToggleMark(c, Mine(c).selected, Mark::kKeep); }},
      {"library_reject",
       "Reject the chosen clips, or not",
       "Library",
       {'X'},
       false,
       WhyNoChosen,
       [](Context& c) { ToggleMark(c, Mine(c).selected, Mark::kReject); }},
      {"library_mate",
       "Compare the chosen clip with the other one from the same noise",
       "Library",
       {},
       false,
       HasMate,
       [](Context& c) {
         const LibraryItem& item = *LookedAt(c);
         c.Do(LibraryCommand(
             LibraryCompare{item.dense ? std::vector{item.id, item.mate} : std::vector{item.mate, item.id}}));
       }},
      {"library_finish",
       "Finish dense, same noise",
       "Library",
       {},
       false,
       HasDraft,
       [](Context& c) { c.Do(LibraryCommand(LibraryFinish{LookedAt(c)->id})); }},
      {"library_encode",
       "Encode the chosen clip again…",
       "Library",
       {},
       false,
       HasOne,
       [](Context& c) { OpenEncodeAgain(c, LookedAt(c)->id); }},
      {"library_folder",
       "Open the folder of the chosen clip",
       "Library",
       {},
       false,
       HasOne,
       [](Context& c) { c.Do(LibraryCommand(LibraryOpenFolder{LookedAt(c)->id})); }},
      {"library_search",
       "Search the library",
       "Library",
       {'F', true},
       true,
       Here,
       [](Context& c) { Mine(c).focus_search = true; }},
      {"library_rescan",
       "Look into the library's folders again",
       "Library",
       {},
       false,
       Here,
       [](Context& c) { c.Do(LibraryCommand(LibraryRescan{})); }},
  };
  return kActions;
}

}  // namespace ui
