#include <algorithm>
#include <cmath>

#include "ui/compare/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"
#include "ui/widgets/heat_map.h"
#include "ui/widgets/legend.h"

namespace ui {
namespace {

// Step × layer as DrawHeatMap, in a map of our choice: its cells have the sign of a difference.
void DrawSignedMap(Context& c, const CompareHeat& heat, ImVec2 size) {
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const float cell_w = size.x / static_cast<float>(std::max(heat.num_steps, 1)),
              cell_h = size.y / static_cast<float>(std::max(heat.num_layers, 1));
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const auto value_at = [&](int step, int layer) {
    return heat.skipped[static_cast<size_t>(step) * static_cast<size_t>(heat.num_layers) + static_cast<size_t>(layer)];
  };
  for (int layer = 0; layer < heat.num_layers; ++layer) {
    for (int step = 0; step < heat.num_steps; ++step) {
      const double value = value_at(step, layer);
      const ImVec2 a(std::round(at.x + cell_w * static_cast<float>(step)),
                     std::round(at.y + cell_h * static_cast<float>(layer)));
      const ImVec2 b(std::round(at.x + cell_w * static_cast<float>(step + 1)),
                     std::round(at.y + cell_h * static_cast<float>(layer + 1)));
      const float gap = std::min(cell_w, cell_h) >= 6 ? 1 : 0;
      draw.AddRectFilled(a, ImVec2(b.x - gap, b.y - gap), std::isnan(value) ? c.theme.unknown : Diverging(value));
    }
  }
  ImGui::InvisibleButton("heat/difference", size);
  c.Mark("heat/difference");
  if (!ImGui::IsItemHovered()) return;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  const int step = std::clamp(static_cast<int>((mouse.x - at.x) / cell_w), 0, heat.num_steps - 1);
  const int layer = std::clamp(static_cast<int>((mouse.y - at.y) / cell_h), 0, heat.num_layers - 1);
  const double value = value_at(step, layer);
  Tooltip(c, "step " + std::to_string(step) + ", layer " + std::to_string(layer) + ": " +
                 (std::isnan(value) ? "not recorded in both"
                                    : (value >= 0 ? "+" : "") + Number(100 * value, 1) + " points"));
}

}  // namespace

void DrawCompareHeats(Context& c) {
  const CompareView& view = c.view.compare;
  Label(c, c.theme.text, "Skipped, step × layer", c.fonts.title);
  ImGui::SameLine(0, 0);
  AlignRight(c.Px(28));
  if (QuietButton(c, "heats/close", "✕", "Back to the picture")) c.local.compare.heats_open = false;
  if (!view.heats_note.empty()) Label(c, c.theme.warning, view.heats_note);
  if (view.heats.empty()) return;
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const float text = ImGui::GetTextLineHeightWithSpacing() * 2 + c.Px(30);
  const auto count = static_cast<float>(view.heats.size());
  const float height = std::clamp(room.y / count - text - c.Px(8), c.Px(24), c.Px(260));
  for (size_t i = 0; i < view.heats.size(); ++i) {
    const CompareHeat& heat = view.heats[i];
    DrawFigure(c, "heat/total/" + std::to_string(i), heat.total, room.x);
    if (heat.is_difference) {
      DrawSignedMap(c, heat, ImVec2(room.x, height));
      DrawDivergingLegend(c, "left skips more", "right skips more", std::min(room.x, c.Px(420)));
      continue;
    }
    HeatMap map;
    map.name = "heat/" + std::to_string(i);
    map.columns = heat.num_steps;
    map.rows = heat.num_layers;
    map.column_name = "step";
    map.row_name = "layer";
    map.value = [&heat](int step, int layer) -> std::optional<double> {
      const double value =
          heat.skipped[static_cast<size_t>(step) * static_cast<size_t>(heat.num_layers) + static_cast<size_t>(layer)];
      return std::isnan(value) ? std::nullopt : std::optional<double>(value);
    };
    map.tooltip = [&map, &heat](int step, int layer) {
      const auto value = map.value(step, layer);
      return heat.title + ", step " + std::to_string(step) + ", layer " + std::to_string(layer) + ": " +
             (value ? Percent(*value, 1) + " skipped" : "not recorded");
    };
    DrawHeatMap(c, map, ImVec2(room.x, height));
    DrawLegend(c, "0 %", "100 % skipped", std::min(room.x, c.Px(420)));
  }
}

}  // namespace ui
