#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ui/panels/panels.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/setting_field.h"

namespace ui {
namespace {

// Settings that have a slider or a list of their own above the others.
constexpr const char* kShown[] = {"attention.mode",   "attention.topk",  "attention.cdf",    "attention.theta",
                                  "attention.lambda", "attention.order", "attention.profile"};

struct Slider {
  const char* key;
  const char* sign;
  float low, high;
  const char* format;
  float start;  // where it begins that is off by default
};

constexpr Slider kSliders[] = {
    {"attention.topk", "top-k", 0.02f, 1, "%.2f", 0.5f},
    {"attention.cdf", "mass τ", 0.02f, 1, "%.2f", 0.9f},
    {"attention.theta", "alike θ", 0, 1, "%.2f", 0.3f},
    {"attention.lambda", "skip λ", -20, 0, "%.1f", -7},
};

void DrawSlider(Context& c, const Slider& slider, float width) {
  const SettingRow* row = c.view.Find(slider.key);
  if (!row) return;
  char* end = nullptr;
  const std::string& text = row->effective();
  const double parsed = std::strtod(text.c_str(), &end);
  const bool off = end == text.c_str();
  const float label = c.Px(68), reset = c.Px(76);
  ImGui::AlignTextToFramePadding();
  Label(c, row->value.empty() ? c.theme.dim : c.theme.text, slider.sign);
  Tooltip(c, SettingTooltip(*row));
  ImGui::SameLine(label);
  float value = off ? slider.start : static_cast<float>(parsed);
  ImGui::SetNextItemWidth(width - label - reset);
  if (off) ImGui::PushStyleColor(ImGuiCol_SliderGrab, c.theme.faint);
  const bool moved = ImGui::SliderFloat((std::string("###") + slider.key).c_str(), &value, slider.low, slider.high, "",
                                        ImGuiSliderFlags_AlwaysClamp);
  if (off) ImGui::PopStyleColor();
  c.Mark(slider.key);
  if (!ImGui::IsItemActive()) Tooltip(c, SettingTooltip(*row));
  if (moved) {
    const double unit = slider.low < -1 ? 10 : 100;
    std::string shown = Number(std::round(value * unit) / unit, slider.low < -1 ? 1 : 2);
    c.Do(SetSetting{slider.key, shown});
  }
  ImGui::SameLine(0, c.Px(8));
  ImGui::AlignTextToFramePadding();
  char shown[32];
  std::snprintf(shown, sizeof shown, slider.format, static_cast<double>(value));
  Label(c, off ? c.theme.faint : c.theme.text, off ? "off" : shown);
  if (row->value.empty()) return;
  ImGui::SameLine(width - c.Px(26));
  if (QuietButton(c, std::string("reset/") + slider.key, "↺", "Back to the default: " + row->default_text)) {
    c.Do(SetSetting{slider.key, ""});
  }
}

void Settings(Context& c) {
  const float width = ImGui::GetContentRegionAvail().x;
  Heading(c, "Attention");
  ImGui::SameLine();
  bool live = c.view.live;
  AlignRight(ImGui::GetFrameHeight() + ImGui::CalcTextSize("live").x + c.Px(8));
  ImGui::SetCursorPosY(ImGui::GetCursorPosY() - c.Px(6));
  if (ImGui::Checkbox("live", &live)) c.Do(SetLive{live});
  c.Mark("live");
  Tooltip(c,
          c.view.why_not.set_live.empty()
              ? "What changes here also holds for the clip that is rendering, from its next step on. It is recorded as "
                "schedule rules, so that the clip can be rendered again to the same bits."
              : c.view.why_not.set_live);
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, ImVec2(c.Px(8), c.Px(5)));
  for (const Slider& slider : kSliders) DrawSlider(c, slider, width);
  ImGui::PopStyleVar();
  const SettingRow* order = c.view.Find("attention.order");
  if (order) SettingPair(c, *order, c.view.Find("attention.profile"), width);
  ImGui::SetNextItemOpen(c.state.more_attention_open);
  c.state.more_attention_open = ImGui::CollapsingHeader("More###more attention");
  c.Mark("more");
  if (!c.state.more_attention_open) return;
  const SettingRow* first = nullptr;
  for (const SettingRow& row : c.view.settings) {
    const bool shown = std::find(std::begin(kShown), std::end(kShown), row.key) != std::end(kShown);
    if (row.group != "attention" || shown) continue;
    if (first) SettingPair(c, *first, &row, width);
    first = first ? nullptr : &row;
  }
  if (first) SettingPair(c, *first, nullptr, width);
}

void Speed(Context& c) {
  const SparsityView& s = c.view.sparsity;
  if (s.share_of_time) {
    Label(c, c.theme.text, "attention " + Percent(*s.share_of_time) + " of the time");
    Tooltip(c, s.share_note);
  }
  if (s.speedup || s.ceiling) {
    std::string text;
    if (s.speedup) text = "speed-up " + Number(*s.speedup, 2) + "× so far";
    if (s.ceiling) text += std::string(text.empty() ? "" : " · ") + "ceiling " + Number(*s.ceiling, 2) + "×";
    if (!s.speedup) text = "speed-up not known yet · " + text;
    Label(c, c.theme.text, text);
    Tooltip(c, s.speedup_note);
  }
  ImGui::SetNextItemOpen(c.state.kernels_open);
  int64_t fallbacks = 0;
  for (const FallbackRow& row : s.fallbacks) fallbacks += row.calls;
  std::string title = "Kernels";
  if (!s.kernels.empty()) title += " · " + std::to_string(fallbacks) + (fallbacks == 1 ? " fall-back" : " fall-backs");
  c.state.kernels_open = ImGui::CollapsingHeader((title + "###kernels").c_str());
  c.Mark("kernels");
  if (!c.state.kernels_open) return;
  if (s.kernels.empty()) {
    return Paragraph(c, c.theme.faint, s.kernels_note.empty() ? "Nothing has run yet." : s.kernels_note, c.fonts.small);
  }
  ImGui::PushFont(c.fonts.small);
  for (const KernelRow& row : s.kernels) {
    Label(c, c.theme.text, row.name);
    ImGui::SameLine();
    const std::string calls = std::to_string(row.calls) + " calls";
    AlignRight(ImGui::CalcTextSize(calls.c_str()).x);
    Label(c, c.theme.dim, calls);
  }
  for (const FallbackRow& row : s.fallbacks) {
    Paragraph(c, c.theme.warning,
              row.where + ": " + row.kernel + ", for " + row.reason + " (" + std::to_string(row.calls) + "×)");
  }
  ImGui::PopFont();
}

}  // namespace

void DrawSparsity(Context& c) {
  Settings(c);
  ImGui::Separator();
  DrawSkipMap(c);
  Speed(c);
  ImGui::SetNextItemOpen(c.state.painter_open);
  c.state.painter_open = ImGui::CollapsingHeader("Schedule of the next clip###painter");
  c.Mark("painter");
  Tooltip(c, "Paint which steps and layers run dense, dense in 8 bits, or sparse");
  if (c.state.painter_open) DrawSchedule(c);
}

}  // namespace ui
