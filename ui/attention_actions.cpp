#include "ui/attention_actions.h"

#include <algorithm>
#include <string>

#include "ui/panels/panels.h"

namespace ui {
namespace {

std::string Always(const Context&) { return ""; }
std::string CanAudit(const Context& c) { return c.view.why_not.audit; }
std::string HasGrid(const Context& c) { return c.view.sparsity.grid.empty() ? "No statistics are shown" : ""; }
std::string HasCell(const Context& c) { return c.local.cell_step < 0 ? "No step and layer is chosen" : ""; }
std::string HasMap(const Context& c) {
  return c.view.sparsity.map && c.view.sparsity.map->cells && c.local.cell_head >= 0 ? "" : "No block map is shown";
}
std::string HasPaint(const Context& c) { return c.view.schedule.note; }

void CycleMode(Context& c) {
  const SettingRow* mode = c.view.Find("attention.mode");
  if (!mode) return;
  const std::string& now = mode->effective();
  c.Do(SetSetting{"attention.mode", now == "dense" ? "dense8" : now == "dense8" ? "sparge" : "dense"});
}

// The cell of the map that is chosen moves; the first time it is the first one.
void MoveCell(Context& c, int steps, int layers) {
  const SkipGrid& grid = c.view.sparsity.grid;
  const bool none = c.local.cell_step < 0;
  const int step = none ? 0 : c.local.cell_step + steps, layer = none ? 0 : c.local.cell_layer + layers;
  ChooseCell(c, std::clamp(step, 0, grid.num_steps - 1), std::clamp(layer, 0, grid.num_layers - 1));
}

void MoveHead(Context& c, int heads) {
  const int count = c.view.sparsity.grid.num_heads;
  if (count > 0) ChooseHead(c, c.local.cell_head < 0 ? 0 : (c.local.cell_head + heads + count) % count);
}

constexpr Action kActions[] = {
    {"mode", "Next mode: dense, 8-bit, sparge", "Attention", {'T'}, false, Always, CycleMode},
    {"mode_dense",
     "Mode dense",
     "Attention",
     {},
     false,
     Always,
     [](Context& c) {
       c.Do(SetSetting{"attention.mode", "dense"});
     }},
    {"mode_dense8",
     "Mode dense in 8 bits",
     "Attention",
     {},
     false,
     Always,
     [](Context& c) {
       c.Do(SetSetting{"attention.mode", "dense8"});
     }},
    {"mode_sparge",
     "Mode sparge",
     "Attention",
     {},
     false,
     Always,
     [](Context& c) {
       c.Do(SetSetting{"attention.mode", "sparge"});
     }},
    {"live",
     "Changes hold for the clip that renders, or not",
     "Attention",
     {},
     false,
     Always,
     [](Context& c) { c.Do(SetLive{!c.view.live}); }},
    {"painter",
     "Schedule painter",
     "Attention",
     {},
     false,
     Always,
     [](Context& c) { c.state.painter_open = !c.state.painter_open; }},
    {"brush_left",
     "Schedule painter: brush one step back",
     "Attention",
     {kKeyLeft, true, true},
     false,
     HasPaint,
     [](Context& c) { MoveBrush(c, -1, 0); }},
    {"brush_right",
     "Schedule painter: brush one step on",
     "Attention",
     {kKeyRight, true, true},
     false,
     HasPaint,
     [](Context& c) { MoveBrush(c, 1, 0); }},
    {"brush_up",
     "Schedule painter: brush one layer up",
     "Attention",
     {kKeyUp, true, true},
     false,
     HasPaint,
     [](Context& c) { MoveBrush(c, 0, -1); }},
    {"brush_down",
     "Schedule painter: brush one layer down",
     "Attention",
     {kKeyDown, true, true},
     false,
     HasPaint,
     [](Context& c) { MoveBrush(c, 0, 1); }},
    {"brush", "Schedule painter: paint from here to there", "Attention", {'Y'}, false, HasPaint, PutBrush},
    {"brush_next", "Schedule painter: next brush", "Attention", {'Y', false, true}, false, HasPaint, NextBrush},
    {"clear_schedule",
     "Take all paint off the schedule",
     "Attention",
     {},
     false,
     HasPaint,
     [](Context& c) { c.Do(ClearSchedule{}); }},
    {"audit",
     "Audit the next step: what skipping and 8 bits cost",
     "Attention",
     {},
     false,
     CanAudit,
     [](Context& c) {
       c.state.heat_view = HeatView::kError;
       c.Do(AuditStep{});
     }},
    {"cell_left",
     "Heads: one step back",
     "Attention",
     {kKeyLeft, true},
     false,
     HasGrid,
     [](Context& c) { MoveCell(c, -1, 0); }},
    {"cell_right",
     "Heads: one step on",
     "Attention",
     {kKeyRight, true},
     false,
     HasGrid,
     [](Context& c) { MoveCell(c, 1, 0); }},
    {"cell_up",
     "Heads: one layer up",
     "Attention",
     {kKeyUp, true},
     false,
     HasGrid,
     [](Context& c) { MoveCell(c, 0, -1); }},
    {"cell_down",
     "Heads: one layer down",
     "Attention",
     {kKeyDown, true},
     false,
     HasGrid,
     [](Context& c) { MoveCell(c, 0, 1); }},
    {"head_back",
     "Block map of the head before",
     "Attention",
     {'['},
     false,
     HasCell,
     [](Context& c) { MoveHead(c, -1); }},
    {"head_on", "Block map of the next head", "Attention", {']'}, false, HasCell, [](Context& c) { MoveHead(c, 1); }},
    {"map_large",
     "Block map large, or small",
     "Attention",
     {'M'},
     false,
     HasMap,
     [](Context& c) { c.local.map_large = !c.local.map_large; }},
    {"close_cell", "Close heads and block map", "Attention", {'H'}, false, HasCell, CloseCell},
};

}  // namespace

std::span<const Action> AttentionActions() { return kActions; }

}  // namespace ui
