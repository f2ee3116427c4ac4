#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"

namespace ui {
namespace {

constexpr int kFirstSlot = 100, kSlots = 400;  // textures of what is visible
constexpr float kCell = 196, kPicture = 148, kText = 54;

bool Selected(const LibraryLocal& local, uint64_t id) {
  return std::find(local.selected.begin(), local.selected.end(), id) != local.selected.end();
}

void Select(LibraryLocal& local, uint64_t id, bool more) {
  const bool was = Selected(local, id);
  if (!more) local.selected.clear();
  if (more && was) {
    std::erase(local.selected, id);
  } else {
    local.selected.push_back(id);
  }
}

void Bar(Context& c) {
  LibraryLocal& local = c.local.library;
  const LibraryView& view = c.view.library;
  LibraryQuery query = local.query;
  ImGui::SetNextItemWidth(c.Px(300));
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
  ImGui::AlignTextToFramePadding();
  Label(c, c.theme.dim,
        std::to_string(shown) + (shown == view.num_all ? "" : " of " + std::to_string(view.num_all)) +
            (shown == 1 ? " clip" : " clips") + (view.scanning ? ", looking…" : ""));
  ImGui::SameLine(0, c.Px(12));
  AlignRight(c.Px(252));
  if (Button(c, "library/compare", "Compare", "The chosen clips, the first is the reference",
             chosen < 2   ? "Choose two to four clips: Ctrl and a click"
             : chosen > 4 ? "At most four"
                          : "",
             c.Px(90))) {
    c.Do(LibraryCommand(LibraryCompare{local.selected}));
  }
  ImGui::SameLine(0, c.Px(6));
  if (Button(c, "library/trash", "Delete", "To the trash, with what lies beside it; can be undone",
             chosen == 0 ? "Choose clips first" : "", c.Px(72))) {
    c.Do(LibraryCommand(LibraryTrash{std::exchange(local.selected, {})}));
  }
  ImGui::SameLine(0, c.Px(6));
  if (Button(c, "library/rescan", "Refresh", "Look into the folders again", "", c.Px(74)))
    c.Do(LibraryCommand(LibraryRescan{}));
}

void Menu(Context& c, const LibraryItem& item) {
  if (ImGui::MenuItem("Play")) c.Do(LibraryCommand(LibraryPlay{item.id}));
  if (ImGui::MenuItem("Finish dense, same noise", nullptr, false, item.has_job && !item.dense))
    c.Do(LibraryCommand(LibraryFinish{item.id}));
  if (ImGui::MenuItem("Keep", nullptr, item.mark == Mark::kKeep))
    c.Do(LibraryCommand(LibraryMark{item.id, item.mark == Mark::kKeep ? Mark::kNone : Mark::kKeep}));
  if (ImGui::MenuItem("Reject", nullptr, item.mark == Mark::kReject))
    c.Do(LibraryCommand(LibraryMark{item.id, item.mark == Mark::kReject ? Mark::kNone : Mark::kReject}));
  if (ImGui::MenuItem("Copy the file's path")) ImGui::SetClipboardText(item.path.c_str());
  if (ImGui::MenuItem("Delete")) c.Do(LibraryCommand(LibraryTrash{{item.id}}));
}

void Card(Context& c, const LibraryItem& item, size_t index, size_t slot) {
  LibraryLocal& local = c.local.library;
  ImGui::PushID(static_cast<int>(index));
  const ImVec2 a = ImGui::GetCursorScreenPos(), size(c.Px(kCell - 8), c.Px(kPicture + kText));
  const ImVec2 b(a.x + size.x, a.y + size.y);
  if (ImGui::InvisibleButton("card", size)) Select(local, item.id, ImGui::GetIO().KeyCtrl);
  c.Mark("clip_of_library/" + std::to_string(index));
  const bool hovered = ImGui::IsItemHovered();
  if (hovered && ImGui::IsMouseDoubleClicked(ImGuiMouseButton_Left)) c.Do(LibraryCommand(LibraryPlay{item.id}));
  Tooltip(c, item.title + "\n" + item.detail + "\n" + item.path + "\n\ndouble click: play · right click: more");
  if (ImGui::BeginPopupContextItem("card menu")) {
    Menu(c, item);
    ImGui::EndPopup();
  }
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const bool selected = Selected(local, item.id);
  draw.AddRectFilled(a, b, hovered ? c.theme.raised : c.theme.field, c.Px(6));
  const auto thumb = c.view.library.thumbs.find(item.id);
  const float room_w = size.x - c.Px(8), room_h = c.Px(kPicture - 8);
  if (thumb != c.view.library.thumbs.end() && !thumb->second->frames.empty()) {
    const LibraryThumb& t = *thumb->second;
    const auto at = static_cast<size_t>(c.input.time_s * t.fps) % t.frames.size();
    if (t.frames.size() > 1) *c.wants_frames = true;
    const Image& image = t.frames[at];
    const float scale =
        std::min(room_w / static_cast<float>(image.width_px), room_h / static_cast<float>(image.height_px));
    const float w = static_cast<float>(image.width_px) * scale, h = static_cast<float>(image.height_px) * scale;
    const ImVec2 p(std::floor(a.x + (size.x - w) / 2), std::floor(a.y + c.Px(4) + (room_h - h) / 2));
    const int number = kFirstSlot + static_cast<int>(slot % kSlots);
    if (const ImTextureID texture = c.textures.Show(number, image, true))
      draw.AddImage(texture, p, ImVec2(p.x + w, p.y + h));
  } else {
    const bool broken = thumb != c.view.library.thumbs.end();
    const char* const text = broken ? "cannot be read" : "…";
    draw.AddText(ImVec2(a.x + c.Px(12), a.y + room_h / 2), broken ? c.theme.error : c.theme.faint, text);
  }
  const float y = a.y + c.Px(kPicture);
  draw.AddText(ImVec2(a.x + c.Px(8), y), c.theme.text, Cut(item.title, size.x - c.Px(34)).c_str());
  if (item.mark != Mark::kNone) {
    draw.AddText(ImVec2(b.x - c.Px(22), y), item.mark == Mark::kKeep ? c.theme.good : c.theme.error,
                 item.mark == Mark::kKeep ? "✓" : "✕");
  }
  std::string line = item.seconds >= 0 ? Number(item.seconds, 1) + " s" : "";
  if (item.skipped >= 0) line += (line.empty() ? "" : " · ") + Percent(item.skipped) + " skipped";
  if (line.empty()) line = item.path.substr(item.path.rfind('/') + 1);
  ImGui::PushFont(c.fonts.small);
  draw.AddText(ImVec2(a.x + c.Px(8), y + c.Px(22)), c.theme.dim, Cut(line, size.x - c.Px(16)).c_str());
  ImGui::PopFont();
  if (selected) draw.AddRect(a, b, c.theme.accent, c.Px(6), 0, c.Px(2));
  ImGui::PopID();
}

}  // namespace

void DrawLibrary(Context& c) {
  LibraryLocal& local = c.local.library;
  const LibraryView& view = c.view.library;
  Bar(c);
  ImGui::BeginChild("library_grid", ImVec2(0, 0), false);
  const size_t count = view.items ? view.items->size() : 0;
  if (count == 0) {
    std::string text = view.num_all > 0 ? "Nothing matches the search."
                       : view.scanning  ? "Looking…"
                                        : "No clip yet. What is rendered appears here. Drop a folder on this window: "
                                          "the clips below it appear, too.";
    if (view.num_all == 0 && !view.folders.empty()) text += "\n\nFolders that are looked into:";
    for (const std::string& folder : view.folders) text += view.num_all > 0 ? "" : "\n" + folder;
    Paragraph(c, c.theme.dim, text);
  }
  // Only the rows that can be seen are drawn and have thumbnails.
  const float cell_w = c.Px(kCell), cell_h = c.Px(kPicture + kText + 8);
  const auto columns = std::max<size_t>(1, static_cast<size_t>(ImGui::GetContentRegionAvail().x / cell_w));
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
      Card(c, (*view.items)[index], index, index);
      visible.ids.push_back((*view.items)[index].id);
    }
  }
  ImGui::SetCursorPos(ImVec2(origin.x, origin.y + static_cast<float>(rows) * cell_h));
  ImGui::Dummy(ImVec2(1, 1));
  ImGui::EndChild();
  if (visible == local.visible) return;
  local.visible = visible;
  c.Do(LibraryCommand(std::move(visible)));
}

}  // namespace ui
