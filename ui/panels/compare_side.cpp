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
    ImGui::PushAllowKeyboardFocus(false);  // Tab is the next clip's
    if (ImGui::SliderFloat("###flicker_rate", &rate, 0.5f, 15, "%.1f changes a second")) local.flicker_hz = rate;
    ImGui::PopAllowKeyboardFocus();
    c.Mark("compare/flicker_rate");
    CopyLastByRightClick(c, Number(local.flicker_hz, 1), "How often the other side is shown, a second");
  } else if (local.mode == CompareMode::kDifference) {
    const char* const kinds[] = {"absolute", "signed", "luma", "SSIM"};
    const int kind = Segments(c, "difference", kinds, nullptr, 4, static_cast<int>(local.difference), width);
    if (kind >= 0) local.difference = static_cast<DifferenceMode>(kind);
    if (local.difference != DifferenceMode::kSSIM) {
      auto gain = static_cast<float>(local.gain > 0 ? local.gain : view.auto_gain > 0 ? view.auto_gain : 4);
      ImGui::SetNextItemWidth(width - c.Px(62));
      ImGui::PushAllowKeyboardFocus(false);  // Tab is the next clip's
      if (ImGui::SliderFloat("###gain", &gain, 1, 64, "gain × %.1f", ImGuiSliderFlags_Logarithmic)) local.gain = gain;
      ImGui::PopAllowKeyboardFocus();
      c.Mark("compare/gain");
      CopyLastByRightClick(c, Number(gain, 1),
                           "Differences are multiplied by this. auto: the greatest power of two at which 99.5 % of the "
                           "pixels that differ stay below white.");
      ImGui::SameLine(0, c.Px(6));
      if (Button(c, "compare/auto_gain", "auto", "Chosen from the clips' differences",
                 local.gain > 0 ? "" : "It is automatic", c.Px(56))) {
        local.gain = 0;
      }
    }
    const std::string most = Number(view.legend_high, 1);
    if (local.difference == DifferenceMode::kSSIM) {
      DrawLegend(c, "SSIM 1", "0", width);
      CopyLast(c, "SSIM 1 … 0", "Legend: 1 − the similarity of the 11 × 11 window around the pixel; 1 is equal");
    } else if (local.difference == DifferenceMode::kLuma) {
      DrawLegend(c, "0", most + " of 255", width);
      CopyLast(c, "0 … " + most + " of 255", "Legend: |B − A| of BT.709 luma, in 8-bit values; 255 over the gain");
    } else if (local.difference == DifferenceMode::kSigned) {
      DrawDivergingLegend(c, Number(view.legend_low, 1), "+" + most + " of 255", width);
      CopyLast(c, "−" + most + " … +" + most + " of 255",
               "Legend: right − left of BT.709 luma, in 8-bit values; 255 over the gain");
    } else {
      DrawGreyLegend(c, "0", most + " of 255", width);
      CopyLast(c, "0 … " + most + " of 255",
               "Legend: |right − left| of red, green and blue apart, in 8-bit values; 255 over the gain");
    }
    c.Mark("compare/legend");
    Label(c, c.theme.faint,
          local.difference == DifferenceMode::kSigned ? "luma: blue where the left, orange where the right is brighter"
          : local.difference == DifferenceMode::kSSIM ? "luma, of the 11 × 11 window around each pixel"
          : local.difference == DifferenceMode::kLuma ? "BT.709 luma"
                                                      : "red, green and blue apart",
          c.fonts.small);
  }
}

}  // namespace

std::string PixelText(const CompareView& view, const CompareClip& clip, int x, int y) {
  const Image& image = clip.frame;
  if (!image.rgb || image.width_px < 1 || view.width_px < 1) return "–";
  const int u = std::clamp(static_cast<int>(int64_t{x} * image.width_px / view.width_px), 0, image.width_px - 1);
  const int v = std::clamp(static_cast<int>(int64_t{y} * image.height_px / view.height_px), 0, image.height_px - 1);
  const size_t at = (static_cast<size_t>(v) * static_cast<size_t>(image.width_px) + static_cast<size_t>(u)) * 3;
  const std::vector<uint8_t>& rgb = *image.rgb;
  return std::to_string(rgb[at]) + " " + std::to_string(rgb[at + 1]) + " " + std::to_string(rgb[at + 2]);
}

namespace {

std::string ZoomText(float scale) { return "zoom " + Number(scale, scale < 10 ? 2 : 1) + "×"; }

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
  ImGui::PushFont(c.fonts.small);
  if (local.has_pixel) {
    CopyableText(c, "pixel/at", c.theme.dim, std::to_string(local.pixel_x) + ", " + std::to_string(local.pixel_y),
                 "Column and row of the reference's picture, from 0");
    if (local.pixel_held) {
      ImGui::SameLine(0, c.Px(8));
      Label(c, c.theme.warning, "held");
      Tooltip(c, "A right click on the picture lets it go.");
    }
  } else {
    Label(c, c.theme.faint, "point at the picture");
    Tooltip(c, "A right click holds a pixel; C copies where the mouse is, and the values there.");
  }
  if (local.shown_scale > 0) {
    const std::string zoom = ZoomText(local.shown_scale);
    ImGui::SameLine(0, 0);
    AlignRight(ImGui::CalcTextSize(zoom.c_str()).x);
    CopyableText(c, "compare/zoom", c.theme.faint, zoom,
                 "Pixels of the screen a pixel of the reference's picture. The wheel zooms on the pixel under the "
                 "mouse, a right drag moves the picture.");
  }
  ImGui::PopFont();
  if (!local.has_pixel) {
    ImGui::Dummy(ImVec2(width, ImGui::GetTextLineHeight()));
    return;
  }
  const size_t sides[] = {local.LeftClip(), local.RightClip()};
  const float left = ImGui::GetCursorPosX();
  for (size_t i = 0; i < std::min<size_t>(2, view.clips.size()); ++i) {
    const CompareClip& clip = view.clips[sides[i]];
    if (i > 0) ImGui::SameLine(left + width * 0.5f);
    Label(c, sides[i] == local.left ? c.theme.a : c.theme.b, clip.letter);
    ImGui::SameLine(0, c.Px(8));
    CopyableText(
        c, "pixel/" + std::to_string(i), c.theme.text, PixelText(view, clip, local.pixel_x, local.pixel_y),
        "Red, green and blue of this pixel of the decoded frame, 0…255; of a picture above 12 megapixels, which is "
        "halved, the mean of the pixels that are one");
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
  const Region& region = local.dragging_region ? local.dragged : view.region;
  if (!region.empty()) {
    ImGui::PushFont(c.fonts.small);
    CopyableText(c, "compare/region_text", c.theme.warning,
                 "in " + std::to_string(region.width_px) + " × " + std::to_string(region.height_px) + " px at " +
                     std::to_string(region.x) + ", " + std::to_string(region.y),
                 "The region that is measured: width × height, and column and row of its upper left corner, in the "
                 "reference's pixels from 0");
    ImGui::PopFont();
  }
  if (!curves || curves->figures.empty()) {
    Label(c, c.theme.faint, "measuring…", c.fonts.small);
    return;
  }
  const float each = width / 4, left = ImGui::GetCursorPosX();
  size_t index = 0;
  for (const Figure& figure : curves->figures) {
    // PSNR takes a row of four, SSIM and flicker one of three.
    const size_t column = index < 4 ? index : (index - 4) % 3;
    if (column > 0) ImGui::SameLine(left + (index < 4 ? each : width / 3) * static_cast<float>(column));
    DrawFigure(c, "figure/" + std::to_string(index), figure, (index < 4 ? each : width / 3) - c.Px(6));
    ++index;
  }
  if (curves->worst_frame >= 0) {
    const std::string number = std::to_string(curves->worst_frame + 1);
    if (Button(c, "compare/worst", "worst frame: " + number,
               "Go to the frame with the least PSNR (B); frames count from 1", "", width)) {
      SeekClock(local, view, curves->worst_frame);
    }
    CopyLastByRightClick(c, number);
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
    Tooltip(c,
            clip.path + "\n" + clip.facts + "\n\n" + clip.job_text + "\n" + (i > 0 ? "\nclick: compare this one" : ""));
    CopyLastByRightClick(c, clip.title);
    if (ImGui::IsItemClicked() && i > 0) local.right = i;
    ImGui::SameLine(0, 0);
    AlignRight(c.Px(i > 0 ? 52.0f : 24.0f));
    if (i > 0) {
      if (QuietButton(c, "reference/" + std::to_string(i), "▲", "This is the reference (A)")) c.Do(CompareReference{i});
      ImGui::SameLine(0, 0);
    }
    if (QuietButton(c, "remove/" + std::to_string(i), "✕", "Take this clip out of the comparison"))
      c.Do(CompareRemove{i});
    ImGui::PushFont(c.fonts.small);
    CopyableText(c, "facts/" + std::to_string(i), c.theme.faint, Cut(clip.facts, width),
                 "As the file has them: width × height, frames that can be read, rate, codec and container" +
                     (clip.fitted.empty() ? "" : "\n" + clip.fitted),
                 clip.facts);
    ImGui::PopFont();
    // Of the others only what was done: they are shifted once they are looked at.
    if (i > 0 && view.num_frames > 0 && (i == local.right || clip.shift != 0)) {
      if (QuietButton(c, "shift_less/" + std::to_string(i), "−", "This clip a frame earlier (−)"))
        c.Do(CompareShift{i, -1});
      ImGui::SameLine(0, c.Px(2));
      if (QuietButton(c, "shift_more/" + std::to_string(i), "+", "This clip a frame later (+)"))
        c.Do(CompareShift{i, 1});
      ImGui::SameLine(0, c.Px(6));
      ImGui::SetCursorPosY(ImGui::GetCursorPosY() + c.Px(4));
      ImGui::PushFont(c.fonts.small);
      CopyableText(
          c, "shift/" + std::to_string(i), clip.shift == 0 ? c.theme.faint : c.theme.warning,
          clip.shift == 0 ? "not shifted" : "its frame " + std::to_string(clip.shift) + " stands at A's frame 0",
          "Shifted by whole frames, counted from 0; what only one clip has is left out");
      ImGui::PopFont();
    }
    ImGui::PopID();
  }
  if (view.rates_differ && Button(c, "compare/rate", view.frame_by_frame ? "frame by frame" : "at A's times",
                                  "Rates differ: show what is on screen at A's times, or frame by frame", "", width)) {
    c.Do(CompareFrameByFrame{!view.frame_by_frame});
  }
  ImGui::PushFont(c.fonts.small);
  for (size_t i = 0; i < view.remarks.size(); ++i)
    CopyableParagraph(c, "remark/" + std::to_string(i), c.theme.warning, view.remarks[i], "");
  ImGui::PopFont();
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
      const std::string text = exporting.stage + " " + Percent(exporting.fraction);
      Bar(c, exporting.fraction, ImVec2(width, ImGui::GetFrameHeight()), c.theme.accent_dim, text);
      CopyLast(c, text, "Share of the frames that this part of the export has written");
    } else if (Button(c, "compare/export", "export…", "Videos with labels, pictures, numbers", "", each)) {
      local.export_open = local.focus_export = true;
    }
  }
  const double mib = 1024.0 * 1024;
  ImGui::PushFont(c.fonts.small);
  CopyableText(c, "compare/memory", c.theme.faint,
               "in memory " + Number(static_cast<double>(view.memory_bytes) / mib, 0) + " of " +
                   Number(static_cast<double>(view.memory_cap_bytes) / mib, 0) + " MiB",
               "Decoded frames in system memory, and the most that they may take. Clips that need more keep the frames "
               "around the playhead.");
  CopyableText(
      c, "compare/video_memory", c.theme.faint,
      "on screen " + Number(static_cast<double>(c.textures.Bytes(kCompareSlot, kXSlot)) / 1e6, 1) + " of 288 MB",
      "Video memory of the pictures, at 32 bits a pixel: up to four clips, a difference and X, of at most 12 "
      "megapixels each. Larger pictures are halved, for the screen only.");
  ImGui::PopFont();
}

}  // namespace ui
