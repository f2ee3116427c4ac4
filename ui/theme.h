#pragma once

#include <imgui.h>

#include <string>

#include "ui/letters.h"
#include "ui/view.h"

namespace ui {

// Colours by role. One accent; A is blue and B orange wherever they appear.
struct Theme {
  bool dark = true;
  ImU32 back, panel, field, raised, border, text, dim, faint, accent, accent_dim, on_accent, a, b, error, warning, good;
  ImU32 dense, dense8, sparge;  // the modes, in the switch and the painter
  ImU32 unknown;                // cells without data

  ImU32 ModeColor(CellMode mode) const;
};

Theme MakeTheme(bool dark);

// Sets ImGui's style to the theme, for a display of this scale.
void ApplyTheme(const Theme& theme, float scale);

// 0…1 to a colour: viridis (CC0, by S. van der Walt and N. Smith), perceptually uniform and safe for the colour-blind.
ImU32 Viridis(double value);

ImU32 WithAlpha(ImU32 color, double alpha);
// Black or white, whichever reads better on it.
ImU32 TextOn(ImU32 color);

struct Fonts {
  ImFont* body = nullptr;   // 15 px at scale 1
  ImFont* small = nullptr;  // 13 px
  ImFont* title = nullptr;  // 19 px
};

struct FontFile {
  std::string path;  // "": none
  int number = 0;    // in a collection
};

// Loads the font file into the atlas of the current context, with Latin, Greek, Cyrillic and the signs that the panels
// use, and these `letters` from the font `cjk`. Falls back to ImGui's own font where the file cannot be read; then
// `problem` says so. A `cjk` that cannot be read is left out.
Fonts LoadFonts(const std::string& font, const FontFile& cjk, const Letters& letters, float scale,
                std::string* problem);

}  // namespace ui
