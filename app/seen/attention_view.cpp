#include "app/seen/attention_view.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "app/draw/heat_grid.h"
#include "attention/base/error.h"

namespace app {
namespace {

using nlohmann::json;

// A record has at most so many layers, heads and steps; more is no record.
constexpr size_t kMost = 4096;

std::optional<int64_t> IndexIn(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer()) return std::nullopt;
  const double value = object[key].get<double>();
  if (value < 0 || value >= static_cast<double>(kMost)) return std::nullopt;
  return static_cast<int64_t>(value);
}

// One number a head, none negative; empty where it is anything else.
std::vector<double> PerHead(const json& call, const char* key) {
  std::vector<double> values;
  if (!call.contains(key) || !call[key].is_array() || call[key].size() > kMost) return values;
  for (const json& value : call[key]) {
    if (!value.is_number() || !(value.get<double>() >= 0)) return {};
    values.push_back(value.get<double>());
  }
  return values;
}

std::vector<BlockCounts> HeadsOfCall(const json& call) {
  const std::vector<double> visible = PerHead(call, "visible_blocks"), kept = PerHead(call, "kept_blocks"),
                            tiles = PerHead(call, "pv_tiles"), skipped = PerHead(call, "pv_skipped");
  std::vector<BlockCounts> heads;
  if (kept.size() != visible.size() || tiles.size() != visible.size() || skipped.size() != visible.size()) return heads;
  for (size_t h = 0; h < visible.size(); ++h) heads.push_back({visible[h], kept[h], tiles[h], skipped[h]});
  return heads;
}

void AddCall(AttentionView::Step& step, int64_t layer, const std::vector<BlockCounts>& heads) {
  const size_t l = static_cast<size_t>(layer);
  if (step.heads.size() <= l) step.heads.resize(l + 1);
  if (step.heads[l].size() < heads.size()) step.heads[l].resize(heads.size());
  for (size_t h = 0; h < heads.size(); ++h) step.heads[l][h].Add(heads[h]);
}

std::string Percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f%%", 100 * share);
  return text;
}

std::vector<std::string> Numbers(int64_t count) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < count; ++i) names.push_back(std::to_string(i));
  return names;
}

double ValueOf(const BlockCounts& counts) {
  return counts.visible_blocks > 0 ? counts.sparsity() : std::numeric_limits<double>::quiet_NaN();
}

HeatGrid SparsityGrid() {
  HeatGrid grid;
  grid.scale_label = "skipped";
  grid.format = Percent;
  return grid;
}

}  // namespace

void BlockCounts::Add(const BlockCounts& other) {
  visible_blocks += other.visible_blocks;
  kept_blocks += other.kept_blocks;
  pv_tiles += other.pv_tiles;
  pv_skipped += other.pv_skipped;
}

double BlockCounts::sparsity() const {
  if (visible_blocks <= 0 || pv_tiles <= 0) return 0;
  return 1 - kept_blocks / visible_blocks * (1 + (pv_tiles - pv_skipped) / pv_tiles) / 2;
}

const AttentionView::Step* AttentionView::Find(int64_t step) const {
  const auto found = std::find_if(steps.begin(), steps.end(), [&](const Step& s) { return s.step == step; });
  return found == steps.end() ? nullptr : &*found;
}

std::optional<AttentionView> ViewOfRecord(const json& attention) {
  if (!attention.is_object() || !attention.contains("steps") || !attention["steps"].is_array()) return std::nullopt;
  std::map<int64_t, AttentionView::Step> steps;
  AttentionView view;
  for (const json& record : attention["steps"]) {
    const std::optional<int64_t> number = IndexIn(record, "step");
    if (!number || steps.size() >= kMost || !record.contains("layers") || !record["layers"].is_array()) continue;
    for (const json& call : record["layers"]) {
      const std::optional<int64_t> layer = IndexIn(call, "layer");
      if (!layer) continue;
      const std::vector<BlockCounts> heads = HeadsOfCall(call);
      if (heads.empty()) continue;
      AttentionView::Step& step = steps[*number];
      step.step = *number;
      if (record.contains("sigma") && record["sigma"].is_number()) step.sigma = record["sigma"].get<double>();
      AddCall(step, *layer, heads);
      view.num_layers = std::max(view.num_layers, *layer + 1);
      view.num_heads = std::max(view.num_heads, static_cast<int64_t>(heads.size()));
    }
  }
  if (steps.empty()) return std::nullopt;
  for (auto& [number, step] : steps) {
    step.heads.resize(static_cast<size_t>(view.num_layers));
    for (std::vector<BlockCounts>& heads : step.heads) {
      heads.resize(static_cast<size_t>(view.num_heads));
      BlockCounts layer;
      for (const BlockCounts& head : heads) layer.Add(head);
      step.layers.push_back(layer);
      view.total.Add(layer);
    }
    view.steps.push_back(std::move(step));
  }
  if (attention.contains("share_of_time") && attention["share_of_time"].is_number()) {
    view.share_of_time = std::clamp(attention["share_of_time"].get<double>(), 0.0, 1.0);
  }
  return view;
}

Canvas DrawAttention(const AttentionView& view, const std::string& title, std::optional<int64_t> chosen) {
  const AttentionView::Step* step = chosen ? view.Find(*chosen) : &view.steps.back();
  base::Check(step != nullptr, base::ErrorCode::kInvalidInput, "no attention of step ", chosen.value_or(0),
              " is recorded; there are steps ", view.steps.front().step, " to ", view.steps.back().step);

  HeatGrid by_layer = SparsityGrid();
  by_layer.title = title;
  by_layer.subtitle =
      "skipped share of the QK and PV products, all heads: " + Percent(view.total.sparsity()) + " in all";
  by_layer.x_label = "step";
  by_layer.y_label = "layer";
  by_layer.rows = view.num_layers;
  by_layer.columns = static_cast<int64_t>(view.steps.size());
  by_layer.row_names = Numbers(view.num_layers);
  for (const AttentionView::Step& s : view.steps) by_layer.column_names.push_back(std::to_string(s.step));
  for (size_t l = 0; l < static_cast<size_t>(view.num_layers); ++l) {
    for (const AttentionView::Step& s : view.steps) by_layer.values.push_back(ValueOf(s.layers[l]));
  }

  HeatGrid by_head = SparsityGrid();
  by_head.title = "Step " + std::to_string(step->step);
  by_head.x_label = "head";
  by_head.y_label = "layer";
  by_head.rows = view.num_layers;
  by_head.columns = view.num_heads;
  by_head.row_names = Numbers(view.num_layers);
  by_head.column_names = Numbers(view.num_heads);
  for (const std::vector<BlockCounts>& heads : step->heads) {
    for (const BlockCounts& head : heads) by_head.values.push_back(ValueOf(head));
  }
  return Stacked({DrawHeatGrid(by_layer), DrawHeatGrid(by_head)});
}

void AuditView::Errors::Add(const Errors& other) {
  total += other.total;
  skipping += other.skipping;
  eight_bit += other.eight_bit;
  dense8 += other.dense8;
  count += other.count;
}

AuditView::Errors AuditView::Errors::Mean() const {
  const double n = std::max(count, 1.0);
  return {total / n, skipping / n, eight_bit / n, dense8 / n, count};
}

std::optional<AuditView> ViewOfAudit(const json& audit) {
  if (!audit.is_object() || !audit.contains("calls") || !audit["calls"].is_array()) return std::nullopt;
  std::map<int64_t, std::map<int64_t, AuditView::Errors>> places;
  std::map<int64_t, bool> layers;
  for (const json& call : audit["calls"]) {
    const std::optional<int64_t> step = IndexIn(call, "step"), layer = IndexIn(call, "layer");
    if (!step || !layer) continue;
    const std::vector<double> total = PerHead(call, "total"), skipping = PerHead(call, "skipping"),
                              eight_bit = PerHead(call, "eight_bit"), dense8 = PerHead(call, "dense8");
    if (total.empty() || skipping.size() != total.size() || eight_bit.size() != total.size() ||
        dense8.size() != total.size()) {
      continue;
    }
    for (size_t h = 0; h < total.size(); ++h) {
      places[*step][*layer].Add({total[h], skipping[h], eight_bit[h], dense8[h], 1});
    }
    layers[*layer] = true;
  }
  if (places.empty()) return std::nullopt;
  AuditView view;
  for (const auto& [layer, there] : layers) view.layers.push_back(layer);
  for (auto& [step, errors] : places) {
    view.steps.push_back(step);
    view.by_step.emplace_back();
    for (const int64_t layer : view.layers) {
      view.by_step.back().push_back(errors[layer]);
      view.all.Add(errors[layer]);
    }
  }
  return view;
}

Canvas DrawAudit(const AuditView& view, const std::string& title) {
  HeatGrid total;
  total.title = title;
  total.subtitle = "relative L1 against dense attention on the same inputs: mean over heads and passes";
  total.x_label = "step";
  total.y_label = "layer";
  total.rows = static_cast<int64_t>(view.layers.size());
  total.columns = static_cast<int64_t>(view.steps.size());
  for (const int64_t layer : view.layers) total.row_names.push_back(std::to_string(layer));
  for (const int64_t step : view.steps) total.column_names.push_back(std::to_string(step));
  total.scale_label = "error";
  total.format = [](double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f", value);
    return std::string(text);
  };
  HeatGrid skipping = total;
  skipping.title = "Of that, skipping";
  skipping.subtitle = "float32 over the same blocks against dense attention; the rest is 8 bits";
  double most = 1e-6;
  for (size_t l = 0; l < view.layers.size(); ++l) {
    for (size_t s = 0; s < view.steps.size(); ++s) {
      const AuditView::Errors errors = view.by_step[s][l].Mean();
      const double none = std::numeric_limits<double>::quiet_NaN();
      total.values.push_back(errors.count > 0 ? errors.total : none);
      skipping.values.push_back(errors.count > 0 ? errors.skipping : none);
      most = std::max({most, errors.total, errors.skipping});
    }
  }
  total.high = skipping.high = most;
  return Stacked({DrawHeatGrid(total), DrawHeatGrid(skipping)});
}

}  // namespace app
