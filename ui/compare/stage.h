#pragma once

#include "ui/compare/player.h"
#include "ui/context.h"

namespace ui {

// Where a picture of the reference's size stands on the screen.
struct StageFrame {
  float x0 = 0, y0 = 0, x1 = 0, y1 = 0;  // what it is drawn into; beyond, it is cut off
  float scale = 1;                       // screen pixels a picture pixel
  float left = 0, top = 0;               // of the picture, on the screen

  bool Inside(ImVec2 point) const { return point.x >= x0 && point.x < x1 && point.y >= y0 && point.y < y1; }
};

// Fits or zooms the picture into the rectangle, as `local` says.
StageFrame PlaceStage(const CompareLocal& local, const CompareView& view, float x0, float y0, float x1, float y1);

// The wheel: `steps` of zoom with the picture's point under (x, y) staying there.
void ZoomStage(CompareLocal& local, const CompareView& view, const StageFrame& frame, float x, float y, float steps);

// One picture pixel a screen pixel, or fitted again.
void OneToOneStage(CompareLocal& local);

// Tells the program what is to be seen, if that changed.
void AskForLook(Context& c);

}  // namespace ui
