#pragma once

#include "ui/context.h"

// The parts of the workspace Compare, one a file; each draws into the current child window.
namespace ui {

void DrawCompareStage(Context& c);
void DrawCompareTimeline(Context& c);
void DrawCompareSide(Context& c);
void DrawCompareDiffers(Context& c);
void DrawABX(Context& c);           // in the side panel's place
void DrawCompareHeats(Context& c);  // in the stage's place
// Over everything.
void DrawExport(Context& c);

// "201 63 44": red, green and blue of the clip's frame at this pixel of the reference.
std::string PixelText(const CompareView& view, const CompareClip& clip, int x, int y);

// Which slots of textures the workspace uses (ui::Textures).
inline constexpr int kCompareSlot = 10, kDifferenceSlot = 14, kXSlot = 15;

}  // namespace ui
