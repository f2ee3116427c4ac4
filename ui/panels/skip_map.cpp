#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/heat_map.h"
#include "ui/widgets/legend.h"

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
    case HeatView::kError:
      break;  // ErrorOf
  }
  return std::nullopt;
}

// The part of an audit that is shown.
double ErrorOf(const ErrorSums& sums, int part) {
  return sums.Mean(part == 1 ? sums.skipping : part == 2 ? sums.eight_bit : sums.total);
}

// The largest value of the map, which the scale ends at.
double MostError(const ErrorGrid& grid, int part, int only_step) {
  double most = 0;
  for (int step = 0; step < grid.num_steps; ++step) {
    if (only_step >= 0 && step != only_step) continue;
    for (int layer = 0; layer < grid.num_layers; ++layer) {
      if (only_step < 0) most = std::max(most, ErrorOf(grid.Layer(step, layer), part));
      for (int head = 0; only_step >= 0 && head < grid.num_heads; ++head)
        most = std::max(most, ErrorOf(grid.at(step, layer, head), part));
    }
  }
  return most;
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

std::string Errors(const ErrorSums& sums) {
  if (!sums.known()) return "not audited";
  return "off by " + Percent(sums.Mean(sums.total), 2) + " of dense attention (relative L1)\nskipping costs " +
         Percent(sums.Mean(sums.skipping), 2) + "\n8 bits cost " + Percent(sums.Mean(sums.eight_bit), 2) +
         "\n8 bits without skipping would cost " + Percent(sums.Mean(sums.dense8), 2);
}

std::string Place(int step, int layer) { return "step " + std::to_string(step) + ", layer " + std::to_string(layer); }

ImVec2 SizeOf(const Context& c, int rows, float all, float most_row) {
  const float row = std::clamp(c.Px(all) / static_cast<float>(std::max(rows, 1)), c.Px(3), c.Px(most_row));
  return {ImGui::GetContentRegionAvail().x, row * static_cast<float>(rows) + c.Px(20)};
}

// Asks for the map of the head that is chosen.
void AskForMap(Context& c) { c.Do(ShowMap{c.local.cell_step, c.local.cell_layer, c.local.cell_head, ""}); }

// Layer × head of the chosen step.
void Heads(Context& c, const SparsityView& s, bool errors) {
  const SkipGrid& grid = s.grid;
  const int step = c.local.cell_step;
  Label(c, c.theme.dim, "heads of step " + std::to_string(step) + "; click one for its block map", c.fonts.small);
  ImGui::SameLine();
  AlignRight(ImGui::CalcTextSize("✕").x + c.Px(12));
  if (QuietButton(c, "heads/close", "✕", "Back to steps and layers alone (H)")) return CloseCell(c);
  HeatMap map;
  map.name = "heads";
  map.columns = errors ? s.errors.num_heads : grid.num_heads;
  map.rows = errors ? s.errors.num_layers : grid.num_layers;
  map.column_name = "head";
  map.row_name = "layer";
  map.chosen_column = c.local.cell_head;
  map.chosen_row = c.local.cell_layer;
  const HeatView view = c.state.heat_view == HeatView::kTime ? HeatView::kTotal : c.state.heat_view;
  const int part = c.local.error_part;
  const double most = errors ? MostError(s.errors, part, step) : 0;
  if (errors && step >= s.errors.num_steps) return Label(c, c.theme.faint, "This step was not audited.", c.fonts.small);
  map.value = [&](int head, int layer) -> std::optional<double> {
    if (!errors) return ValueOf(grid.at(step, layer, head), view, 0);
    const ErrorSums& sums = s.errors.at(step, layer, head);
    return sums.known() ? std::optional<double>(most > 0 ? ErrorOf(sums, part) / most : 0) : std::nullopt;
  };
  map.tooltip = [&](int head, int layer) {
    const std::string where = Place(step, layer) + ", head " + std::to_string(head) + "\n";
    if (errors) return where + Errors(s.errors.at(step, layer, head));
    SkipCounts counts = grid.at(step, layer, head);
    counts.ms = 0;
    return where + Counts(counts) + "\nclick for its block map";
  };
  const auto picked = DrawHeatMap(c, map, SizeOf(c, map.rows, 110, 18));
  if (errors) DrawLegend(c, "0 %", Percent(most, most < 0.1 ? 2 : 1) + " off", ImGui::GetContentRegionAvail().x);
  if (!picked) return;
  c.local.cell_head = picked->first;
  c.local.cell_layer = picked->second;
  AskForMap(c);
}

void AuditRow(Context& c) {
  const char* const parts[] = {"all", "skipping", "8 bits"};
  const float button = ImGui::CalcTextSize("Audit next step").x + c.Px(20);
  const int part = Segments(c, "error_part", parts, nullptr, 3, c.local.error_part,
                            ImGui::GetContentRegionAvail().x - button - c.Px(8));
  if (part >= 0) c.local.error_part = part;
  ImGui::SameLine(0, c.Px(8));
  if (Button(c, "audit", "Audit next step",
             "At the next step dense attention, 8 bits alone and skipping alone run on the same inputs in every layer. "
             "That step takes a few times as long; its time counts nowhere. What was measured stays in the sidecar.",
             c.view.why_not.audit, button)) {
    c.Do(AuditStep{});
  }
}

// A map of steps and layers, of which a click chooses one.
void StepsAndLayers(Context& c, int steps, int layers, std::function<std::optional<double>(int, int)> value,
                    const std::function<std::string(int, int)>& text) {
  HeatMap map;
  map.name = "heat";
  map.columns = steps;
  map.rows = layers;
  map.column_name = "step";
  map.row_name = "layer";
  map.value = std::move(value);
  map.tooltip = [&](int step, int layer) {
    return Place(step, layer) + "\n" + text(step, layer) + "\nclick for its heads";
  };
  map.chosen_column = c.local.cell_step;
  map.chosen_row = c.local.cell_layer;
  if (const auto picked = DrawHeatMap(c, map, SizeOf(c, layers, 200, 20))) ChooseCell(c, picked->first, picked->second);
}

void SkippedMap(Context& c, const SkipGrid& grid) {
  const double most_ms = grid.MostMilliseconds();
  StepsAndLayers(
      c, grid.num_steps, grid.num_layers,
      [&](int step, int layer) { return ValueOf(grid.Layer(step, layer), c.state.heat_view, most_ms); },
      [&](int step, int layer) { return Counts(grid.Layer(step, layer)); });
  const bool time = c.state.heat_view == HeatView::kTime;
  DrawLegend(c, time ? "0 ms" : "0 %", time ? Number(most_ms, most_ms < 10 ? 1 : 0) + " ms" : "100 % skipped",
             ImGui::GetContentRegionAvail().x);
}

void ErrorMap(Context& c, const ErrorGrid& grid) {
  const int part = c.local.error_part;
  const double most = MostError(grid, part, -1);
  StepsAndLayers(
      c, grid.num_steps, grid.num_layers,
      [&](int step, int layer) -> std::optional<double> {
        const ErrorSums sums = grid.Layer(step, layer);
        return sums.known() ? std::optional<double>(most > 0 ? ErrorOf(sums, part) / most : 0) : std::nullopt;
      },
      [&](int step, int layer) { return Errors(grid.Layer(step, layer)); });
  DrawLegend(c, "0 %", Percent(most, most < 0.1 ? 2 : 1) + " off", ImGui::GetContentRegionAvail().x);
}

void Sum(Context& c, const std::string& text, const std::string& tooltip) {
  ImGui::SameLine();
  ImGui::PushFont(c.fonts.small);
  AlignRight(ImGui::CalcTextSize(text.c_str()).x);
  Label(c, c.theme.text, text);
  ImGui::PopFont();
  Tooltip(c, tooltip);
}

}  // namespace

void ChooseCell(Context& c, int step, int layer) {
  c.local.cell_step = step;
  c.local.cell_layer = layer;
  if (c.local.cell_head >= 0) AskForMap(c);
}

void ChooseHead(Context& c, int head) {
  c.local.cell_head = head;
  AskForMap(c);
}

void CloseCell(Context& c) {
  c.local.cell_step = c.local.cell_layer = c.local.cell_head = -1;
  c.local.map_large = false;
}

void DrawSkipMap(Context& c) {
  const SparsityView& s = c.view.sparsity;
  const bool errors = c.state.heat_view == HeatView::kError;
  Heading(c, errors ? "Off from dense, step × layer" : "Skipped, step × layer");
  const SkipCounts total = s.grid.Total();
  if (!errors && total.known) Sum(c, Percent(total.total(), 1) + " in all", Counts(total));
  const ErrorSums error_total = errors ? s.errors.Total() : ErrorSums{};
  if (error_total.known()) {
    Sum(c, Percent(ErrorOf(error_total, c.local.error_part), 2) + " in all", Errors(error_total));
  }
  const char* const views[] = {"work", "blocks", "P·V", "time", "error"};
  const int view = Segments(c, "heat_view", views, nullptr, 5, static_cast<int>(c.state.heat_view),
                            ImGui::GetContentRegionAvail().x);
  if (view >= 0) c.state.heat_view = static_cast<HeatView>(view);
  if (c.local.cell_job != c.view.shown_job) {
    c.local.cell_job = c.view.shown_job;
    CloseCell(c);
  }
  if (errors) {
    AuditRow(c);
    if (s.errors.empty()) {
      return Paragraph(c, c.theme.faint,
                       "An audit says how far attention is off from dense attention on the same inputs, step by step "
                       "and layer by layer, and how much of it comes from skipping and how much from 8 bits.");
    }
    ErrorMap(c, s.errors);
  } else if (s.grid.empty()) {
    return Paragraph(
        c, c.theme.faint,
        "The map fills while a clip is made: a column a step, a row a layer, the colour is the share of attention's "
        "work that was skipped.");
  } else {
    SkippedMap(c, s.grid);
  }
  if (c.local.cell_step < 0 || c.local.cell_step >= s.grid.num_steps) return;
  Heads(c, s, errors);
  if (c.local.cell_head >= 0 && s.map) DrawBlockMap(c);
}

}  // namespace ui
