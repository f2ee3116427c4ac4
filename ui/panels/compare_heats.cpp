#include <algorithm>
#include <cmath>

#include "ui/compare/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"
#include "ui/widgets/heat_map.h"
#include "ui/widgets/legend.h"

namespace ui {
namespace {

constexpr const char* kDefinition =
    "Share of this step's and layer's attention that was skipped, over heads and passes: blocks of Q·K and tiles of "
    "P·V, from the counts in the sidecars. A difference is in points of 100 %. Steps and layers count from 0.";

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
  const float text = ImGui::GetTextLineHeightWithSpacing() + ImGui::GetStyle().ItemSpacing.y + c.Px(26);
  const auto count = static_cast<float>(view.heats.size());
  const float height = std::clamp(room.y / count - text, c.Px(24), c.Px(260));
  for (size_t i = 0; i < view.heats.size(); ++i) {
    const CompareHeat& heat = view.heats[i];
    const float x = ImGui::GetCursorPosX(), legend = std::min(room.x * 0.45f, c.Px(420));
    DrawFigure(c, "heat/total/" + std::to_string(i), heat.total, room.x - legend - c.Px(12));
    ImGui::SameLine(x + room.x - legend);
    ImGui::SetCursorPosY(ImGui::GetCursorPosY() + c.Px(14));
    heat.is_difference ? DrawDivergingLegend(c, "left skips more", "right skips more", legend)
                       : DrawLegend(c, "0 %", "100 % skipped", legend);
    HeatMap map;
    map.name = heat.is_difference ? "heat/difference" : "heat/" + std::to_string(i);
    map.columns = heat.num_steps;
    map.rows = heat.num_layers;
    map.column_name = "step";
    map.row_name = "layer";
    map.color = heat.is_difference ? Diverging : nullptr;
    map.value = [&heat](int step, int layer) -> std::optional<double> {
      const double value =
          heat.skipped[static_cast<size_t>(step) * static_cast<size_t>(heat.num_layers) + static_cast<size_t>(layer)];
      return std::isnan(value) ? std::nullopt : std::optional<double>(value);
    };
    const auto text_of = [&](int step, int layer) {
      const auto value = map.value(step, layer);
      std::string number = heat.is_difference ? "not recorded in both" : "not recorded";
      if (value && heat.is_difference) number = (*value >= 0 ? "+" : "") + Number(100 * *value, 1) + " points";
      if (value && !heat.is_difference) number = Percent(*value, 1) + " skipped";
      return heat.title + ", step " + std::to_string(step) + ", layer " + std::to_string(layer) + ": " + number;
    };
    map.tooltip = [&](int step, int layer) {
      const std::string said = text_of(step, layer);
      return std::string(kDefinition) + "\n\n" + said + "\nclick: copy this line";
    };
    if (const auto cell = DrawHeatMap(c, map, ImVec2(room.x, height)))
      ImGui::SetClipboardText(text_of(cell->first, cell->second).c_str());
  }
}

}  // namespace ui
