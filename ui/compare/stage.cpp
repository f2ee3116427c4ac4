#include "ui/compare/stage.h"

#include <algorithm>
#include <cmath>

namespace ui {

StageFrame PlaceStage(const CompareLocal& local, const CompareView& view, float x0, float y0, float x1, float y1) {
  StageFrame frame;
  frame.x0 = x0;
  frame.y0 = y0;
  frame.x1 = x1;
  frame.y1 = y1;
  const auto w = static_cast<float>(std::max(view.width_px, 1)), h = static_cast<float>(std::max(view.height_px, 1));
  const float fitted = std::max(std::min((x1 - x0) / w, (y1 - y0) / h), 1e-3f);
  frame.scale = local.zoom > 0 ? static_cast<float>(local.zoom) : fitted;
  frame.left = std::floor((x0 + x1) / 2 - (w / 2 + static_cast<float>(local.pan_x)) * frame.scale);
  frame.top = std::floor((y0 + y1) / 2 - (h / 2 + static_cast<float>(local.pan_y)) * frame.scale);
  return frame;
}

void ZoomStage(CompareLocal& local, const CompareView& view, const StageFrame& frame, float x, float y, float steps) {
  const double before = frame.scale, after = std::clamp(before * std::pow(1.25, steps), 1.0 / 16, 64.0);
  // In picture pixels, from the picture's upper left corner.
  const double at_x = (x - frame.left) / before, at_y = (y - frame.top) / before;
  local.zoom = after;
  local.pan_x = at_x - view.width_px / 2.0 - (x - (frame.x0 + frame.x1) / 2.0) / after;
  local.pan_y = at_y - view.height_px / 2.0 - (y - (frame.y0 + frame.y1) / 2.0) / after;
}

void OneToOneStage(CompareLocal& local) {
  local.zoom = local.zoom == 1 ? 0 : 1;
  local.pan_x = local.pan_y = 0;
}

void AskForLook(Context& c) {
  CompareLocal& local = c.local.compare;
  CompareLook look;
  look.frame = ClockFrame(local, c.view.compare);
  look.direction = local.backwards ? -1 : 1;
  look.difference = local.mode == CompareMode::kDifference && !c.view.compare.abx.running;
  look.mode = local.difference;
  look.gain = local.gain;
  look.left = local.LeftClip();
  look.right = local.RightClip();
  if (local.has_look && look == local.look) return;
  if (c.view.compare.clips.empty()) return;
  local.has_look = true;
  local.look = look;
  c.Do(look);
}

}  // namespace ui
