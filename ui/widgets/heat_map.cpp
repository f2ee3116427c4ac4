#include "ui/widgets/heat_map.h"

#include <algorithm>
#include <cmath>

#include "ui/widgets/controls.h"

namespace ui {
namespace {

constexpr int kMostPlaces = 512;  // cells with a place of their own, for tests

// Every how many cells a number fits.
int LabelEvery(float cell, float text) {
  for (const int every : {1, 2, 5, 10, 20, 50, 100, 200}) {
    if (cell * static_cast<float>(every) >= text) return every;
  }
  return 500;
}

}  // namespace

std::optional<std::pair<int, int>> DrawHeatMap(Context& c, const HeatMap& map, ImVec2 size) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::PushFont(c.fonts.small);
  const float text_height = ImGui::GetTextLineHeight();
  const float left = ImGui::CalcTextSize(map.row_name.c_str()).x + c.Px(6), bottom = text_height + c.Px(4);
  const float cell_w = (size.x - left) / static_cast<float>(std::max(map.columns, 1));
  const float cell_h = (size.y - bottom) / static_cast<float>(std::max(map.rows, 1));
  const ImVec2 origin(at.x + left, at.y);
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const auto corner = [&](int column, int row) {
    return ImVec2(std::round(origin.x + cell_w * static_cast<float>(column)),
                  std::round(origin.y + cell_h * static_cast<float>(row)));
  };
  const float gap = std::min(cell_w, cell_h) >= 6 ? 1 : 0;
  for (int row = 0; row < map.rows; ++row) {
    for (int column = 0; column < map.columns; ++column) {
      const ImVec2 a = corner(column, row), b = corner(column + 1, row + 1);
      const std::optional<double> value = map.value(column, row);
      draw.AddRectFilled(a, ImVec2(b.x - gap, b.y - gap),
                         !value      ? c.theme.unknown
                         : map.color ? map.color(*value)
                                     : Viridis(*value));
    }
  }
  const int row_every = LabelEvery(cell_h, text_height),
            column_every = LabelEvery(cell_w, ImGui::CalcTextSize("000").x);
  for (int row = 0; row < map.rows; row += row_every) {
    const std::string text = std::to_string(row);
    const ImVec2 t = ImGui::CalcTextSize(text.c_str());
    const float y = std::min(corner(0, row).y + std::max(0.0f, (cell_h - t.y) / 2), origin.y + size.y - bottom - t.y);
    draw.AddText(ImVec2(origin.x - t.x - c.Px(4), y), c.theme.faint, text.c_str());
  }
  const float name_width = ImGui::CalcTextSize(map.column_name.c_str()).x;
  for (int column = 0; column < map.columns; column += column_every) {
    const std::string text = std::to_string(column);
    const ImVec2 t = ImGui::CalcTextSize(text.c_str());
    const float x = corner(column, 0).x + std::max(0.0f, (cell_w - t.x) / 2);
    if (x + t.x > at.x + size.x - name_width - c.Px(6)) break;
    draw.AddText(ImVec2(x, origin.y + size.y - bottom + c.Px(2)), c.theme.faint, text.c_str());
  }
  draw.AddText(ImVec2(at.x + size.x - name_width, origin.y + size.y - bottom + c.Px(2)), c.theme.dim,
               map.column_name.c_str());
  if (row_every > 1 || map.rows > 1) {
    draw.AddText(ImVec2(at.x, origin.y + size.y - bottom + c.Px(2)), c.theme.dim, map.row_name.c_str());
  }
  ImGui::PopFont();

  const bool pressed = ImGui::InvisibleButton(map.name.c_str(), size);
  c.Mark(map.name);
  const bool by_keys = HasKeys();
  if (by_keys) draw.AddRect(at, ImVec2(at.x + size.x, at.y + size.y), c.theme.text, c.Px(4));
  for (int row = 0; row < map.rows && map.rows * map.columns <= kMostPlaces; ++row) {
    for (int column = 0; column < map.columns; ++column) {
      const ImVec2 a = corner(column, row), b = corner(column + 1, row + 1);
      c.places[map.name + "/" + std::to_string(column) + "/" + std::to_string(row)] = {a.x, a.y, b.x, b.y};
    }
  }
  if (map.chosen_column >= 0 && map.chosen_column < map.columns && map.chosen_row >= 0 && map.chosen_row < map.rows) {
    const ImVec2 a = corner(map.chosen_column, map.chosen_row), b = corner(map.chosen_column + 1, map.chosen_row + 1);
    draw.AddRect(ImVec2(a.x - 1, a.y - 1), ImVec2(b.x + 1 - gap, b.y + 1 - gap), c.theme.text, 0, 0, 2);
  }
  if (map.columns == 0 || map.rows == 0) return std::nullopt;
  if (by_keys) {
    if (!pressed) return std::nullopt;
    return std::make_pair(std::clamp(map.chosen_column, 0, map.columns - 1),
                          std::clamp(map.chosen_row, 0, map.rows - 1));
  }
  if (!ImGui::IsItemHovered()) return std::nullopt;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  const auto column = static_cast<int>(std::floor((mouse.x - origin.x) / cell_w));
  const auto row = static_cast<int>(std::floor((mouse.y - origin.y) / cell_h));
  if (column < 0 || column >= map.columns || row < 0 || row >= map.rows) return std::nullopt;
  const ImVec2 a = corner(column, row), b = corner(column + 1, row + 1);
  draw.AddRect(ImVec2(a.x - 1, a.y - 1), ImVec2(b.x + 1 - gap, b.y + 1 - gap), c.theme.accent, 0, 0, 2);
  Tooltip(c, map.tooltip(column, row));
  if (ImGui::IsItemClicked()) return std::make_pair(column, row);
  return std::nullopt;
}

}  // namespace ui
