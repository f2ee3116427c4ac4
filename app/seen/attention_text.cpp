#include "app/seen/attention_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "app/seen/attention_view.h"
#include "app/settings/text.h"

namespace app {
namespace {

using nlohmann::json;

constexpr int kBarColumns = 30;
// More rows than this are thinned out evenly: a terminal has about that many.
constexpr size_t kMostRows = 60;

template <class... Values>
std::string Print(const char* format, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

std::string Bar(double share) {
  const int full = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kBarColumns));
  std::string bar;
  for (int i = 0; i < kBarColumns; ++i) bar += i < full ? "█" : "·";
  return bar;
}

struct Row {
  std::string name;
  BlockCounts counts;
};

std::string Bars(const char* title, const std::vector<Row>& rows) {
  std::string text = std::string("  ") + title + "\n";
  const size_t step = (rows.size() + kMostRows - 1) / kMostRows;
  for (size_t i = 0; i < rows.size(); i += step) {
    const double share = rows[i].counts.sparsity();
    text += Print("    %-20s ", rows[i].name.c_str()) + Bar(share) + Print(" %5.1f %%\n", 100 * share);
  }
  if (step > 1) text += Print("    (every %zu of %zu)\n", step, rows.size());
  return text;
}

// Text of a file in one printable line.
std::string Line(const json& value) {
  std::string text = value.is_string()
                         ? json::parse(value.dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>()
                         : value.dump();
  for (char& c : text) {
    if ((c >= 0 && c < 0x20) || c == 0x7F) c = ' ';
  }
  return std::string(CutUTF8(text, 300));
}

std::string Kernels(const json& attention) {
  std::string text;
  if (!attention.contains("kernels") || !attention["kernels"].is_object()) return text;
  for (const auto& [kernel, calls] : attention["kernels"].items()) {
    text += (text.empty() ? "" : ", ") + Line(kernel) + " × " + Line(calls);
  }
  return text.empty() ? text : "  kernels: " + text + "\n";
}

std::string Fallbacks(const json& attention) {
  std::string text;
  if (!attention.contains("fallbacks") || !attention["fallbacks"].is_array()) return text;
  for (const json& fallback : attention["fallbacks"]) {
    const auto field = [&](const char* key) { return fallback.contains(key) ? Line(fallback[key]) : std::string("?"); };
    if (!fallback.is_object()) continue;
    text += "  fell back to " + field("kernel") + ": " + field("reason") + " (step " + field("step") + ", layer " +
            field("layer") + ", " + field("kind") + ", " + field("calls") + " calls)\n";
  }
  return text;
}

std::string Redone(const json& attention) {
  std::string text;
  if (!attention.contains("redone") || !attention["redone"].is_array()) return text;
  for (const json& redo : attention["redone"]) {
    if (!redo.is_object() || !redo.contains("step") || !redo.contains("reason")) continue;
    text += "  step " + Line(redo["step"]) + " was run again: " + Line(redo["reason"]) + "\n";
  }
  return text;
}

}  // namespace

std::string AttentionText(const json& attention) {
  const std::optional<AttentionView> view = ViewOfRecord(attention);
  if (!attention.is_object()) return "";
  std::string text;
  if (view) {
    const BlockCounts& total = view->total;
    text +=
        Print("  sparsity %.1f %%: %.1f %% of the key blocks kept, %.1f %% of their P·V tiles skipped\n",
              100 * total.sparsity(), total.visible_blocks > 0 ? 100 * total.kept_blocks / total.visible_blocks : 0.0,
              total.pv_tiles > 0 ? 100 * total.pv_skipped / total.pv_tiles : 0.0);
    const double share = view->share_of_time;
    text += Print("  %.0f %% of the time", 100 * share) +
            (share < 0.995 ? Print("; were it free, all would take %.2f x less\n", 1 / (1 - share)) : "\n");
  }
  text += Kernels(attention) + Fallbacks(attention) + Redone(attention);
  if (!view) return text;

  std::vector<Row> steps, layers;
  for (const AttentionView::Step& step : view->steps) {
    Row row{Print("step %lld", static_cast<long long>(step.step)) + (step.sigma ? Print("  σ %.3f", *step.sigma) : ""),
            {}};
    for (const BlockCounts& layer : step.layers) row.counts.Add(layer);
    steps.push_back(std::move(row));
  }
  for (int64_t l = 0; l < view->num_layers; ++l) {
    Row row{Print("layer %lld", static_cast<long long>(l)), {}};
    for (const AttentionView::Step& step : view->steps) row.counts.Add(step.layers[static_cast<size_t>(l)]);
    layers.push_back(std::move(row));
  }
  return text + Bars("skipped, by step", steps) + Bars("skipped, by layer", layers);
}

std::string AuditText(const json& audit) {
  const std::optional<AuditView> view = ViewOfAudit(audit);
  if (!view) return "";
  const auto row = [](const std::string& name, const AuditView::Errors& sums) {
    const AuditView::Errors e = sums.Mean();
    return Print("    %-10s %9.4f %9.4f %9.4f %9.4f\n", name.c_str(), e.total, e.skipping, e.eight_bit, e.dense8);
  };
  std::string text =
      "  error against dense attention on the same inputs, relative L1, mean over heads, passes and steps\n";
  text += Print("    %-10s %9s %9s %9s %9s\n", "", "in all", "skipping", "8 bits", "dense8");
  for (size_t l = 0; l < view->layers.size(); ++l) {
    AuditView::Errors layer;
    for (const auto& step : view->by_step) layer.Add(step[l]);
    text += row(Print("layer %lld", static_cast<long long>(view->layers[l])), layer);
  }
  return text + row("all", view->all);
}

}  // namespace app
