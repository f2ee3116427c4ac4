#pragma once

#include <string>

namespace ui {

enum class Workspace { kCreate, kCompare, kLibrary };
enum class HeatView { kTotal, kBlocks, kTiles, kTime, kError };

// How the window is arranged; saved between sessions by whoever runs the program. Sizes in units of 1 px at scale 1.
struct UiState {
  Workspace workspace = Workspace::kCreate;
  bool dark = true;
  float scale = 1;  // of everything, on top of the display's
  float left = 328, right = 408, bottom = 136;
  HeatView heat_view = HeatView::kTotal;
  bool painter_open = false, kernels_open = true, more_attention_open = false, words_open = true;
  std::string open_groups;  // keys of the form's open groups, each followed by ';'
  bool loop = true;
  double speed = 1;
};

// What became of numbers from a file of any origin: every field within what the window can show.
UiState Sane(UiState state);

}  // namespace ui
