#include <algorithm>
#include <cmath>

#include "ui/compare/panels.h"
#include "ui/compare/stage.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"

namespace ui {
namespace {

constexpr double kSpeeds[] = {0.25, 0.5, 1, 2, 4};

std::string SpeedText(double speed) { return Number(speed, speed < 0.5 ? 2 : speed < 1 ? 1 : 0) + "×"; }

std::string RateText(double fps) {
  const double rounded = std::round(fps * 1000) / 1000;
  return Number(rounded, rounded == std::floor(rounded) ? 0 : 3) + " fps";
}

struct Lane {
  float x0 = 0, x1 = 0;  // of the first frame's beginning and the last one's end
  int64_t count = 1;

  float At(double frame) const {
    return x0 + (x1 - x0) * static_cast<float>((frame + 0.5) / static_cast<double>(count));
  }
  int64_t FrameAt(float x) const {
    const double share = (x - x0) / std::max(x1 - x0, 1.0f);
    return std::clamp<int64_t>(static_cast<int64_t>(std::floor(share * static_cast<double>(count))), 0, count - 1);
  }
};

void Buttons(Context& c) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  const float row = ImGui::GetCursorPosY();
  if (Button(c, "compare/play", local.playing ? "Ⅱ" : "▶", local.playing ? "Pause (Space)" : "Play (Space)",
             view.num_frames < 2 ? "One frame: nothing to play" : "", c.Px(36))) {
    local.playing = !local.playing;
  }
  ImGui::SameLine(0, c.Px(4));
  if (Button(c, "compare/back", "◀", "One frame back (A)", "", c.Px(30))) StepClock(local, view, -1);
  ImGui::SameLine(0, c.Px(4));
  if (Button(c, "compare/on", "▶###on", "One frame on (D)", "", c.Px(30))) StepClock(local, view, 1);
  ImGui::SameLine(0, c.Px(4));
  const char* const modes[] = {"once", "loop", "ping-pong"};
  if (Button(c, "compare/loop", modes[static_cast<int>(local.playing_mode)], "Loop, ping-pong, or stop at the end", "",
             c.Px(84))) {
    local.playing_mode = static_cast<Playing>((static_cast<int>(local.playing_mode) + 1) % 3);
    local.backwards = false;
  }
  ImGui::SameLine(0, c.Px(4));
  ImGui::SetNextItemWidth(c.Px(58));
  if (ImGui::BeginCombo("###compare_speed", SpeedText(c.state.speed).c_str(), ImGuiComboFlags_NoArrowButton)) {
    for (const double speed : kSpeeds) {
      if (ImGui::Selectable(SpeedText(speed).c_str(), speed == c.state.speed)) c.state.speed = speed;
    }
    ImGui::EndCombo();
  }
  c.Mark("compare/speed");
  CopyLastByRightClick(c, SpeedText(c.state.speed),
                       "Speed: times A's rate (J slower, L or Shift+L faster). No frame is left out: the clock waits.");
  ImGui::SameLine(0, c.Px(12));
  const int64_t shown = view.shown_frame;
  const float down = ImGui::GetStyle().FramePadding.y;
  ImGui::SetCursorPosY(ImGui::GetCursorPosY() + down);
  CopyableText(c, "compare/frame", c.theme.text, std::to_string(shown + 1) + "/" + std::to_string(view.num_frames),
               "Frame on screen, counted from 1, of the frames that all clips have");
  if (view.fps > 0) {
    ImGui::SameLine(0, c.Px(12));
    CopyableText(c, "compare/time", c.theme.text, Number(static_cast<double>(shown) / view.fps, 2) + " s",
                 "When this frame begins: seconds from the first one, at A's " + RateText(view.fps));
    ImGui::SameLine(0, c.Px(12));
    CopyableText(c, "compare/fps", c.theme.faint, RateText(view.fps), "A's rate, which the clock of all clips has");
  }
  if (view.waiting) {
    ImGui::SameLine(0, c.Px(12));
    Label(c, c.theme.warning, "reading…");
    Tooltip(c, "The clock waits: no frame is left out.");
  }
  if (view.clips.size() > 1 && view.measured < 1 && view.num_frames > 0) {
    const std::string text = "measuring " + Percent(view.measured);
    ImGui::SameLine(0, c.Px(12));
    AlignRight(ImGui::CalcTextSize(text.c_str()).x);
    CopyableText(c, "compare/measured", c.theme.dim, text, "Frames that are measured, of all frames of all clips");
  }
  ImGui::SetCursorPosY(row + ImGui::GetFrameHeightWithSpacing());
}

// Where the clips are in memory, and the playhead.
void Scrub(Context& c, const Lane& lane) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  const float height = c.Px(18);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImGui::SetCursorScreenPos(ImVec2(lane.x0, at.y));
  ImGui::InvisibleButton("compare/scrub", ImVec2(std::max(lane.x1 - lane.x0, 1.0f), height));
  c.Mark("compare/scrub");
  const float frame_width = (lane.x1 - lane.x0) / static_cast<float>(lane.count);
  c.places["compare/scrub/0"] = {lane.x0, at.y, lane.x0 + frame_width, at.y + height};
  if (ImGui::IsItemActive()) SeekClock(local, view, lane.FrameAt(ImGui::GetIO().MousePos.x));
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float y = at.y + height / 2;
  draw.AddRectFilled(ImVec2(lane.x0, y - c.Px(3)), ImVec2(lane.x1, y + c.Px(3)), c.theme.field, c.Px(3));
  const float x = lane.At(static_cast<double>(view.shown_frame));
  draw.AddRectFilled(ImVec2(lane.x0, y - c.Px(3)), ImVec2(x, y + c.Px(3)), c.theme.accent_dim, c.Px(3));
  draw.AddCircleFilled(ImVec2(x, y), c.Px(7), c.theme.accent, 20);
  if (ImGui::IsItemHovered()) {
    Tooltip(c, "Frame " + std::to_string(lane.FrameAt(ImGui::GetIO().MousePos.x) + 1) + ": drag or click");
  }
}

struct CurveKind {
  const char* name;
  const std::vector<float> CompareCurves::*values;
  bool worse_is_low;
  int digits;
  const char* unit;
  const char* definition;
};

constexpr CurveKind kKinds[] = {
    {"PSNR", &CompareCurves::psnr_db, true, 1, " dB", "PSNR of a frame against A's: 10 log10(255² / MSE) of 8-bit RGB"},
    {"SSIM", &CompareCurves::ssim, true, 3, "", "SSIM of a frame against A's: BT.709 luma, 11 × 11 Gaussian, σ 1.5"},
    {"flicker", &CompareCurves::flicker, false, 4, "",
     "Flicker of a frame: mean |(A_t − A_t−1) − (B_t − B_t−1)| of luma in 0…1"}};

struct Range {
  float low = 0, high = 1;  // of the values
  float end = 1;            // of the scale: above `low` also where all values are equal
  bool any = false;
};

Range RangeOf(const CompareView& view, const CurveKind& kind) {
  Range range;
  for (const CompareCurves& curves : view.curves) {
    for (const float value : curves.*kind.values) {
      if (!std::isfinite(value)) continue;
      range.low = range.any ? std::min(range.low, value) : value;
      range.high = range.any ? std::max(range.high, value) : value;
      range.any = true;
    }
  }
  range.end = range.high;
  if (range.high - range.low < 1e-6f) range.end = range.low + (range.low == 0 ? 1 : std::abs(range.low) * 0.05f);
  return range;
}

void Line(Context& c, const CompareCurves& curves, const CurveKind& kind, const Lane& lane, const Range& range,
          float top, float bottom, ImU32 color, float thickness) {
  const std::vector<float>& values = curves.*kind.values;
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  // Of many frames only what a pixel's column can show: its lowest and highest.
  const auto y_of = [&](float value) {
    if (std::isinf(value)) return top;  // identical
    const float share = (value - range.low) / (range.end - range.low);
    return bottom - std::clamp(share, 0.0f, 1.0f) * (bottom - top);
  };
  const auto stride = std::max<size_t>(1, values.size() / 2000);
  ImVec2 last;
  bool has_last = false;
  for (size_t i = 0; i < values.size(); i += stride) {
    float value = values[i];
    for (size_t j = i; j < std::min(i + stride, values.size()); ++j) {
      if (std::isnan(values[j])) continue;
      const bool worse = kind.worse_is_low ? values[j] < value : values[j] > value;
      if (worse || std::isnan(value)) value = values[j];
    }
    if (std::isnan(value)) {
      has_last = false;
      continue;
    }
    const ImVec2 now(lane.At(static_cast<double>(i)), y_of(value));
    if (has_last) draw.AddLine(last, now, color, thickness);
    last = now;
    has_last = true;
  }
  if (values.size() == 1 && has_last) draw.AddCircleFilled(last, c.Px(2), color);
}

// What the mouse points at on a curve.
void Pointed(Context& c, const CurveKind& kind, const Lane& lane) {
  const CompareView& view = c.view.compare;
  const int64_t frame = lane.FrameAt(ImGui::GetIO().MousePos.x);
  if (ImGui::IsMouseClicked(ImGuiMouseButton_Left)) SeekClock(c.local.compare, view, frame);
  std::string text = std::string(kind.name) + ", frame " + std::to_string(frame + 1);
  for (const CompareCurves& curves : view.curves) {
    const std::vector<float>& values = curves.*kind.values;
    if (static_cast<size_t>(frame) >= values.size()) continue;
    const float value = values[static_cast<size_t>(frame)];
    const std::string shown = std::isnan(value)   ? "none"
                              : std::isinf(value) ? "identical"
                                                  : Number(value, kind.digits + 1) + kind.unit;
    text += "\n" + view.clips[curves.clip].letter + " against A: " + shown;
  }
  if (ImGui::IsMouseClicked(ImGuiMouseButton_Right)) ImGui::SetClipboardText(text.c_str());
  Tooltip(c, text + "\n" + kind.definition + "\n\nclick: go to this frame; right click: copy these numbers");
}

void Curve(Context& c, const CurveKind& kind, const Lane& lane, float top, float height) {
  const CompareView& view = c.view.compare;
  const CompareLocal& local = c.local.compare;
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float bottom = top + height;
  ImGui::SetCursorScreenPos(ImVec2(lane.x0, top));
  const std::string name = std::string("curve/") + kind.name;
  ImGui::InvisibleButton(name.c_str(), ImVec2(std::max(lane.x1 - lane.x0, 1.0f), height));
  c.Mark(name);
  const bool hovered = ImGui::IsItemHovered();
  draw.AddRectFilled(ImVec2(lane.x0, top), ImVec2(lane.x1, bottom), WithAlpha(c.theme.field, hovered ? 0.75 : 0.4),
                     c.Px(3));
  const Range range = RangeOf(view, kind);
  const CompareCurves* main = view.CurvesOf(std::max<size_t>(local.right, 1));
  const float inset = c.Px(3);
  for (const CompareCurves& curves : view.curves) {
    if (&curves == main) continue;
    Line(c, curves, kind, lane, range, top + inset, bottom - inset,
         curves.noise_floor ? WithAlpha(c.theme.dim, 0.8) : WithAlpha(c.theme.b, 0.35), c.Px(1));
  }
  if (main) {
    Line(c, *main, kind, lane, range, top + inset, bottom - inset, c.theme.b, c.Px(1.6f));
    if (kind.values == &CompareCurves::psnr_db && main->worst_frame >= 0) {
      const float x = lane.At(static_cast<double>(main->worst_frame));
      draw.AddTriangleFilled(ImVec2(x, bottom - c.Px(1)), ImVec2(x - c.Px(4), bottom + c.Px(5)),
                             ImVec2(x + c.Px(4), bottom + c.Px(5)), c.theme.warning);
      c.places["curve/worst"] = {x - c.Px(4), bottom - c.Px(6), x + c.Px(4), bottom - c.Px(1)};
    }
  }
  const float x = lane.At(static_cast<double>(view.shown_frame));
  draw.AddLine(ImVec2(x, top), ImVec2(x, bottom), WithAlpha(c.theme.accent, 0.9), c.Px(1));
  if (hovered) Pointed(c, kind, lane);
  // The ends of its scale, beside it.
  ImGui::PushFont(c.fonts.small);
  const float label_x = lane.x0 - c.Px(64), line = ImGui::GetTextLineHeight();
  draw.AddText(ImVec2(label_x, top + (height - line) / 2), c.theme.dim, kind.name);
  const auto end = [&](const char* which, float value, float y) {
    ImGui::SetCursorScreenPos(ImVec2(lane.x1 + c.Px(6), y));
    CopyableText(c, name + "/" + which, c.theme.faint, Number(value, kind.digits) + kind.unit,
                 std::string("The ") + which + " value of the curves, over all frames and clips\n" + kind.definition);
  };
  if (range.any) {
    end("highest", range.high, top - c.Px(1));
    end("lowest", range.low, bottom - line + c.Px(1));
  }
  ImGui::PopFont();
}

}  // namespace

void DrawCompareTimeline(Context& c) {
  const CompareView& view = c.view.compare;
  Buttons(c);
  const ImVec2 at = ImGui::GetCursorScreenPos(), room = ImGui::GetContentRegionAvail();
  Lane lane;
  const bool curves = view.clips.size() > 1 && !(view.abx.running && c.local.compare.abx_open);
  lane.x0 = at.x + (curves ? c.Px(64) : 0);
  lane.x1 = at.x + room.x - (curves ? c.Px(62) : 0);
  lane.count = std::max<int64_t>(view.num_frames, 1);
  if (lane.x1 <= lane.x0 + c.Px(8)) return;
  if (!curves) {
  }
  Scrub(c, lane);
  if (!curves) return;
  const float top = ImGui::GetItemRectMax().y + c.Px(4);
  const float gap = c.Px(8), height = (at.y + room.y - top - 2 * gap - c.Px(2)) / 3;
  if (height < c.Px(8)) return;
  for (int i = 0; i < 3; ++i) Curve(c, kKinds[i], lane, top + static_cast<float>(i) * (height + gap), height);
}

}  // namespace ui
