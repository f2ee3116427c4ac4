#include <imgui_internal.h>

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

void MoveBrush(Context& c, int steps, int layers) {
  const ScheduleView& schedule = c.view.schedule;
  Local& local = c.local;
  c.state.painter_open = true;
  const bool first = local.brush_step < 0;
  local.brush_step = std::clamp(first ? 0 : local.brush_step + steps, 0, std::max(schedule.num_steps - 1, 0));
  local.brush_layer = std::clamp(first ? 0 : local.brush_layer + layers, 0, std::max(schedule.num_layers - 1, 0));
}

void PutBrush(Context& c) {
  Local& local = c.local;
  if (local.brush_step < 0) return MoveBrush(c, 0, 0);
  local.brush_down = !local.brush_down;
  if (local.brush_down) {
    local.paint_step = local.brush_step;
    local.paint_layer = local.brush_layer;
    return;
  }
  c.Do(PaintSchedule{std::min(local.brush_step, local.paint_step), std::max(local.brush_step, local.paint_step),
                     std::min(local.brush_layer, local.paint_layer), std::max(local.brush_layer, local.paint_layer),
                     local.brush});
}

void NextBrush(Context& c) {
  c.state.painter_open = true;
  const CellMode brush = c.local.brush;
  c.local.brush = brush == CellMode::kDense    ? CellMode::kDense8
                  : brush == CellMode::kDense8 ? CellMode::kSparge
                  : brush == CellMode::kSparge ? CellMode::kBase
                                               : CellMode::kDense;
}

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
  ImGui::PushItemFlag(ImGuiItemFlags_NoNav, true);  // keys have a brush of their own
  ImGui::InvisibleButton("schedule", size);
  ImGui::PopItemFlag();
  c.Mark("schedule");
  Local& local = c.local;
  const ImVec2 mouse = ImGui::GetIO().MousePos;
  const bool by_keys = local.brush_down;
  const int step =
      by_keys ? local.brush_step : std::clamp(static_cast<int>((mouse.x - at.x) / cell_w), 0, schedule.num_steps - 1);
  const int layer =
      by_keys ? local.brush_layer : std::clamp(static_cast<int>((mouse.y - at.y) / cell_h), 0, schedule.num_layers - 1);
  if (ImGui::IsItemActivated()) {
    local.brush_down = false;
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
      const bool under = (local.painting || by_keys) && s >= s0 && s <= s1 && l >= l0 && l <= l1;
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
  if (local.brush_step >= 0 && local.brush_step < schedule.num_steps && local.brush_layer < schedule.num_layers) {
    const ImVec2 a(at.x + cell_w * static_cast<float>(local.brush_step),
                   at.y + cell_h * static_cast<float>(local.brush_layer));
    draw.AddRect(ImVec2(a.x - 1, a.y - 1), ImVec2(a.x + cell_w, a.y + cell_h), c.theme.text, 0, 0, 2);
  }
  if (ImGui::IsItemHovered() && !local.painting && !by_keys) {
    const size_t i = schedule.index(step, layer);
    Tooltip(c, "step " + std::to_string(step) + ", layer " + std::to_string(layer) + ": " +
                   ModeName(schedule.effective[i]) +
                   (schedule.painted[i] == CellMode::kBase ? ", as set" : ", painted") +
                   "\ndrag over a rectangle to paint it; by keys: Ctrl+Shift+arrows, Y at two corners");
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
