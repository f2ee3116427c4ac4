#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "app/compare/label.h"
#include "app/draw/canvas.h"
#include "app/draw/font.h"

namespace app {

// A picture with what is written above it.
struct Panel {
  Canvas picture;
  std::string letter, title, details;
  std::string note;  // of this frame
};

// Puts labelled pictures of one size together. All frames of a video have one size, with even sides.
class Composer {
 public:
  // `zoom`: whole pixels; 0: as many as make small pictures readable (320 px wide). `with_details`: some panel has
  // them.
  Composer(int64_t height_px, int64_t width_px, int64_t zoom, bool with_details);

  int64_t zoom() const { return zoom_; }

  // 2 or 3 in a row, more in a grid that is as wide as it is high.
  Canvas Grid(const std::vector<Panel>& panels) const;

  // One picture with the label of what is left on the left and the other's on the right; `picture` is already zoomed.
  Canvas Pair(const Canvas& picture, const Panel& left, const Panel& right) const;

 private:
  int64_t strip_px() const { return lines_ * font_.line_px() + 2 * kPadding; }
  int64_t cell_width() const { return std::max<int64_t>(width_px_ * zoom_, kMinCell); }
  void DrawStrip(Canvas& canvas, int64_t x, int64_t y, int64_t width, const Panel& panel, bool at_right) const;

  static constexpr int64_t kPadding = 5, kGap = 6, kMinCell = 240;
  int64_t height_px_, width_px_, zoom_, lines_;
  bool with_details_;
  Font font_;
};

// A row of the contact sheet.
struct SheetRow {
  std::string letter, title, details;
  std::vector<Canvas> pictures;
};

// Rows of pictures, evenly spaced in time, with a line above each row and one above each column.
Canvas ContactSheet(const std::vector<SheetRow>& rows, const std::vector<std::string>& columns);

// Indices of `count` (or as many as there are) evenly spaced frames, the first and the last among them; one: the
// middle.
std::vector<int64_t> EvenlySpaced(int64_t num_frames, int64_t count);

}  // namespace app
