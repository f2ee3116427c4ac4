#include <algorithm>
#include <cmath>
#include <utility>

#include "ui/compare/drop.h"
#include "ui/compare/panels.h"
#include "ui/compare/stage.h"
#include "ui/widgets/controls.h"
#include "ui/widgets/figure.h"

namespace ui {
namespace {

// What is drawn into one frame of the stage.
struct Shown {
  const Image* image = nullptr;
  int slot = 0;
};

Shown ClipAt(const Context& c, size_t clip) {
  const CompareView& view = c.view.compare;
  if (clip >= view.clips.size()) return {};
  return {&view.clips[clip].frame, kCompareSlot + static_cast<int>(clip)};
}

// The picture between the screen's x from `cut0` to `cut1` and y from `top` to `bottom`.
void DrawPicture(Context& c, const StageFrame& frame, const Shown& shown, float cut0, float cut1, float top,
                 float bottom) {
  if (!shown.image || !shown.image->rgb || cut1 <= cut0 || bottom <= top) return;
  const CompareView& view = c.view.compare;
  const ImTextureID texture = c.textures.Show(shown.slot, *shown.image, c.local.compare.smooth);
  if (!texture) return;
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.PushClipRect(ImVec2(std::max(cut0, frame.x0), std::max(top, frame.y0)),
                    ImVec2(std::min(cut1, frame.x1), std::min(bottom, frame.y1)), true);
  draw.AddImage(texture, ImVec2(frame.left, frame.top),
                ImVec2(frame.left + static_cast<float>(view.width_px) * frame.scale,
                       frame.top + static_cast<float>(view.height_px) * frame.scale));
  draw.PopClipRect();
}

void DrawWhole(Context& c, const StageFrame& frame, const Shown& shown) {
  DrawPicture(c, frame, shown, frame.x0, frame.x1, frame.y0, frame.y1);
}

void Caption(Context& c, const StageFrame& frame, const CompareClip& clip, ImU32 color, bool at_right) {
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float most = (frame.x1 - frame.x0) * 0.5f - c.Px(24);
  const std::string title = Cut(clip.letter + "  " + clip.title, most);
  const ImVec2 size = ImGui::CalcTextSize(title.c_str());
  ImGui::PushFont(c.fonts.small);
  const std::string details = Cut(clip.details, most);
  const ImVec2 small = ImGui::CalcTextSize(details.c_str());
  ImGui::PopFont();
  const float width = std::max(size.x, small.x) + c.Px(16),
              height = size.y + (details.empty() ? 0 : small.y + c.Px(1)) + c.Px(10);
  const ImVec2 a(at_right ? frame.x1 - width - c.Px(8) : frame.x0 + c.Px(8), frame.y0 + c.Px(8));
  if (!clip.title.empty()) {
    ImGui::SetCursorScreenPos(a);
    const std::string name = "caption/" + clip.letter;
    ImGui::InvisibleButton(name.c_str(), ImVec2(width, height));
    c.Mark(name);
    c.local.compare.over_caption |= ImGui::IsItemHovered();
    CopyLast(c, clip.letter + "  " + clip.title + (clip.details.empty() ? "" : ", " + clip.details),
             "Settings in which the clips differ, else the file's name. Seconds: of the whole render, all stages "
             "(`timings_s.total` of the sidecar). Skipped: share of the attention's work, blocks of Q·K and tiles of "
             "P·V (`attention.sparsity` of the sidecar).");
  }
  draw.AddRectFilled(a, ImVec2(a.x + width, a.y + height), IM_COL32(10, 12, 16, 190), c.Px(5));
  draw.AddRectFilled(a, ImVec2(a.x + c.Px(3), a.y + height), color, c.Px(2));
  draw.AddText(ImVec2(a.x + c.Px(10), a.y + c.Px(5)), IM_COL32(240, 243, 247, 255), title.c_str());
  if (!details.empty()) {
    draw.AddText(c.fonts.small, c.fonts.small->FontSize, ImVec2(a.x + c.Px(10), a.y + size.y + c.Px(6)),
                 IM_COL32(180, 188, 198, 255), details.c_str());
  }
}

// The clips' colours: A's and B's belong to the reference and what it is compared with.
ImU32 ColorOf(const Context& c, size_t clip) { return clip == c.local.compare.left ? c.theme.a : c.theme.b; }

void DrawWipe(Context& c, const StageFrame& frame) {
  const CompareView& view = c.view.compare;
  const CompareLocal& local = c.local.compare;
  const bool upright = local.vertical;
  const float w = static_cast<float>(view.width_px) * frame.scale, h = static_cast<float>(view.height_px) * frame.scale;
  const float line = upright ? std::round(frame.left + w * static_cast<float>(local.wipe))
                             : std::round(frame.top + h * static_cast<float>(local.wipe));
  const size_t left = local.LeftClip(), right = local.RightClip();
  if (upright) {
    DrawPicture(c, frame, ClipAt(c, left), frame.x0, line, frame.y0, frame.y1);
    DrawPicture(c, frame, ClipAt(c, right), line, frame.x1, frame.y0, frame.y1);
  } else {
    DrawPicture(c, frame, ClipAt(c, left), frame.x0, frame.x1, frame.y0, line);
    DrawPicture(c, frame, ClipAt(c, right), frame.x0, frame.x1, line, frame.y1);
  }
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.PushClipRect(ImVec2(frame.x0, frame.y0), ImVec2(frame.x1, frame.y1), true);
  const float half = std::max(c.Px(0.75f), 1.0f);
  const ImU32 color = local.locked ? c.theme.accent : IM_COL32(255, 255, 255, 210);
  if (upright) {
    draw.AddRectFilled(ImVec2(line - half, std::max(frame.top, frame.y0)),
                       ImVec2(line + half, std::min(frame.top + h, frame.y1)), color);
    const float y = std::clamp(frame.top + h / 2, frame.y0, frame.y1);
    draw.AddCircleFilled(ImVec2(line, y), c.Px(7), color, 20);
    draw.AddTriangleFilled(ImVec2(line - c.Px(4.5f), y), ImVec2(line - c.Px(1.5f), y - c.Px(3)),
                           ImVec2(line - c.Px(1.5f), y + c.Px(3)), IM_COL32(20, 24, 30, 255));
    draw.AddTriangleFilled(ImVec2(line + c.Px(4.5f), y), ImVec2(line + c.Px(1.5f), y - c.Px(3)),
                           ImVec2(line + c.Px(1.5f), y + c.Px(3)), IM_COL32(20, 24, 30, 255));
  } else {
    draw.AddRectFilled(ImVec2(std::max(frame.left, frame.x0), line - half),
                       ImVec2(std::min(frame.left + w, frame.x1), line + half), color);
  }
  draw.PopClipRect();
  Caption(c, frame, view.clips[left], ColorOf(c, left), false);
  Caption(c, frame, view.clips[right], ColorOf(c, right), true);
}

void DrawOne(Context& c, const StageFrame& frame, size_t clip) {
  DrawWhole(c, frame, ClipAt(c, clip));
  if (clip < c.view.compare.clips.size()) Caption(c, frame, c.view.compare.clips[clip], ColorOf(c, clip), false);
}

void DrawBlind(Context& c, const StageFrame& frame) {
  const CompareLocal& local = c.local.compare;
  const Shown shown = local.abx_show == 2 ? Shown{&c.view.compare.abx.x_frame, kXSlot}
                                          : ClipAt(c, local.abx_show == 0 ? local.left : local.right);
  DrawWhole(c, frame, shown);
  const char* const names[] = {"A", "B", "X"};
  const ImU32 colors[] = {c.theme.a, c.theme.b, c.theme.accent};
  CompareClip named;
  named.letter = names[local.abx_show];
  Caption(c, frame, named, colors[local.abx_show], false);
}

// Wheel, right or middle drag, the pixel under the mouse, the wipe's line, the region.
void Mouse(Context& c, const StageFrame& frame, bool hovered, bool active) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  const ImGuiIO& io = ImGui::GetIO();
  const float x = std::floor((io.MousePos.x - frame.left) / frame.scale),
              y = std::floor((io.MousePos.y - frame.top) / frame.scale);
  const int px = static_cast<int>(std::clamp(x, 0.0f, static_cast<float>(view.width_px - 1)));
  const int py = static_cast<int>(std::clamp(y, 0.0f, static_cast<float>(view.height_px - 1)));
  const bool over_caption = std::exchange(local.over_caption, false);  // which the captions set
  const bool inside =
      x >= 0 && y >= 0 && x < static_cast<float>(view.width_px) && y < static_cast<float>(view.height_px);
  if (hovered) {
    // A right click that is no drag holds this pixel, or lets it go.
    if (ImGui::IsMouseReleased(ImGuiMouseButton_Right) && io.MouseDragMaxDistanceSqr[ImGuiMouseButton_Right] < 4)
      local.pixel_held = !local.pixel_held && inside;
    if (!local.pixel_held) {
      local.has_pixel = inside;
      local.pixel_x = px;
      local.pixel_y = py;
    }
    if (io.MouseWheel != 0) ZoomStage(local, view, frame, io.MousePos.x, io.MousePos.y, io.MouseWheel);
  }
  if ((hovered || active) &&
      (ImGui::IsMouseDragging(ImGuiMouseButton_Right, 1) || ImGui::IsMouseDragging(ImGuiMouseButton_Middle, 1))) {
    if (local.zoom <= 0) local.zoom = frame.scale;
    local.pan_x -= io.MouseDelta.x / frame.scale;
    local.pan_y -= io.MouseDelta.y / frame.scale;
    return;
  }
  if (local.choosing_region) {
    ImGui::SetMouseCursor(ImGuiMouseCursor_ResizeAll);
    if (hovered && ImGui::IsMouseClicked(ImGuiMouseButton_Left)) {
      local.dragging_region = true;
      local.region_x = px;
      local.region_y = py;
    }
    local.dragged = {std::min(px, local.region_x), std::min(py, local.region_y), std::abs(px - local.region_x) + 1,
                     std::abs(py - local.region_y) + 1};
    if (local.dragging_region && ImGui::IsMouseReleased(ImGuiMouseButton_Left)) {
      local.dragging_region = local.choosing_region = false;
      // A click without a drag takes the region away.
      c.Do(CompareRegion{local.dragged.width_px < 4 && local.dragged.height_px < 4 ? Region{} : local.dragged});
    }
    return;
  }
  if (local.mode != CompareMode::kWipe || view.abx.running || view.clips.size() < 2) return;
  if (hovered && !over_caption && ImGui::IsMouseClicked(ImGuiMouseButton_Left)) local.locked = !local.locked;
  if (!hovered || local.locked) return;
  const double share = local.vertical
                           ? (io.MousePos.x - frame.left) / (static_cast<double>(view.width_px) * frame.scale)
                           : (io.MousePos.y - frame.top) / (static_cast<double>(view.height_px) * frame.scale);
  local.wipe = std::clamp(share, 0.0, 1.0);
}

void DrawRegion(Context& c, const StageFrame& frame) {
  const CompareView& view = c.view.compare;
  const CompareLocal& local = c.local.compare;
  Region region = view.region;
  if (local.dragging_region) {
    region = local.dragged;
  }
  if (region.empty()) return;
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.PushClipRect(ImVec2(frame.x0, frame.y0), ImVec2(frame.x1, frame.y1), true);
  const ImVec2 a(frame.left + static_cast<float>(region.x) * frame.scale,
                 frame.top + static_cast<float>(region.y) * frame.scale);
  const ImVec2 b(a.x + static_cast<float>(region.width_px) * frame.scale,
                 a.y + static_cast<float>(region.height_px) * frame.scale);
  draw.AddRect(ImVec2(a.x - 1, a.y - 1), ImVec2(b.x + 1, b.y + 1), IM_COL32(0, 0, 0, 180), 0, 0, 3);
  draw.AddRect(a, b, c.theme.warning, 0, 0, 1.5f);
  draw.PopClipRect();
}

// The pixel that is held.
void DrawHeld(Context& c, const StageFrame& frame) {
  const CompareLocal& local = c.local.compare;
  if (!local.pixel_held) return;
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  draw.PushClipRect(ImVec2(frame.x0, frame.y0), ImVec2(frame.x1, frame.y1), true);
  const float least = c.Px(5), side = std::max(frame.scale, least), off = (side - frame.scale) / 2;
  const ImVec2 a(frame.left + static_cast<float>(local.pixel_x) * frame.scale - off,
                 frame.top + static_cast<float>(local.pixel_y) * frame.scale - off);
  draw.AddRect(ImVec2(a.x - 1, a.y - 1), ImVec2(a.x + side + 1, a.y + side + 1), IM_COL32(0, 0, 0, 220), 0, 0, 3);
  draw.AddRect(ImVec2(a.x - 1, a.y - 1), ImVec2(a.x + side + 1, a.y + side + 1), IM_COL32(255, 255, 255, 255), 0, 0, 1);
  draw.PopClipRect();
}

}  // namespace

void DrawCompareStage(Context& c) {
  const CompareView& view = c.view.compare;
  CompareLocal& local = c.local.compare;
  const ImVec2 at = ImGui::GetCursorScreenPos(), room = ImGui::GetContentRegionAvail();
  if (room.x < 4 || room.y < 4) return;
  const bool blind = view.abx.running && local.abx_open;
  const bool halves = local.mode == CompareMode::kSideBySide && !blind && view.clips.size() > 1;
  const float gap = c.Px(6), half = std::floor((room.x - gap) / 2);
  StageFrame first = PlaceStage(local, view, at.x, at.y, halves ? at.x + half : at.x + room.x, at.y + room.y);
  StageFrame second = PlaceStage(local, view, at.x + half + gap, at.y, at.x + room.x, at.y + room.y);
  ImGui::InvisibleButton(
      "stage", room,
      ImGuiButtonFlags_MouseButtonLeft | ImGuiButtonFlags_MouseButtonRight | ImGuiButtonFlags_MouseButtonMiddle);
  ImGui::SetItemAllowOverlap();  // by the captions
  c.Mark("stage");
  const float w = static_cast<float>(view.width_px) * first.scale, h = static_cast<float>(view.height_px) * first.scale;
  c.places["stage/picture"] = {first.left, first.top, first.left + w, first.top + h};
  const bool hovered = ImGui::IsItemHovered(), active = ImGui::IsItemActive();
  TakeDroppedClips(c, "drop_stage", {at.x, at.y, at.x + room.x, at.y + room.y});
  const bool in_second = halves && second.Inside(ImGui::GetIO().MousePos);
  Mouse(c, in_second ? second : first, hovered, active);
  if (!hovered && !local.dragging_region && !local.pixel_held) local.has_pixel = false;
  local.shown_scale = first.scale;
  if (blind) {
    DrawBlind(c, first);
  } else if (view.clips.size() < 2) {
    DrawOne(c, first, 0);
  } else if (halves) {
    DrawOne(c, first, local.LeftClip());
    DrawOne(c, second, local.RightClip());
    DrawRegion(c, second);
    DrawHeld(c, second);
  } else if (local.mode == CompareMode::kFlicker) {
    const size_t side = FlickerSide(local, c.input.time_s);
    DrawOne(c, first, side == 0 ? local.LeftClip() : local.RightClip());
    *c.wants_frames = true;
  } else if (local.mode == CompareMode::kOneSide) {
    DrawOne(c, first, local.one_side == 0 ? local.LeftClip() : local.RightClip());
  } else if (local.mode == CompareMode::kDifference) {
    DrawWhole(c, first, {&view.difference, kDifferenceSlot});
    CompareClip named;
    named.letter = view.clips[local.RightClip()].letter + " − " + view.clips[local.LeftClip()].letter;
    Caption(c, first, named, c.theme.accent, false);
  } else {
    DrawWipe(c, first);
  }
  if (!blind) DrawRegion(c, first);
  if (!blind) DrawHeld(c, first);
}

}  // namespace ui
