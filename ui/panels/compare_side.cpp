#include <algorithm>
#include <cmath>

#include "ui/compare/panels.h"
#include "ui/compare/stage.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"
#include "ui/widgets/heat_map.h"
#include "ui/widgets/legend.h"

namespace ui {
namespace {

void Options(Context& c, float width) {
  CompareLocal& local = c.local.compare;
  const CompareView& view = c.view.compare;
  if (local.mode == CompareMode::kWipe) {
    if (Button(c, "compare/lock", local.locked ? "locked" : "follows the mouse",
               "The line follows the mouse; L or a click on the picture locks it", "", width * 0.62f)) {
      local.locked = !local.locked;
    }
    ImGui::SameLine(0, c.Px(6));
    if (Button(c, "compare/upright", local.vertical ? "│" : "─", "The line upright, or level", "", c.Px(34)))
      local.vertical = !local.vertical;
    ImGui::SameLine(0, c.Px(6));
    if (Button(c, "compare/swap", "⇄", "Swap the sides (S)", "", c.Px(34))) local.swapped = !local.swapped;
  } else if (local.mode == CompareMode::kFlicker) {
    auto rate = static_cast<float>(local.flicker_hz);
    ImGui::SetNextItemWidth(width);
    if (ImGui::SliderFloat("###flicker_rate", &rate, 0.5f, 15, "%.1f changes a second")) local.flicker_hz = rate;
    c.Mark("compare/flicker_rate");
  } else if (local.mode == CompareMode::kDifference) {
    const char* const kinds[] = {"absolute", "signed", "luma", "SSIM"};
    const int kind = Segments(c, "difference", kinds, nullptr, 4, static_cast<int>(local.difference), width);
    if (kind >= 0) local.difference = static_cast<DifferenceMode>(kind);
    if (local.difference != DifferenceMode::kSSIM) {
      auto gain = static_cast<float>(local.gain > 0 ? local.gain : view.auto_gain > 0 ? view.auto_gain : 4);
      ImGui::SetNextItemWidth(width - c.Px(62));
      if (ImGui::SliderFloat("###gain", &gain, 1, 64, "gain × %.1f", ImGuiSliderFlags_Logarithmic)) local.gain = gain;
      c.Mark("compare/gain");
      Tooltip(c,
              "Differences are multiplied by this. auto: the greatest power of two at which 99.5 % of the pixels "
              "that differ stay below white.");
      ImGui::SameLine(0, c.Px(6));
      if (Button(c, "compare/auto_gain", "auto", "Chosen from the clips' differences",
                 local.gain > 0 ? "" : "It is automatic", c.Px(56))) {
        local.gain = 0;
      }
    }
    if (local.difference == DifferenceMode::kSSIM) {
      DrawLegend(c, "SSIM 1", "0", width);
    } else if (local.difference == DifferenceMode::kLuma) {
      DrawLegend(c, "0", Number(view.legend_high, 1) + " of 255", width);
    } else if (local.difference == DifferenceMode::kSigned) {
      DrawDivergingLegend(c, Number(view.legend_low, 1), "+" + Number(view.legend_high, 1) + " of 255", width);
    } else {
      DrawGreyLegend(c, "0", Number(view.legend_high, 1) + " of 255", width);
    }
    Label(c, c.theme.faint,
          local.difference == DifferenceMode::kSigned ? "luma: blue where the left, orange where the right is brighter"
          : local.difference == DifferenceMode::kSSIM ? "luma, of the 11 × 11 window around each pixel"
          : local.difference == DifferenceMode::kLuma ? "BT.709 luma"
                                                      : "red, green and blue apart",
          c.fonts.small);
  }
}

std::string PixelText(const CompareView& view, const CompareClip& clip, int x, int y) {
  const Image& image = clip.frame;
  if (!image.rgb || image.width_px < 1 || view.width_px < 1) return "–";
  const int u = std::clamp(x * image.width_px / view.width_px, 0, image.width_px - 1);
  const int v = std::clamp(y * image.height_px / view.height_px, 0, image.height_px - 1);
  const size_t at = (static_cast<size_t>(v) * static_cast<size_t>(image.width_px) + static_cast<size_t>(u)) * 3;
  const std::vector<uint8_t>& rgb = *image.rgb;
  return std::to_string(rgb[at]) + " " + std::to_string(rgb[at + 1]) + " " + std::to_string(rgb[at + 2]);
}

void Pixel(Context& c, float width) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  Heading(c, "Pixel");
  ImGui::SameLine(0, 0);
  AlignRight(c.Px(172));
  if (QuietButton(c, "compare/one_to_one", local.zoom == 1 ? "fit" : "1:1",
                  "A picture's pixel a pixel of the screen (Z)"))
    OneToOneStage(local);
  ImGui::SameLine(0, c.Px(2));
  if (QuietButton(c, "compare/smooth", local.smooth ? "linear" : "nearest", "Between pixels, when enlarged"))
    local.smooth = !local.smooth;
  ImGui::SameLine(0, c.Px(2));
  if (QuietButton(c, "compare/fit", "reset", "The whole picture, in the middle",
                  local.zoom > 0 ? "" : "It is fitted")) {
    local.zoom = local.pan_x = local.pan_y = 0;
  }
  if (!local.has_pixel) {
    Label(c, c.theme.faint, "point at the picture", c.fonts.small);
    ImGui::Dummy(ImVec2(width, ImGui::GetTextLineHeight()));
    return;
  }
  Label(c, c.theme.dim, std::to_string(local.pixel_x) + ", " + std::to_string(local.pixel_y), c.fonts.small);
  Tooltip(c, "Column and row of the reference's picture, from 0");
  const size_t sides[] = {local.LeftClip(), local.RightClip()};
  for (size_t i = 0; i < std::min<size_t>(2, view.clips.size()); ++i) {
    const CompareClip& clip = view.clips[sides[i]];
    if (i > 0) ImGui::SameLine(width * 0.5f);
    Label(c, sides[i] == local.left ? c.theme.a : c.theme.b, clip.letter);
    ImGui::SameLine(0, c.Px(8));
    CopyableText(c, "pixel/" + std::to_string(i), c.theme.text, PixelText(view, clip, local.pixel_x, local.pixel_y),
                 "Red, green and blue of this pixel of the decoded frame, 0…255");
  }
}

void Numbers(Context& c, float width) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  const CompareCurves* curves = view.CurvesOf(std::max<size_t>(local.right, 1));
  Heading(c, curves ? view.clips[curves->clip].letter + " against A" : "Numbers");
  ImGui::SameLine(0, 0);
  AlignRight(c.Px(view.region.empty() ? 62.0f : 132.0f));
  if (QuietButton(c, "compare/region", local.choosing_region ? "drag…" : "region",
                  "Measure inside a part only: drag a rectangle over the picture")) {
    local.choosing_region = !local.choosing_region;
  }
  if (!view.region.empty()) {
    ImGui::SameLine(0, c.Px(2));
    if (QuietButton(c, "compare/whole", "whole", "Measure the whole picture again")) c.Do(CompareRegion{});
  }
  if (!curves || curves->figures.empty()) {
    Label(c, c.theme.faint, "measuring…", c.fonts.small);
    return;
  }
  const float each = width / 4;
  size_t index = 0;
  for (const Figure& figure : curves->figures) {
    // PSNR takes a row of four, SSIM and flicker one of three.
    const size_t column = index < 4 ? index : (index - 4) % 3;
    if (column > 0) ImGui::SameLine((index < 4 ? each : width / 3) * static_cast<float>(column));
    DrawFigure(c, "figure/" + std::to_string(index), figure, (index < 4 ? each : width / 3) - c.Px(6));
    ++index;
  }
  if (curves->worst_frame >= 0 && Button(c, "compare/worst", "worst frame: " + std::to_string(curves->worst_frame + 1),
                                         "Go to the frame with the least PSNR", "", width)) {
    SeekClock(local, view, curves->worst_frame);
  }
  for (const CompareCurves& floor : view.curves) {
    if (!floor.noise_floor || floor.figures.empty() || &floor == curves) continue;
    Figure figure = floor.figures[0];
    figure.label = "noise floor (" + view.clips[floor.clip].letter + ")";
    figure.definition =
        "PSNR of the reference against itself, rendered by another dense kernel: what rounding alone "
        "does.\n" +
        figure.definition;
    DrawFigure(c, "figure/floor", figure, width);
  }
  Label(c, c.theme.faint, "on " + view.measured_on, c.fonts.small);
}

void Clips(Context& c, float width) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  Heading(c, "Clips");
  for (size_t i = 0; i < view.clips.size(); ++i) {
    const CompareClip& clip = view.clips[i];
    ImGui::PushID(static_cast<int>(i));
    const bool shown = i == local.left || i == local.right;
    Label(c, i == local.left ? c.theme.a : shown ? c.theme.b : c.theme.dim, clip.letter);
    ImGui::SameLine(0, c.Px(8));
    Label(c, shown ? c.theme.text : c.theme.dim, Cut(clip.title, width - c.Px(78)));
    c.Mark("clip/" + std::to_string(i));
    Tooltip(c, clip.path + "\n" + clip.facts + "\n\n" + clip.job_text);
    if (ImGui::IsItemClicked() && i > 0) local.right = i;
    ImGui::SameLine(0, 0);
    AlignRight(c.Px(i > 0 ? 52.0f : 24.0f));
    if (i > 0) {
      if (QuietButton(c, "reference/" + std::to_string(i), "▲", "This is the reference (A)")) c.Do(CompareReference{i});
      ImGui::SameLine(0, 0);
    }
    if (QuietButton(c, "remove/" + std::to_string(i), "✕", "Take this clip out of the comparison"))
      c.Do(CompareRemove{i});
    Label(c, c.theme.faint, Cut(clip.facts, width), c.fonts.small);
    if (i > 0 && view.num_frames > 0) {
      if (QuietButton(c, "shift_less/" + std::to_string(i), "−", "This clip a frame earlier (−)"))
        c.Do(CompareShift{i, -1});
      ImGui::SameLine(0, c.Px(2));
      if (QuietButton(c, "shift_more/" + std::to_string(i), "+", "This clip a frame later (+)"))
        c.Do(CompareShift{i, 1});
      ImGui::SameLine(0, c.Px(6));
      ImGui::AlignTextToFramePadding();
      Label(c, clip.shift == 0 ? c.theme.faint : c.theme.warning,
            clip.shift == 0 ? "not shifted" : "its frame " + std::to_string(clip.shift) + " stands at A's frame 0",
            c.fonts.small);
    }
    ImGui::PopID();
  }
  if (view.rates_differ && Button(c, "compare/rate", view.frame_by_frame ? "frame by frame" : "at A's times",
                                  "Rates differ: show what is on screen at A's times, or frame by frame", "", width)) {
    c.Do(CompareFrameByFrame{!view.frame_by_frame});
  }
  for (const std::string& remark : view.remarks) {
    ImGui::PushTextWrapPos(0);
    Label(c, c.theme.warning, remark, c.fonts.small);
    ImGui::PopTextWrapPos();
  }
}

}  // namespace

void DrawCompareSide(Context& c) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  const float width = ImGui::GetContentRegionAvail().x;
  const bool pair = view.clips.size() > 1;
  if (pair) {
    const char* const modes[] = {"wipe", "side", "flicker", "diff"};
    const int chosen = local.mode == CompareMode::kOneSide ? -1 : static_cast<int>(local.mode);
    const int mode = Segments(c, "view", modes, nullptr, 4, chosen, width);
    if (mode >= 0) local.mode = static_cast<CompareMode>(mode);
    Options(c, width);
  }
  Pixel(c, width);
  if (pair) Numbers(c, width);
  ImGui::Separator();
  Clips(c, width);
  ImGui::Separator();
  if (pair) {
    const float each = (width - c.Px(12)) / 3;
    if (Button(c, "compare/heats", local.heats_open ? "picture" : "heat maps",
               "What attention skipped in both, and the difference", view.heats.empty() ? view.heats_note : "", each)) {
      local.heats_open = !local.heats_open;
    }
    ImGui::SameLine(0, c.Px(6));
    if (Button(c, "compare/abx", "ABX…", "A blind test: can you tell them apart?", "", each)) local.abx_open = true;
    ImGui::SameLine(0, c.Px(6));
    const ExportView& exporting = view.exporting;
    if (exporting.running) {
      if (Button(c, "compare/cancel_export", "cancel", "Stop exporting; nothing is left of it", "", each))
        c.Do(CompareCancelExport{});
      Bar(c, exporting.fraction, ImVec2(width, ImGui::GetFrameHeight()), c.theme.accent_dim,
          exporting.stage + " " + Percent(exporting.fraction));
    } else if (Button(c, "compare/export", "export…", "Videos with labels, pictures, numbers", "", each)) {
      local.export_open = local.focus_export = true;
    }
  }
  const double mib = 1024.0 * 1024;
  Label(c, c.theme.faint,
        "in memory " + Number(static_cast<double>(view.memory_bytes) / mib, 0) + " of " +
            Number(static_cast<double>(view.memory_cap_bytes) / mib, 0) + " MiB",
        c.fonts.small);
  Tooltip(c, "Decoded frames in system memory. Clips that need more keep the frames around the playhead.");
}

}  // namespace ui
