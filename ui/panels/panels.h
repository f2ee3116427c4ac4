#pragma once

#include "ui/context.h"

// One window one file. Each draws into the current child window.
namespace ui {

void DrawTopBar(Context& c);
void DrawForm(Context& c);
void DrawVocabulary(Context& c);  // inside the form
void DrawViewer(Context& c);
void DrawSparsity(Context& c);
void DrawSkipMap(Context& c);                // inside the sparsity panel
void DrawBlockMap(Context& c);               // inside the sparsity panel: the map that the view has
void DrawLargeMap(Context& c, ImVec2 room);  // in place of the clip
void DrawSchedule(Context& c);               // inside the sparsity panel
void DrawQueue(Context& c);
void DrawCompare(Context& c, ImVec2 at, ImVec2 area);  // a workspace: makes its own panels
void DrawLibrary(Context& c);
void DrawLibrarySide(Context& c);  // inside the library: the clip that is looked at

// Over everything.
void DrawNotices(Context& c);
void DrawPalette(Context& c);
void DrawShortcuts(Context& c);
void DrawPathEntry(Context& c);
void DrawEncodeAgain(Context& c);  // of the library

// The painter by keys: the brush moves, is put down and lifted at two corners of a rectangle, and changes.
void MoveBrush(Context& c, int steps, int layers);
void PutBrush(Context& c);
void NextBrush(Context& c);

// What is looked at in the sparsity panel: a step and layer's heads, one head's block map, neither.
void ChooseCell(Context& c, int step, int layer);
void ChooseHead(Context& c, int head);
void CloseCell(Context& c);

// Frame back, forth: what the player's keys do.
void StepFrame(Context& c, int frames);

}  // namespace ui
