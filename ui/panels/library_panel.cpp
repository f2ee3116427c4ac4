#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ui/compare/drop.h"
#include "ui/library/actions.h"
#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"

namespace ui {
namespace {

constexpr int kFirstSlot = 100, kSlots = 400;  // textures of what is visible
constexpr float kCell = 196, kPicture = 148, kText = 52, kSide = 284;
constexpr size_t kMostDragged = 4;

bool Selected(const LibraryLocal& local, uint64_t id) {
  return std::find(local.selected.begin(), local.selected.end(), id) != local.selected.end();
}

// One, with Ctrl one more or less, with Shift all from the one before to this one.
void Select(Context& c, size_t index) {
  LibraryLocal& local = c.local.library;
  const std::vector<LibraryItem>& items = *c.view.library.items;
  const uint64_t id = items[index].id;
  const ImGuiIO& io = ImGui::GetIO();
  if (io.KeyShift && !local.selected.empty()) {
    const uint64_t last = local.selected.back();
    const auto from = std::find_if(items.begin(), items.end(), [&](const auto& item) { return item.id == last; });
    const auto start = from == items.end() ? index : static_cast<size_t>(from - items.begin());
    for (size_t i = std::min(start, index); i <= std::max(start, index); ++i) {
      if (!Selected(local, items[i].id)) local.selected.push_back(items[i].id);
    }
    std::erase(local.selected, id);
    local.selected.push_back(id);
    return;
  }
  const bool was = Selected(local, id);
  if (!io.KeyCtrl) local.selected.clear();
  if (io.KeyCtrl && was) {
    std::erase(local.selected, id);
  } else {
    local.selected.push_back(id);
  }
}

// What a drag takes along: the chosen clips, if this one is among them.
void DragSource(Context& c, const LibraryItem& item) {
  if (!ImGui::BeginDragDropSource()) return;
  std::vector<const LibraryItem*> dragged;
  if (Selected(c.local.library, item.id)) {
    for (const LibraryItem& other : *c.view.library.items) {
      if (Selected(c.local.library, other.id) && dragged.size() < kMostDragged) dragged.push_back(&other);
    }
  }
  if (dragged.empty()) dragged = {&item};
  std::string paths;
  for (const LibraryItem* one : dragged) paths += (paths.empty() ? "" : std::string(1, '\0')) + one->path;
  ImGui::SetDragDropPayload(kClipPayload, paths.data(), paths.size());
  for (const LibraryItem* one : dragged) Label(c, c.theme.text, Cut(one->title, c.Px(240)));
  Label(c, c.theme.dim, "Drop on Compare", c.fonts.small);
  ImGui::EndDragDropSource();
}

void Bar(Context& c) {
  LibraryLocal& local = c.local.library;
  const LibraryView& view = c.view.library;
  LibraryQuery query = local.query;
  ImGui::SetNextItemWidth(c.Px(280));
  if (std::exchange(local.focus_search, false)) ImGui::SetKeyboardFocusHere();
  ImGui::InputTextWithHint("###library_search", "Search prompts, files, settings…", &query.search);
  c.Mark("library/search");
  ImGui::SameLine(0, c.Px(8));
  const char* const sorts[] = {"newest", "prompt", "seconds", "skipped"};
  const int sort = Segments(c, "library/sort", sorts, nullptr, 4, static_cast<int>(query.sort), c.Px(300));
  if (sort >= 0) query.sort = static_cast<LibrarySort>(sort);
  ImGui::SameLine(0, c.Px(8));
  const char* const marks[] = {"all", "kept", "rejected"};
  const int mark = Segments(c, "library/marks", marks, nullptr, 3, query.marks, c.Px(220));
  if (mark >= 0) query.marks = mark;
  if (!(query == local.query) || !local.asked) {
    local.query = query;
    local.asked = true;
    local.selected.clear();
    c.Do(LibraryCommand(query));
  }
  const size_t shown = view.items ? view.items->size() : 0, chosen = local.selected.size();
  ImGui::SameLine(0, c.Px(12));
  const float y = ImGui::GetCursorPosY();
  ImGui::SetCursorPosY(y + ImGui::GetStyle().FramePadding.y);
  CopyableText(c, "library/count", c.theme.dim,
               std::to_string(shown) + (shown == view.num_all ? "" : " of " + std::to_string(view.num_all)) +
                   (shown == 1 ? " clip" : " clips") + (view.scanning ? ", looking…" : ""),
               "Clips that search and marks leave, of all that were found in the folders and below.");
  ImGui::SameLine(0, c.Px(12));
  ImGui::SetCursorPosY(y);
  AlignRight(c.Px(252));
  if (Button(c, "library/compare", "Compare", "The chosen clips, the first is the reference",
             chosen < 2   ? "Choose two to four clips: Ctrl and a click"
             : chosen > 4 ? "At most four"
                          : "",
             c.Px(90))) {
    c.Do(LibraryCommand(LibraryCompare{local.selected}));
  }
  ImGui::SameLine(0, c.Px(6));
  if (Button(c, "library/trash", "Delete", "To the trash, with what lies beside it; can be undone", WhyNoChosen(c),
             c.Px(72))) {
    TrashChosen(c);
  }
  ImGui::SameLine(0, c.Px(6));
  if (Button(c, "library/rescan", "Refresh", "Look into the folders again", "", c.Px(74)))
    c.Do(LibraryCommand(LibraryRescan{}));
}

void Menu(Context& c, const LibraryItem& item) {
  if (ImGui::MenuItem("Play", "Enter")) c.Do(LibraryCommand(LibraryPlay{item.id}));
  if (ImGui::MenuItem("Finish dense, same noise", nullptr, false, item.has_job && !item.dense))
    c.Do(LibraryCommand(LibraryFinish{item.id}));
  if (ImGui::MenuItem(item.dense ? "Compare with its draft" : "Compare with dense", nullptr, false, item.mate != 0))
    c.Do(
        LibraryCommand(LibraryCompare{item.dense ? std::vector{item.id, item.mate} : std::vector{item.mate, item.id}}));
  if (ImGui::MenuItem("Encode again…")) OpenEncodeAgain(c, item.id);
  c.Mark("library/menu/encode");
  if (ImGui::MenuItem("Keep", "K", item.mark == Mark::kKeep)) ToggleMark(c, {item.id}, Mark::kKeep);
  if (ImGui::MenuItem("Reject", "X", item.mark == Mark::kReject)) ToggleMark(c, {item.id}, Mark::kReject);
  if (ImGui::MenuItem("Open its folder")) c.Do(LibraryCommand(LibraryOpenFolder{item.id}));
  ImGui::Separator();
  if (ImGui::MenuItem("Copy the file's path")) ImGui::SetClipboardText(item.path.c_str());
  if (ImGui::MenuItem("Copy the prompt")) ImGui::SetClipboardText(item.title.c_str());
  if (ImGui::MenuItem("Copy the settings")) ImGui::SetClipboardText(item.detail.c_str());
  ImGui::Separator();
  if (ImGui::MenuItem("Delete", "Del")) c.Do(LibraryCommand(LibraryTrash{{item.id}}));
}

void Picture(Context& c, const LibraryThumb* thumb, ImVec2 a, ImVec2 size, size_t slot) {
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float room_w = size.x - c.Px(8), room_h = c.Px(kPicture - 8);
  if (thumb == nullptr || thumb->frames.empty()) {
    const char* const text = thumb == nullptr ? "…" : "cannot be read";
    const ImVec2 half = ImGui::CalcTextSize(text);
    draw.AddText(ImVec2(std::floor(a.x + (size.x - half.x) / 2), std::floor(a.y + (room_h - half.y) / 2)),
                 thumb == nullptr ? c.theme.faint : c.theme.error, text);
    return;
  }
  const auto at = static_cast<size_t>(c.input.time_s * thumb->fps) % thumb->frames.size();
  if (thumb->frames.size() > 1) *c.wants_frames = true;
  const Image& image = thumb->frames[at];
  const float scale =
      std::min(room_w / static_cast<float>(image.width_px), room_h / static_cast<float>(image.height_px));
  const float w = static_cast<float>(image.width_px) * scale, h = static_cast<float>(image.height_px) * scale;
  const ImVec2 p(std::floor(a.x + (size.x - w) / 2), std::floor(a.y + c.Px(4) + (room_h - h) / 2));
  const int number = kFirstSlot + static_cast<int>(slot % kSlots);
  if (const ImTextureID texture = c.textures.Show(number, image, true))
    draw.AddImage(texture, p, ImVec2(p.x + w, p.y + h));
  if (!thumb->error.empty()) {
    draw.AddText(ImVec2(a.x + c.Px(8), a.y + c.Px(4)), c.theme.error, "damaged");
  }
}

// The numbers below the picture; each can be copied, and says what it is.
void Numbers(Context& c, const LibraryItem& item, size_t index, ImVec2 at, float right) {
  const std::string name = "clip_of_library/" + std::to_string(index);
  ImGui::PushFont(c.fonts.small);
  ImGui::SetCursorScreenPos(at);
  if (item.seconds >= 0) {
    CopyableText(c, name + "/seconds", c.theme.dim, Number(item.seconds, 1) + " s",
                 "Seconds of the whole render, all stages, on the machine that made it: `timings_s.total` of the "
                 "sidecar.");
    ImGui::SameLine(0, c.Px(8));
  }
  if (item.skipped >= 0) {
    CopyableText(c, name + "/skipped", c.theme.dim, Percent(item.skipped) + " skipped",
                 "Share of the attention's work that was skipped, all steps, layers and heads together, as the paper "
                 "counts it (blocks of Q·K and tiles of P·V): `attention.sparsity` of the sidecar.");
    ImGui::SameLine(0, c.Px(8));
  }
  if (item.seconds < 0 && item.skipped < 0) {
    const std::string file = item.path.substr(item.path.rfind('/') + 1);
    CopyableText(c, name + "/file", c.theme.faint, Cut(file, right - at.x), item.path);
  } else if (item.mate != 0) {
    const std::string text = item.dense ? "⇄ draft" : "⇄ dense";
    const ImVec2 size = ImGui::CalcTextSize(text.c_str());
    ImGui::SetCursorScreenPos(ImVec2(right - size.x, at.y));
    if (ImGui::InvisibleButton("mate", size)) {
      c.Do(LibraryCommand(
          LibraryCompare{item.dense ? std::vector{item.id, item.mate} : std::vector{item.mate, item.id}}));
    }
    c.Mark(name + "/mate");
    ImGui::GetWindowDrawList()->AddText(ImVec2(right - size.x, at.y),
                                        ImGui::IsItemHovered() ? c.theme.text : c.theme.accent, text.c_str());
    Tooltip(c, item.dense ? "Compare with the newest draft from the same noise"
                          : "Compare with the newest dense clip from the same noise");
  }
  ImGui::PopFont();
}

void Card(Context& c, size_t index, float width) {
  LibraryLocal& local = c.local.library;
  const LibraryItem& item = (*c.view.library.items)[index];
  ImGui::PushID(static_cast<int>(index));
  const ImVec2 a = ImGui::GetCursorScreenPos(), size(width, c.Px(kPicture + kText));
  const ImVec2 b(a.x + size.x, a.y + size.y);
  const float numbers = c.Px(22);
  if (ImGui::InvisibleButton("card", ImVec2(size.x, size.y - numbers))) Select(c, index);
  const std::string name = "clip_of_library/" + std::to_string(index);
  c.Mark(name);
  const bool hovered = ImGui::IsItemHovered();
  if (hovered && ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left)) c.Do(LibraryCommand(LibraryPlay{item.id}));
  const auto found = c.view.library.thumbs.find(item.id);
  const LibraryThumb* const thumb = found == c.view.library.thumbs.end() ? nullptr : found->second.get();
  const std::string error = thumb == nullptr || thumb->error.empty() ? "" : "\n\n" + thumb->error;
  Tooltip(c, item.title + "\n" + item.detail + "\n" + item.path + error +
                 "\n\ndouble click: play · right click: more · drag on Compare");
  if (ImGui::BeginPopupContextItem("card menu")) {
    Menu(c, item);
    ImGui::EndPopup();
  }
  DragSource(c, item);
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.AddRectFilled(a, b, hovered ? c.theme.raised : c.theme.field, c.Px(6));
  Picture(c, thumb, a, size, index);
  const float y = a.y + c.Px(kPicture);
  draw.AddText(ImVec2(a.x + c.Px(8), y), c.theme.text, Cut(item.title, size.x - c.Px(34)).c_str());
  if (item.mark != Mark::kNone) {
    draw.AddText(ImVec2(b.x - c.Px(22), y), item.mark == Mark::kKeep ? c.theme.good : c.theme.error,
                 item.mark == Mark::kKeep ? "✓" : "✕");
  }
  Numbers(c, item, index, ImVec2(a.x + c.Px(8), b.y - numbers), b.x - c.Px(8));
  if (Selected(local, item.id)) draw.AddRect(a, b, c.theme.accent, c.Px(6), 0, c.Px(2));
  ImGui::PopID();
}

void Empty(Context& c) {
  const LibraryView& view = c.view.library;
  std::string text = view.num_all > 0 ? "Nothing matches the search."
                     : view.scanning  ? "Looking…"
                                      : "No clip yet. What is rendered appears here. Drop a folder on this window: "
                                        "the clips below it appear, too.";
  if (view.num_all == 0 && !view.folders.empty()) text += "\n\nFolders that are looked into:";
  for (const std::string& folder : view.folders) text += view.num_all > 0 ? "" : "\n" + folder;
  Paragraph(c, c.theme.dim, text);
}

}  // namespace

void DrawLibrary(Context& c) {
  LibraryLocal& local = c.local.library;
  const LibraryView& view = c.view.library;
  Bar(c);
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const bool side = room.x > c.Px(kSide + 2 * kCell + 60);  // always there: cards stay where they are when chosen
  ImGui::BeginChild("library_grid", ImVec2(side ? room.x - c.Px(kSide + 8) : 0, 0), false);
  const size_t count = view.items ? view.items->size() : 0;
  if (count == 0) Empty(c);
  // Only the rows that can be seen are drawn and have thumbnails.
  const float cell_h = c.Px(kPicture + kText + 8), across = ImGui::GetContentRegionAvail().x;
  const auto columns = std::max<size_t>(1, static_cast<size_t>(across / c.Px(kCell)));
  const float cell_w = std::floor(std::max(across / static_cast<float>(columns), c.Px(kCell)));
  const size_t rows = (count + columns - 1) / columns;
  const ImVec2 origin = ImGui::GetCursorPos();
  const auto first = static_cast<size_t>(std::max(0.0f, ImGui::GetScrollY() / cell_h));
  const size_t last = std::min(rows, first + static_cast<size_t>(ImGui::GetWindowHeight() / cell_h) + 2);
  LibraryVisible visible;
  for (size_t row = first; row < last; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const size_t index = row * columns + column;
      if (index >= count) break;
      ImGui::SetCursorPos(
          ImVec2(origin.x + static_cast<float>(column) * cell_w, origin.y + static_cast<float>(row) * cell_h));
      Card(c, index, cell_w - c.Px(8));
      visible.ids.push_back((*view.items)[index].id);
    }
  }
  ImGui::SetCursorPos(ImVec2(origin.x, origin.y + static_cast<float>(rows) * cell_h));
  ImGui::Dummy(ImVec2(1, 1));
  ImGui::EndChild();
  c.Mark("library/grid");
  if (side) {
    ImGui::SameLine(0, c.Px(8));
    ImGui::BeginChild("library_side", ImVec2(0, 0), false);
    DrawLibrarySide(c);
    ImGui::EndChild();
  }
  if (visible == local.visible) return;
  local.visible = visible;
  c.Do(LibraryCommand(std::move(visible)));
}

}  // namespace ui
