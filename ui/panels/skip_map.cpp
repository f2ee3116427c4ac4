#include <algorithm>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/heat_map.h"

namespace ui {
namespace {

std::optional<double> ValueOf(const SkipCounts& counts, HeatView view, double most_ms) {
  if (!counts.known) return std::nullopt;
  switch (view) {
    case HeatView::kTotal:
      return counts.total();
    case HeatView::kBlocks:
      return counts.block_skip();
    case HeatView::kTiles:
      return counts.pv_skip();
    case HeatView::kTime:
      return most_ms > 0 ? counts.ms / most_ms : 0;
  }
  return std::nullopt;
}

std::string Counts(const SkipCounts& counts) {
  if (!counts.known) return "not computed yet";
  std::string text = "skipped " + Percent(counts.total(), 1) + " of the work\nblocks kept " +
                     std::to_string(counts.kept_blocks) + "/" + std::to_string(counts.visible_blocks) + " (−" +
                     Percent(counts.block_skip(), 1) + ")\nP·V tiles skipped " + std::to_string(counts.pv_skipped) +
                     "/" + std::to_string(counts.pv_tiles) + " (−" + Percent(counts.pv_skip(), 1) + ")";
  if (counts.ms > 0) text += "\n" + Number(counts.ms, 2) + " ms";
  return text;
}

double MostMilliseconds(const SkipGrid& grid) {
  double most = 0;
  for (int step = 0; step < grid.num_steps; ++step) {
    for (int layer = 0; layer < grid.num_layers; ++layer) most = std::max(most, grid.Layer(step, layer).ms);
  }
  return most;
}

// Layer × head of the chosen step.
void Heads(Context& c, const SkipGrid& grid) {
  const int step = c.local.cell_step, chosen = c.local.cell_layer;
  Label(c, c.theme.dim, "heads of step " + std::to_string(step), c.fonts.small);
  ImGui::SameLine();
  AlignRight(ImGui::CalcTextSize("✕").x + c.Px(12));
  if (QuietButton(c, "heads/close", "✕", "Back to steps and layers alone")) {
    c.local.cell_step = c.local.cell_layer = -1;
    return;
  }
  HeatMap map;
  map.name = "heads";
  map.columns = grid.num_heads;
  map.rows = grid.num_layers;
  map.column_name = "head";
  map.row_name = "layer";
  map.chosen_column = -1;
  const HeatView view = c.state.heat_view == HeatView::kTime ? HeatView::kTotal : c.state.heat_view;
  map.value = [&](int head, int layer) { return ValueOf(grid.at(step, layer, head), view, 0); };
  map.tooltip = [&](int head, int layer) {
    SkipCounts counts = grid.at(step, layer, head);
    counts.ms = 0;
    return "step " + std::to_string(step) + ", layer " + std::to_string(layer) + ", head " + std::to_string(head) +
           "\n" + Counts(counts);
  };
  const float row = std::clamp(c.Px(110) / static_cast<float>(std::max(grid.num_layers, 1)), c.Px(3), c.Px(18));
  const auto picked = DrawHeatMap(
      c, map, ImVec2(ImGui::GetContentRegionAvail().x, row * static_cast<float>(grid.num_layers) + c.Px(20)));
  if (picked) c.local.cell_layer = picked->second;
  if (chosen < 0 || chosen >= grid.num_layers) return;
  std::string line = "layer " + std::to_string(chosen) + ":";
  for (int head = 0; head < std::min(grid.num_heads, 12); ++head) {
    const SkipCounts& counts = grid.at(step, chosen, head);
    line += (head ? " · " : " ") + (counts.known ? Number(counts.total() * 100, 0) : std::string("–"));
  }
  if (grid.num_heads > 12) line += " · …";
  Paragraph(c, c.theme.dim, line + " % a head", c.fonts.small);
}

}  // namespace

void DrawSkipMap(Context& c) {
  const SparsityView& s = c.view.sparsity;
  const SkipGrid& grid = s.grid;
  Heading(c, "Skipped, step × layer");
  if (!grid.empty() && grid.Total().known) {
    ImGui::SameLine();
    const std::string total = Percent(grid.Total().total(), 1) + " in all";
    ImGui::PushFont(c.fonts.small);
    AlignRight(ImGui::CalcTextSize(total.c_str()).x);
    Label(c, c.theme.text, total);
    ImGui::PopFont();
    Tooltip(c, Counts(grid.Total()));
  }
  const char* const views[] = {"work", "blocks", "P·V", "time"};
  const int view = Segments(c, "heat_view", views, nullptr, 4, static_cast<int>(c.state.heat_view),
                            ImGui::GetContentRegionAvail().x);
  if (view >= 0) c.state.heat_view = static_cast<HeatView>(view);
  if (grid.empty()) {
    Paragraph(
        c, c.theme.faint,
        "The map fills while a clip is made: a column a step, a row a layer, the colour is the share of attention's "
        "work that was skipped.");
    return;
  }
  const double most_ms = MostMilliseconds(grid);
  HeatMap map;
  map.name = "heat";
  map.columns = grid.num_steps;
  map.rows = grid.num_layers;
  map.column_name = "step";
  map.row_name = "layer";
  map.value = [&](int step, int layer) { return ValueOf(grid.Layer(step, layer), c.state.heat_view, most_ms); };
  map.tooltip = [&](int step, int layer) {
    return "step " + std::to_string(step) + ", layer " + std::to_string(layer) + "\n" +
           Counts(grid.Layer(step, layer)) + "\nclick for its heads";
  };
  if (c.local.cell_job != c.view.shown_job) {
    c.local.cell_job = c.view.shown_job;
    c.local.cell_step = c.local.cell_layer = -1;
  }
  map.chosen_column = c.local.cell_step;
  map.chosen_row = c.local.cell_layer;
  const float row = std::clamp(c.Px(200) / static_cast<float>(std::max(grid.num_layers, 1)), c.Px(3), c.Px(20));
  const auto picked = DrawHeatMap(
      c, map, ImVec2(ImGui::GetContentRegionAvail().x, row * static_cast<float>(grid.num_layers) + c.Px(20)));
  if (picked) {
    c.local.cell_step = picked->first;
    c.local.cell_layer = picked->second;
  }
  const bool time = c.state.heat_view == HeatView::kTime;
  DrawLegend(c, time ? "0 ms" : "0 %", time ? Number(most_ms, most_ms < 10 ? 1 : 0) + " ms" : "100 % skipped",
             ImGui::GetContentRegionAvail().x);
  if (c.local.cell_step >= 0 && c.local.cell_step < grid.num_steps) Heads(c, grid);
}

}  // namespace ui
