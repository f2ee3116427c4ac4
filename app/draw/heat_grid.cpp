#include "app/draw/heat_grid.h"

#include <algorithm>
#include <cmath>

#include "app/draw/font.h"
#include "attention/base/error.h"

namespace app {
namespace {

constexpr Color kPaper{255, 255, 255}, kInk{32, 32, 36}, kFaint{110, 110, 118}, kHatch{205, 205, 210},
    kNone{236, 236, 240};
constexpr int64_t kMargin = 16, kGap = 8, kScaleWidth = 18;

// A cell's size: as large as 900 × 600 pixels of cells allow, within these.
constexpr int64_t kSmallestCell = 6, kLargestCell = 44;

int64_t CellSize(int64_t count, int64_t room) {
  return std::clamp(room / std::max<int64_t>(count, 1), kSmallestCell, kLargestCell);
}

void FillHatched(Canvas& canvas, int64_t x, int64_t y, int64_t width, int64_t height) {
  FillRect(canvas, x, y, width, height, kNone);
  for (int64_t row = 0; row < height; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      if ((row + column) % 5 == 0) FillRect(canvas, x + column, y + row, 1, 1, kHatch);
    }
  }
}

// Every n-th name such that they do not touch.
int64_t NameStep(int64_t needed_px, int64_t cell_px) {
  return std::max<int64_t>(1, (needed_px + cell_px - 1) / cell_px);
}

int64_t WidestName(const Font& font, const std::vector<std::string>& names) {
  int64_t widest = 0;
  for (const std::string& name : names) widest = std::max(widest, font.Width(name));
  return widest;
}

}  // namespace

Color HeatColor(double share) {
  // Lightness (CIE L*) rises evenly from 12 to 92 over these; hues from violet over green to yellow.
  constexpr double kStops[][3] = {{35, 12, 64},  {52, 66, 122},  {28, 116, 126},
                                  {62, 158, 96}, {164, 194, 70}, {250, 228, 96}};
  constexpr int kLast = static_cast<int>(std::size(kStops)) - 1;
  const double at = std::clamp(share, 0.0, 1.0) * kLast;
  const int i = std::min(static_cast<int>(at), kLast - 1);
  const double f = at - i;
  const auto mix = [&](int c) {
    return static_cast<uint8_t>(std::lround(kStops[i][c] + f * (kStops[i + 1][c] - kStops[i][c])));
  };
  return {mix(0), mix(1), mix(2)};
}

Canvas DrawHeatGrid(const HeatGrid& grid) {
  base::Check(grid.rows > 0 && grid.columns > 0 && static_cast<int64_t>(grid.values.size()) == grid.rows * grid.columns,
              base::ErrorCode::kInternal, "a heat map of ", grid.rows, " x ", grid.columns, " with ",
              grid.values.size(), " values");
  const Font large(17), font(12);
  const int64_t cell_width = CellSize(grid.columns, 900), cell_height = std::min(CellSize(grid.rows, 600), cell_width);
  const int64_t width = cell_width * grid.columns, height = cell_height * grid.rows;
  const int64_t left = kMargin + font.Width(grid.y_label) + kGap + WidestName(font, grid.row_names) + kGap;
  const int64_t top = kMargin + large.line_px() + (grid.subtitle.empty() ? 0 : font.line_px()) + kGap;
  const int64_t scale_left = left + width + 2 * kMargin;
  const int64_t scale_height = std::max<int64_t>(height, 90);
  const int64_t scale_text = std::max({font.Width(grid.format(grid.low)), font.Width(grid.format(grid.high)),
                                       font.Width(grid.format((grid.low + grid.high) / 2))});
  const int64_t right =
      std::max(scale_left + kScaleWidth + kGap + scale_text, scale_left + font.Width(grid.scale_label));
  const int64_t text_right = kMargin + std::max(large.Width(grid.title), font.Width(grid.subtitle));
  const int64_t bottom = top + std::max(height + 2 * font.line_px() + kGap, scale_height + 2 * font.line_px());
  Canvas canvas(bottom + kMargin, std::max(right, text_right) + kMargin, kPaper);

  large.Draw(canvas, kMargin, kMargin, grid.title, kInk);
  if (!grid.subtitle.empty()) font.Draw(canvas, kMargin, kMargin + large.line_px(), grid.subtitle, kFaint);

  const double span = grid.high > grid.low ? grid.high - grid.low : 1;
  for (int64_t r = 0; r < grid.rows; ++r) {
    for (int64_t c = 0; c < grid.columns; ++c) {
      const double value = grid.values[static_cast<size_t>(r * grid.columns + c)];
      const int64_t x = left + c * cell_width, y = top + r * cell_height;
      // A pixel of paper between cells that are large enough for it.
      const int64_t seam = cell_height >= 10 ? 1 : 0;
      if (std::isnan(value)) {
        FillHatched(canvas, x, y, cell_width - seam, cell_height - seam);
        continue;
      }
      const double share = (value - grid.low) / span;
      FillRect(canvas, x, y, cell_width - seam, cell_height - seam, HeatColor(share));
      const std::string text = grid.format(value);
      if (font.Width(text) + 4 > cell_width || font.line_px() > cell_height) continue;
      font.Draw(canvas, x + (cell_width - seam - font.Width(text)) / 2, y + (cell_height - seam - font.line_px()) / 2,
                text, share > 0.6 ? kInk : kPaper);
    }
  }

  const int64_t row_step = NameStep(font.line_px(), cell_height);
  for (int64_t r = 0; r < grid.rows; r += row_step) {
    const std::string& name = grid.row_names[static_cast<size_t>(r)];
    font.Draw(canvas, left - kGap - font.Width(name), top + r * cell_height + (cell_height - font.line_px()) / 2, name,
              kInk);
  }
  font.Draw(canvas, kMargin, top + std::max<int64_t>(0, (height - font.line_px()) / 2), grid.y_label, kFaint);
  const int64_t column_step = NameStep(WidestName(font, grid.column_names) + 6, cell_width);
  for (int64_t c = 0; c < grid.columns; c += column_step) {
    const std::string& name = grid.column_names[static_cast<size_t>(c)];
    font.Draw(canvas, left + c * cell_width + (cell_width - font.Width(name)) / 2, top + height + 2, name, kInk);
  }
  font.Draw(canvas, left + std::max<int64_t>(0, (width - font.Width(grid.x_label)) / 2),
            top + height + 2 + font.line_px(), grid.x_label, kFaint);

  for (int64_t i = 0; i < scale_height; ++i) {
    FillRect(canvas, scale_left, top + i, kScaleWidth, 1,
             HeatColor(1 - static_cast<double>(i) / static_cast<double>(scale_height - 1)));
  }
  for (int tick = 0; tick <= 2; ++tick) {
    const int64_t y = top + (scale_height - 1) * tick / 2;
    FillRect(canvas, scale_left + kScaleWidth, y, 4, 1, kInk);
    const int64_t text_y = std::clamp(y - font.line_px() / 2, top, top + scale_height - font.line_px());
    font.Draw(canvas, scale_left + kScaleWidth + kGap, text_y, grid.format(grid.high - span * tick / 2), kInk);
  }
  font.Draw(canvas, scale_left, top + scale_height + 4, grid.scale_label, kFaint);
  return canvas;
}

Canvas Stacked(const std::vector<Canvas>& pictures) {
  int64_t width = 1, height = 0;
  for (const Canvas& picture : pictures) {
    width = std::max(width, picture.width_px);
    height += picture.height_px;
  }
  Canvas canvas(std::max<int64_t>(height, 1), width, kPaper);
  int64_t y = 0;
  for (const Canvas& picture : pictures) {
    Blit(canvas, 0, y, picture);
    y += picture.height_px;
  }
  return canvas;
}

}  // namespace app
