#include "app/gui/stats_board.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <tuple>

#include "app/gui/event_json.h"

namespace app {
namespace {

using nlohmann::json;

constexpr int kMostSteps = 1000, kMostLayers = 512, kMostHeads = 256;
constexpr size_t kMostKernels = 200, kMostFallbacks = 100000;

std::optional<int> IndexIn(const json& object, const char* key, int below) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number_integer()) return std::nullopt;
  const auto value = object[key].get<int64_t>();
  return value >= 0 && value < below ? std::optional<int>(static_cast<int>(value)) : std::nullopt;
}

double PositiveIn(const json& object, const char* key) { return std::max(NumberIn(object, key).value_or(0), 0.0); }

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

double ErrorAt(const json& call, const char* key, size_t head) {
  if (!call.contains(key) || !call[key].is_array() || head >= call[key].size() || !call[key][head].is_number())
    return 0;
  const auto value = call[key][head].get<double>();
  return std::isfinite(value) ? std::max(value, 0.0) : 0;
}

bool IsSelf(const json& call) {
  const std::string kind = TextIn(call, "kind");
  return kind == "self" || kind == "joint";
}

// Heads of a call of the step; 0 for what is none.
size_t HeadsOf(const json& call, const char* key) {
  return call.is_object() && call.contains(key) && call[key].is_array() ? std::min<size_t>(call[key].size(), kMostHeads)
                                                                        : 0;
}

// "3", "0–4", "0, 2, 7–9".
std::string Ranges(const std::set<int>& numbers) {
  std::string text;
  for (auto it = numbers.begin(); it != numbers.end();) {
    const int first = *it;
    int last = first;
    for (++it; it != numbers.end() && *it == last + 1; ++it) last = *it;
    text += (text.empty() ? "" : ", ") + std::to_string(first) + (last > first ? "–" + std::to_string(last) : "");
  }
  return text;
}

}  // namespace

void FullTimes::Add(std::pair<int64_t, int> size, double ms, int64_t calls) {
  Sum& sum = by_size[size];
  sum.ms += ms;
  sum.calls += calls;
}

double FullTimes::Mean(std::pair<int64_t, int> size) const {
  const auto it = by_size.find(size);
  return it == by_size.end() || it->second.calls == 0 ? 0 : it->second.ms / static_cast<double>(it->second.calls);
}

void StatsBoard::Begin(int num_steps, int num_layers, int num_heads) {
  view_ = {};
  view_.kernels_note = "Which kernels run is known after the first step.";
  steps_.clear();
  dense_ = {};
  modes_.clear();
  const bool known = num_steps > 0 && num_layers > 0 && num_heads > 0 && num_steps <= kMostSteps &&
                     num_layers <= kMostLayers && num_heads <= kMostHeads;
  if (known) view_.grid.Resize(num_steps, num_layers, num_heads);
  ++revision_;
}

// Grows the grid; what is known stays.
void StatsBoard::Fit(int steps, int layers, int heads) {
  ui::SkipGrid& grid = view_.grid;
  if (steps <= grid.num_steps && layers <= grid.num_layers && heads <= grid.num_heads) return;
  ui::SkipGrid larger;
  larger.Resize(std::max(grid.num_steps, steps), std::max(grid.num_layers, layers), std::max(grid.num_heads, heads));
  for (int s = 0; s < grid.num_steps; ++s) {
    for (int l = 0; l < grid.num_layers; ++l) {
      for (int h = 0; h < grid.num_heads; ++h) larger.at(s, l, h) = std::as_const(grid).at(s, l, h);
    }
  }
  grid = std::move(larger);
}

ui::CellMode StatsBoard::ModeAt(int step, int layer) const {
  const size_t index = static_cast<size_t>(step) * static_cast<size_t>(mode_layers_) + static_cast<size_t>(layer);
  return layer < mode_layers_ && index < modes_.size() ? modes_[index] : ui::CellMode::kBase;
}

void StatsBoard::TakeStep(int step, const json& layers) {
  if (!layers.is_array()) return;
  int most_layer = -1, most_heads = 0;
  for (const json& call : layers) {
    const std::optional<int> layer = IndexIn(call, "layer", kMostLayers);
    if (!layer || HeadsOf(call, "kept_blocks") == 0) continue;
    most_layer = std::max(most_layer, *layer);
    most_heads = std::max(most_heads, static_cast<int>(HeadsOf(call, "kept_blocks")));
  }
  if (most_layer < 0) return;
  Fit(step + 1, most_layer + 1, most_heads);
  ui::SkipGrid& grid = view_.grid;
  for (int layer = 0; layer < grid.num_layers; ++layer) {
    for (int head = 0; head < grid.num_heads; ++head) grid.at(step, layer, head) = {};
  }
  Step& record = steps_[step];
  record.self_ms = 0;
  record.calls.clear();
  record.dense = record.dense8 = {};
  for (const json& call : layers) {
    const std::optional<int> layer = IndexIn(call, "layer", kMostLayers);
    const size_t heads = HeadsOf(call, "kept_blocks");
    if (!layer || heads == 0 || !IsSelf(call)) continue;
    const double ms = PositiveIn(call, "ms");
    ui::SkipCounts all;
    for (size_t head = 0; head < heads; ++head) {
      const ui::SkipCounts counts{CountAt(call, "visible_blocks", head), CountAt(call, "kept_blocks", head),
                                  CountAt(call, "pv_tiles", head),       CountAt(call, "pv_skipped", head),
                                  ms / static_cast<double>(heads),       true};
      grid.at(step, *layer, static_cast<int>(head)).Add(counts);
      all.Add(counts);
    }
    const Size size{all.visible_blocks, static_cast<int>(heads)};
    record.self_ms += ms;
    ++record.calls[size];
    if (all.kept_blocks != all.visible_blocks || all.pv_skipped != 0 || ms <= 0) continue;
    (ModeAt(step, *layer) == ui::CellMode::kDense ? record.dense : record.dense8).Add(size, ms);
  }
  grid.Summarise();
}

void StatsBoard::TakeFallbacks(const json& list, int only_step) {
  if (!list.is_array()) return;
  size_t taken = 0;
  for (const json& fallback : list) {
    const std::string kernel = TextIn(fallback, "kernel");
    const int step = only_step >= 0 ? only_step : IndexIn(fallback, "step", kMostSteps).value_or(-1);
    if (kernel.empty() || ++taken > kMostFallbacks) continue;
    Step& record = steps_[step];
    record.fallbacks.push_back({TextIn(fallback, "kind"), kernel, TextIn(fallback, "reason"),
                                static_cast<int64_t>(PositiveIn(fallback, "calls"))});
    record.fallback_layers.push_back(IndexIn(fallback, "layer", kMostLayers).value_or(-1));
  }
}

void StatsBoard::TakeKernels(const json& kernels) {
  if (!kernels.is_object()) return;
  view_.kernels.clear();
  view_.kernels_note.clear();
  for (const auto& [name, calls] : kernels.items()) {
    if (calls.is_number_integer() && view_.kernels.size() < kMostKernels)
      view_.kernels.push_back({name, calls.get<int64_t>()});
  }
  std::stable_sort(view_.kernels.begin(), view_.kernels.end(),
                   [](const ui::KernelRow& a, const ui::KernelRow& b) { return a.calls > b.calls; });
}

// Those of one kind, kernel and reason are one row.
void StatsBoard::CollectFallbacks() {
  struct Where {
    std::set<int> steps, layers;
    int64_t calls = 0;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Where> rows;
  for (const auto& [step, record] : steps_) {
    for (size_t i = 0; i < record.fallbacks.size(); ++i) {
      const ui::FallbackRow& row = record.fallbacks[i];
      Where& where = rows[{row.where, row.kernel, row.reason}];
      if (step >= 0) where.steps.insert(step);
      if (record.fallback_layers[i] >= 0) where.layers.insert(record.fallback_layers[i]);
      where.calls += row.calls;
    }
  }
  view_.fallbacks.clear();
  for (const auto& [key, where] : rows) {
    std::string text = std::get<0>(key) + " attention";
    if (!where.layers.empty()) text += (where.layers.size() == 1 ? ", layer " : ", layers ") + Ranges(where.layers);
    if (!where.steps.empty()) text += (where.steps.size() == 1 ? ", step " : ", steps ") + Ranges(where.steps);
    view_.fallbacks.push_back({text, std::get<1>(key), std::get<2>(key), where.calls});
  }
}

void StatsBoard::TakeStats(const json& event) {
  const std::optional<int> step = IndexIn(event, "step", kMostSteps);
  if (!step) return;
  ++revision_;
  if (event.contains("layers")) TakeStep(*step, event["layers"]);
  Step& record = steps_[*step];
  record.seconds = PositiveIn(event, "seconds");
  record.attention_seconds = PositiveIn(event, "attention_seconds");
  record.fallbacks.clear();
  record.fallback_layers.clear();
  if (event.contains("fallbacks")) TakeFallbacks(event["fallbacks"], *step);
  if (event.contains("kernels")) TakeKernels(event["kernels"]);
  CollectFallbacks();
  Measure();
}

// Attention's share of the time; what steps would take with dense attention, and with none at all.
void StatsBoard::Measure() {
  view_.share_of_time.reset();
  view_.speedup.reset();
  view_.ceiling.reset();
  FullTimes own8;
  dense_ = {};
  double seconds = 0, attention_s = 0, self_s = 0;
  for (const auto& [number, step] : steps_) {
    for (const auto& [size, sum] : step.dense.by_size) dense_.Add(size, sum.ms, sum.calls);
    for (const auto& [size, sum] : step.dense8.by_size) own8.Add(size, sum.ms, sum.calls);
    if (step.seconds <= 0) continue;
    seconds += step.seconds;
    attention_s += step.attention_seconds > 0 ? step.attention_seconds : step.self_ms / 1e3;
    self_s += step.self_ms / 1e3;
  }
  if (seconds <= 0 || attention_s <= 0) return;
  view_.share_of_time = std::min(attention_s / seconds, 1.0);
  view_.share_note = "Every attention call in the steps so far, of the time that these steps took.";

  struct Measured {
    const FullTimes* times;
    const char* against;
  };
  const Measured choices[] = {
      {&dense_, "this clip's own dense calls"},
      {&earlier_, "the dense calls of an earlier clip of the same model and size"},
      {&own8, "this clip's own 8-bit calls that skipped nothing, for no dense call of this size ran yet"}};
  // Seconds that the steps so far would have taken.
  const auto full_seconds = [&](const FullTimes& times, int64_t& measured) {
    double full = 0;
    measured = 0;
    for (const auto& [number, step] : steps_) {
      if (step.seconds <= 0) continue;
      full += step.seconds - step.self_ms / 1e3;
      for (const auto& [size, calls] : step.calls) {
        const double each = times.Mean(size);
        if (each <= 0) return 0.0;
        full += each / 1e3 * static_cast<double>(calls);
        measured = std::max(measured, times.by_size.at(size).calls);
      }
    }
    return full;
  };
  const double rest = std::max(seconds - self_s, seconds * 1e-3);
  view_.ceiling = seconds / rest;
  view_.speedup_note =
      "Ceiling: what the steps would gain beyond what they are now if self-attention took no time at all. So far: not "
      "known yet, for no call without skipping was timed to measure against. A dense step or layer (dense_steps, "
      "dense_layers, or T while it renders) gives the measure.";
  for (const Measured& choice : choices) {
    int64_t measured = 0;
    const double full = full_seconds(*choice.times, measured);
    if (full <= 0) continue;
    view_.speedup = full / seconds;
    view_.ceiling = full / rest;
    view_.speedup_note = std::string(
                             "So far: measured against these same steps with every self-attention call taking "
                             "as long as ") +
                         choice.against + " (mean of " + std::to_string(measured) +
                         (measured == 1 ? " call" : " calls") +
                         "). The rest of each step is taken as it was.\nCeiling: the same, if self-attention took no "
                         "time at all. No more can be won by skipping.";
    break;
  }
}

void StatsBoard::TakeAudit(const json& audit) {
  if (!audit.is_object() || !audit.contains("calls") || !audit["calls"].is_array()) return;
  ui::ErrorGrid& grid = view_.errors;
  int steps = std::max(grid.num_steps, view_.grid.num_steps), layers = std::max(grid.num_layers, view_.grid.num_layers),
      heads = std::max(grid.num_heads, view_.grid.num_heads);
  const auto place = [&](const json& call) -> std::optional<std::pair<int, int>> {
    const auto step = IndexIn(call, "step", kMostSteps), layer = IndexIn(call, "layer", kMostLayers);
    if (!step || !layer || HeadsOf(call, "total") == 0) return std::nullopt;
    return std::pair(*step, *layer);
  };
  std::set<int> steps_here;
  for (const json& call : audit["calls"]) {
    const auto at = place(call);
    if (!at) continue;
    steps_here.insert(at->first);
    steps = std::max(steps, at->first + 1);
    layers = std::max(layers, at->second + 1);
    heads = std::max(heads, static_cast<int>(HeadsOf(call, "total")));
  }
  if (steps_here.empty()) return;
  ++revision_;
  grid.Resize(steps, layers, heads);
  // An audit of a step is whole: what an earlier one said of it goes.
  for (const int step : steps_here) {
    for (int layer = 0; layer < layers; ++layer) {
      for (int head = 0; head < heads; ++head) grid.at(step, layer, head) = {};
    }
  }
  for (const json& call : audit["calls"]) {
    const auto at = place(call);
    if (!at) continue;
    for (size_t head = 0; head < HeadsOf(call, "total"); ++head) {
      grid.at(at->first, at->second, static_cast<int>(head))
          .Add({ErrorAt(call, "total", head), ErrorAt(call, "skipping", head), ErrorAt(call, "eight_bit", head),
                ErrorAt(call, "dense8", head), 1});
    }
  }
}

void StatsBoard::TakeSidecar(const json& sidecar) {
  if (!sidecar.is_object()) return;
  ++revision_;
  if (sidecar.contains("audit")) TakeAudit(sidecar["audit"]);
  if (!sidecar.contains("attention") || !sidecar["attention"].is_object()) return;
  const json& attention = sidecar["attention"];
  if (attention.contains("steps") && attention["steps"].is_array()) {
    for (const json& step : attention["steps"]) {
      const std::optional<int> index = IndexIn(step, "step", kMostSteps);
      if (index && step.contains("layers")) TakeStep(*index, step["layers"]);
    }
  }
  const json timings = sidecar.value("timings_s", json::object());
  if (timings.is_object() && timings.contains("steps") && timings["steps"].is_array()) {
    for (size_t i = 0; i < std::min<size_t>(timings["steps"].size(), kMostSteps); ++i) {
      const auto found = steps_.find(static_cast<int>(i));
      if (found == steps_.end() || found->second.seconds > 0 || !timings["steps"][i].is_number()) continue;
      found->second.seconds = std::max(timings["steps"][i].get<double>(), 0.0);
    }
  }
  for (auto& [number, step] : steps_) {
    step.fallbacks.clear();
    step.fallback_layers.clear();
  }
  if (attention.contains("fallbacks")) TakeFallbacks(attention["fallbacks"], -1);
  if (attention.contains("kernels")) TakeKernels(attention["kernels"]);
  CollectFallbacks();
  Measure();
  const bool all_timed = std::all_of(steps_.begin(), steps_.end(), [](const auto& step) {
    return step.first < 0 || step.second.attention_seconds > 0;
  });
  const double share = PositiveIn(attention, "share_of_time");
  if (share <= 0 || all_timed) return;
  view_.share_of_time = std::min(share, 1.0);
  view_.share_note = "Every attention call, of the time of encoding the prompt, denoising and decoding.";
}

}  // namespace app
