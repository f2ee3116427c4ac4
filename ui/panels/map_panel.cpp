#include <algorithm>
#include <cmath>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/heat_map.h"

namespace ui {
namespace {

constexpr int kMapSlot = 1, kLargeMapSlot = 2;

std::string Tokens(int block, int each) {
  return "tokens " + std::to_string(block * each) + "–" + std::to_string((block + 1) * each - 1);
}

std::string CellText(const BlockMapView& map, int query, int key) {
  const size_t i = static_cast<size_t>(query) * static_cast<size_t>(map.key_blocks) + static_cast<size_t>(key);
  const uint8_t cell = map.cells && i < map.cells->size() ? (*map.cells)[i] : BlockMapView::kHidden;
  const char* const what = cell == BlockMapView::kKept      ? "kept"
                           : cell == BlockMapView::kSkipped ? "skipped"
                                                            : "not seen: attention is causal";
  return "query block " + std::to_string(query) + " (" + Tokens(query, map.query_block_tokens) + ")\nkey block " +
         std::to_string(key) + " (" + Tokens(key, map.key_block_tokens) + ")\n" + what;
}

// The picture, with the block under the mouse.
void Picture(Context& c, const BlockMapView& map, ImVec2 size, int slot, const char* name) {
  const ImVec2 a = ImGui::GetCursorScreenPos(), b(a.x + size.x, a.y + size.y);
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const bool enlarged = size.x >= static_cast<float>(map.image.width_px);
  if (const ImTextureID texture = c.textures.Show(slot, map.image, !enlarged)) draw.AddImage(texture, a, b);
  ImGui::InvisibleButton(name, ImVec2(std::max(size.x, 1.0f), std::max(size.y, 1.0f)));
  c.Mark(name);
  if (!ImGui::IsItemHovered() || map.query_blocks < 1 || map.key_blocks < 1) return;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  const float cell_w = size.x / static_cast<float>(map.key_blocks),
              cell_h = size.y / static_cast<float>(map.query_blocks);
  const int key = std::clamp(static_cast<int>((mouse.x - a.x) / cell_w), 0, map.key_blocks - 1);
  const int query = std::clamp(static_cast<int>((mouse.y - a.y) / cell_h), 0, map.query_blocks - 1);
  const ImVec2 p(a.x + cell_w * static_cast<float>(key), a.y + cell_h * static_cast<float>(query));
  draw.AddRect(ImVec2(p.x - 1, p.y - 1), ImVec2(p.x + cell_w + 1, p.y + cell_h + 1), c.theme.accent, 0, 0, 2);
  Tooltip(c, CellText(map, query, key));
}

void Title(Context& c, const BlockMapView& map) {
  const std::string text = "block map · step " + std::to_string(map.step) + ", layer " + std::to_string(map.layer) +
                           ", head " + std::to_string(map.head);
  Label(c, c.theme.dim, text, c.fonts.small);
}

void Passes(Context& c, const BlockMapView& map, float width) {
  if (map.passes.size() < 2) return;
  std::vector<const char*> labels;
  int chosen = 0;
  for (const std::string& pass : map.passes) {
    if (pass == map.pass) chosen = static_cast<int>(labels.size());
    labels.push_back(pass == "cond" ? "prompt" : pass == "uncond" ? "negative" : pass.c_str());
  }
  const int picked = Segments(c, "map_pass", labels.data(), nullptr, static_cast<int>(labels.size()), chosen, width);
  if (picked >= 0) c.Do(ShowMap{map.step, map.layer, map.head, map.passes[static_cast<size_t>(picked)]});
}

void Key(Context& c, ImU32 color, const std::string& text) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float side = ImGui::GetTextLineHeight() * 0.7f;
  ImGui::GetWindowDrawList()->AddRectFilled(ImVec2(at.x, at.y + side * 0.25f), ImVec2(at.x + side, at.y + side * 1.25f),
                                            color);
  ImGui::SetCursorPosX(ImGui::GetCursorPosX() + side + c.Px(6));
  Label(c, c.theme.dim, text);
}

void Legend(Context& c, const BlockMapView& map) {
  const double share = map.visible > 0 ? 1 - static_cast<double>(map.kept) / static_cast<double>(map.visible) : 0;
  ImGui::PushFont(c.fonts.small);
  Key(c, Viridis(0), "kept, " + std::to_string(map.kept) + " of " + std::to_string(map.visible));
  Key(c, Viridis(1), "skipped, " + Percent(share, 1));
  if (map.causal) Key(c, IM_COL32(128, 128, 128, 255), "not seen: causal");
  Label(c, c.theme.faint,
        "rows: " + std::to_string(map.query_blocks) + " × " + std::to_string(map.query_block_tokens) + " queries");
  Label(c, c.theme.faint,
        "columns: " + std::to_string(map.key_blocks) + " × " + std::to_string(map.key_block_tokens) + " keys");
  const bool reduced = map.image.width_px < map.key_blocks || map.image.height_px < map.query_blocks;
  if (reduced) Label(c, c.theme.faint, "a pixel is several blocks");
  ImGui::PopFont();
}

// In tokens: a key block is half as wide as a query block is high.
ImVec2 Fitted(const BlockMapView& map, ImVec2 room) {
  const auto w = static_cast<float>(map.key_blocks * map.key_block_tokens),
             h = static_cast<float>(map.query_blocks * map.query_block_tokens);
  if (w < 1 || h < 1) return {1, 1};
  const float zoom = std::min(room.x / w, room.y / h);
  return {std::max(std::floor(w * zoom), 1.0f), std::max(std::floor(h * zoom), 1.0f)};
}

}  // namespace

void DrawBlockMap(Context& c) {
  const BlockMapView& map = *c.view.sparsity.map;
  Title(c, map);
  if (map.cells) {
    ImGui::SameLine();
    AlignRight(ImGui::CalcTextSize("large").x + c.Px(12));
    if (QuietButton(c, "map/large", c.local.map_large ? "small" : "large", "In place of the clip (M)"))
      c.local.map_large = !c.local.map_large;
  }
  if (!map.note.empty()) return Paragraph(c, c.theme.faint, map.note, c.fonts.small);
  if (!map.cells) return;
  const float width = ImGui::GetContentRegionAvail().x;
  const ImVec2 size = Fitted(map, ImVec2(width * 0.56f, width * 0.56f));
  const ImVec2 at = ImGui::GetCursorPos();
  Picture(c, map, size, kMapSlot, "map");
  ImGui::SetCursorPos(ImVec2(at.x + size.x + c.Px(12), at.y));
  ImGui::BeginGroup();
  Passes(c, map, width - size.x - c.Px(12));
  Legend(c, map);
  ImGui::EndGroup();
  ImGui::SetCursorPos(ImVec2(at.x, std::max(ImGui::GetCursorPosY(), at.y + size.y + c.Px(8))));
}

void DrawLargeMap(Context& c, ImVec2 room) {
  const BlockMapView& map = *c.view.sparsity.map;
  const ImVec2 start = ImGui::GetCursorPos();
  Title(c, map);
  ImGui::SameLine();
  AlignRight(ImGui::CalcTextSize("back to the clip").x + c.Px(12));
  if (QuietButton(c, "map/back", "back to the clip", "The clip takes its place again (M)")) c.local.map_large = false;
  const float used = ImGui::GetCursorPosY() - start.y;
  const ImVec2 size = Fitted(map, ImVec2(room.x - c.Px(170), room.y - used));
  const ImVec2 at = ImGui::GetCursorPos();
  Picture(c, map, size, kLargeMapSlot, "map_large");
  ImGui::SetCursorPos(ImVec2(at.x + size.x + c.Px(12), at.y));
  ImGui::BeginGroup();
  Passes(c, map, c.Px(150));
  Legend(c, map);
  ImGui::EndGroup();
  ImGui::SetCursorPos(ImVec2(start.x, start.y + room.y));
}

}  // namespace ui
