#include <algorithm>
#include <cmath>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"

namespace ui {
namespace {

const char* ModeName(CellMode mode) {
  switch (mode) {
    case CellMode::kDense:
      return "dense";
    case CellMode::kDense8:
      return "dense8";
    case CellMode::kSparge:
      return "sparge";
    case CellMode::kBase:
      break;
  }
  return "as set";
}

void Brushes(Context& c) {
  const CellMode modes[] = {CellMode::kDense, CellMode::kDense8, CellMode::kSparge, CellMode::kBase};
  const char* const labels[] = {"dense", "8-bit", "sparge", "erase"};
  const ImU32 dots[] = {c.theme.dense, c.theme.dense8, c.theme.sparge, c.theme.unknown};
  const auto chosen = std::find(std::begin(modes), std::end(modes), c.local.brush) - std::begin(modes);
  const int clicked = Segments(c, "brush", labels, dots, 4, static_cast<int>(chosen), ImGui::GetContentRegionAvail().x);
  if (clicked >= 0) c.local.brush = modes[clicked];
}

}  // namespace

void DrawSchedule(Context& c) {
  const ScheduleView& schedule = c.view.schedule;
  if (!schedule.note.empty()) return Paragraph(c, c.theme.faint, schedule.note, c.fonts.small);
  if (schedule.num_steps < 1 || schedule.num_layers < 1) return;
  Brushes(c);
  const float width = ImGui::GetContentRegionAvail().x;
  const float cell_w = width / static_cast<float>(schedule.num_steps);
  const float cell_h = std::clamp(c.Px(180) / static_cast<float>(schedule.num_layers), c.Px(3), c.Px(18));
  const ImVec2 size(width, cell_h * static_cast<float>(schedule.num_layers));
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::InvisibleButton("schedule", size);
  c.Mark("schedule");
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  const int step = std::clamp(static_cast<int>((mouse.x - at.x) / cell_w), 0, schedule.num_steps - 1);
  const int layer = std::clamp(static_cast<int>((mouse.y - at.y) / cell_h), 0, schedule.num_layers - 1);
  Local& local = c.local;
  if (ImGui::IsItemActivated()) {
    local.painting = true;
    local.paint_step = step;
    local.paint_layer = layer;
  }
  const int s0 = std::min(step, local.paint_step), s1 = std::max(step, local.paint_step);
  const int l0 = std::min(layer, local.paint_layer), l1 = std::max(layer, local.paint_layer);
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  for (int l = 0; l < schedule.num_layers; ++l) {
    for (int s = 0; s < schedule.num_steps; ++s) {
      const size_t i = schedule.index(s, l);
      const bool under = local.painting && s >= s0 && s <= s1 && l >= l0 && l <= l1;
      CellMode mode = schedule.effective[i];
      bool solid = schedule.painted[i] != CellMode::kBase;
      if (under && local.brush != CellMode::kBase) mode = local.brush;
      if (under) solid = local.brush != CellMode::kBase;
      const ImVec2 a(std::round(at.x + cell_w * static_cast<float>(s)),
                     std::round(at.y + cell_h * static_cast<float>(l)));
      const ImVec2 b(std::round(at.x + cell_w * static_cast<float>(s + 1)) - 1,
                     std::round(at.y + cell_h * static_cast<float>(l + 1)) - 1);
      draw.AddRectFilled(a, b, WithAlpha(c.theme.ModeColor(mode), solid ? 1 : 0.4));
    }
  }
  if (ImGui::IsItemHovered() && !local.painting) {
    const size_t i = schedule.index(step, layer);
    Tooltip(c, "step " + std::to_string(step) + ", layer " + std::to_string(layer) + ": " +
                   ModeName(schedule.effective[i]) +
                   (schedule.painted[i] == CellMode::kBase ? ", as set" : ", painted") +
                   "\ndrag over a rectangle to paint it");
  }
  if (local.painting && !ImGui::IsItemActive()) {
    local.painting = false;
    c.Do(PaintSchedule{s0, s1, l0, l1, local.brush});
  }
  Label(c, c.theme.faint, "steps →, layers ↓; pale: what the settings say", c.fonts.small);
  ImGui::SameLine();
  const bool any =
      std::any_of(schedule.painted.begin(), schedule.painted.end(), [](CellMode m) { return m != CellMode::kBase; });
  AlignRight(ImGui::CalcTextSize("clear").x + c.Px(12));
  if (QuietButton(c, "schedule/clear", "clear", "Take all paint away", any ? "" : "Nothing is painted"))
    c.Do(ClearSchedule{});
}

}  // namespace ui
