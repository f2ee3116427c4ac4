#pragma once

#include "ui/context.h"

// One window one file. Each draws into the current child window.
namespace ui {

void DrawTopBar(Context& c);
void DrawForm(Context& c);
void DrawVocabulary(Context& c);  // inside the form
void DrawViewer(Context& c);
void DrawSparsity(Context& c);
void DrawSkipMap(Context& c);   // inside the sparsity panel
void DrawSchedule(Context& c);  // inside the sparsity panel
void DrawQueue(Context& c);
void DrawCompare(Context& c);
void DrawLibrary(Context& c);

// Over everything.
void DrawNotices(Context& c);
void DrawPalette(Context& c);
void DrawShortcuts(Context& c);
void DrawPathEntry(Context& c);

// Frame back, forth: what the player's keys do.
void StepFrame(Context& c, int frames);

}  // namespace ui
