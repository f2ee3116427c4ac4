#include "app/gui/stats_board.h"

#include <algorithm>
#include <cmath>

namespace app {
namespace {

using nlohmann::json;

constexpr int kMostSteps = 1000, kMostLayers = 512, kMostHeads = 256;

std::optional<int> IndexIn(const json& object, const char* key, int below) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer()) return std::nullopt;
  const auto value = object[key].get<int64_t>();
  return value >= 0 && value < below ? std::optional<int>(static_cast<int>(value)) : std::nullopt;
}

double NumberIn(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number()) return 0;
  const auto value = object[key].get<double>();
  return std::isfinite(value) && value > 0 ? value : 0;
}

// One count a head; a single number holds for all.
int64_t CountAt(const json& call, const char* key, size_t head) {
  if (!call.contains(key)) return 0;
  const json& counts = call[key];
  const json* count = &counts;
  if (counts.is_array()) {
    if (head >= counts.size()) return 0;
    count = &counts[head];
  }
  return count->is_number_integer() ? std::max<int64_t>(count->get<int64_t>(), 0) : 0;
}

std::string TextIn(const json& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

}  // namespace

void StatsBoard::Begin(int num_steps, int num_layers, int num_heads) {
  const std::string title = view_.title;
  view_ = {};
  view_.title = title;
  view_.kernels_note = "Which kernels ran is known when the clip is done.";
  step_seconds_ = 0;
  full_ms_.clear();
  const bool known = num_steps > 0 && num_layers > 0 && num_heads > 0 && num_steps <= kMostSteps &&
                     num_layers <= kMostLayers && num_heads <= kMostHeads;
  if (known) view_.grid.Resize(num_steps, num_layers, num_heads);
}

void StatsBoard::TakeProgress(const json& event) {
  if (TextIn(event, "stage") != "denoise") return;
  const double each = NumberIn(event, "s_per_step"), steps = NumberIn(event, "step");
  if (each > 0) step_seconds_ = each * steps;
}

void StatsBoard::TakeStep(int step, const json& layers) {
  if (!layers.is_array()) return;
  int most_layer = view_.grid.num_layers - 1, most_heads = view_.grid.num_heads;
  for (const json& call : layers) {
    const std::optional<int> layer = IndexIn(call, "layer", kMostLayers);
    if (!layer || !call.contains("kept_blocks") || !call["kept_blocks"].is_array()) continue;
    most_layer = std::max(most_layer, *layer);
    most_heads = std::max(most_heads, static_cast<int>(std::min<size_t>(call["kept_blocks"].size(), kMostHeads)));
  }
  if (most_layer < 0 || most_heads < 1) return;
  ui::SkipGrid& grid = view_.grid;
  if (step >= grid.num_steps || most_layer >= grid.num_layers || most_heads > grid.num_heads) {
    ui::SkipGrid larger;
    larger.Resize(std::max(grid.num_steps, step + 1), most_layer + 1, most_heads);
    for (int s = 0; s < grid.num_steps; ++s) {
      for (int l = 0; l < grid.num_layers; ++l) {
        for (int h = 0; h < grid.num_heads; ++h) larger.at(s, l, h) = grid.at(s, l, h);
      }
    }
    grid = std::move(larger);
  }
  for (int layer = 0; layer < grid.num_layers; ++layer) {
    for (int head = 0; head < grid.num_heads; ++head) grid.at(step, layer, head) = {};
  }
  for (const json& call : layers) {
    const std::optional<int> layer = IndexIn(call, "layer", kMostLayers);
    const std::string kind = TextIn(call, "kind");
    if (!layer || (kind != "self" && kind != "joint") || !call.contains("kept_blocks") ||
        !call["kept_blocks"].is_array())
      continue;
    const auto heads = std::min<size_t>(call["kept_blocks"].size(), kMostHeads);
    const double ms = NumberIn(call, "ms");
    ui::SkipCounts all;
    for (size_t head = 0; head < heads; ++head) {
      const ui::SkipCounts counts{CountAt(call, "visible_blocks", head), CountAt(call, "kept_blocks", head),
                                  CountAt(call, "pv_tiles", head),       CountAt(call, "pv_skipped", head),
                                  ms / static_cast<double>(heads),       true};
      grid.at(step, *layer, static_cast<int>(head)).Add(counts);
      all.Add(counts);
    }
    if (all.known && all.kept_blocks == all.visible_blocks && all.pv_skipped == 0 && ms > 0) {
      auto& [sum, count] = full_ms_[{static_cast<int>(all.visible_blocks), static_cast<int>(heads)}];
      sum += ms;
      ++count;
    }
  }
}

void StatsBoard::TakeStats(const json& event) {
  const std::optional<int> step = IndexIn(event, "step", kMostSteps);
  if (!step || !event.contains("layers")) return;
  TakeStep(*step, event["layers"]);
  Measure();
}

// Share of time; what steps would take with full attention, and with none.
void StatsBoard::Measure() {
  const double attention_s = view_.grid.Total().ms / 1e3;
  if (step_seconds_ <= 0 || attention_s <= 0) return;
  const double share = std::min(attention_s / step_seconds_, 1.0);
  view_.share_of_time = share;
  view_.speedup.reset();
  view_.ceiling.reset();
  if (share < 1) view_.ceiling = 1 / (1 - share);
  double saved_s = 0;
  bool compared = false;
  for (int step = 0; step < view_.grid.num_steps; ++step) {
    for (int layer = 0; layer < view_.grid.num_layers; ++layer) {
      const ui::SkipCounts counts = view_.grid.Layer(step, layer);
      if (!counts.known || counts.kept_blocks == counts.visible_blocks) continue;
      // A step may have several calls, one a pass: each has its share of the blocks.
      for (const auto& [size, full] : full_ms_) {
        if (size.first <= 0 || counts.visible_blocks % size.first != 0) continue;
        const double calls = static_cast<double>(counts.visible_blocks / size.first);
        saved_s += (full.first / full.second * calls - counts.ms) / 1e3;
        compared = true;
        break;
      }
    }
  }
  view_.speedup_note =
      "The ceiling is what steps would gain if the attention that is left took no time.\nSo far is measured against "
      "this "
      "clip's own calls that skipped nothing";
  if (compared) {
    view_.speedup = std::max((step_seconds_ + saved_s) / step_seconds_, 0.0);
    view_.ceiling =
        std::max((step_seconds_ + saved_s) / (step_seconds_ - std::min(attention_s, step_seconds_ * 0.999)), 0.0);
    view_.speedup_note += ".";
  } else {
    view_.speedup_note += ": none yet. Steps or layers that run dense (dense_steps, dense_layers) give the measure.";
  }
}

void StatsBoard::TakeRecord(const json& attention) {
  if (!attention.is_object()) return;
  full_ms_.clear();
  if (attention.contains("steps") && attention["steps"].is_array()) {
    for (const json& step : attention["steps"]) {
      const std::optional<int> index = IndexIn(step, "step", kMostSteps);
      if (index && step.contains("layers")) TakeStep(*index, step["layers"]);
    }
  }
  Measure();
  if (const double share = NumberIn(attention, "share_of_time"); share > 0 && step_seconds_ <= 0) {
    view_.share_of_time = std::min(share, 1.0);
  }
  view_.kernels.clear();
  view_.fallbacks.clear();
  view_.kernels_note.clear();
  if (attention.contains("kernels") && attention["kernels"].is_object()) {
    for (const auto& [name, calls] : attention["kernels"].items()) {
      if (calls.is_number_integer()) view_.kernels.push_back({name, calls.get<int64_t>()});
    }
  }
  if (!attention.contains("fallbacks") || !attention["fallbacks"].is_array()) return;
  // Those of one reason are one row.
  std::map<std::string, size_t> rows;
  for (const json& fallback : attention["fallbacks"]) {
    const std::string kernel = TextIn(fallback, "kernel"), reason = TextIn(fallback, "reason"),
                      kind = TextIn(fallback, "kind");
    if (kernel.empty()) continue;
    const auto [it, fresh] = rows.emplace(kind + '\n' + kernel + '\n' + reason, view_.fallbacks.size());
    if (fresh) view_.fallbacks.push_back({kind + " attention", kernel, reason, 0});
    view_.fallbacks[it->second].calls += static_cast<int64_t>(NumberIn(fallback, "calls"));
  }
}

}  // namespace app
