#include "app/compare/compose.h"

#include <algorithm>
#include <cmath>

namespace app {
namespace {

constexpr Color kPaper = {22, 23, 26}, kInk = {240, 240, 240}, kQuiet = {165, 170, 178}, kAccent = {255, 190, 90};

int64_t AutoZoom(int64_t width_px) {
  constexpr int64_t kReadable = 320, kMost = 16;
  return std::clamp<int64_t>((kReadable + width_px - 1) / width_px, 1, kMost);
}

int FontSize(int64_t cell_width) { return static_cast<int>(std::clamp<int64_t>(10 + cell_width / 80, 12, 24)); }

int64_t Even(int64_t n) { return n + n % 2; }

}  // namespace

Composer::Composer(int64_t height_px, int64_t width_px, int64_t zoom, bool with_details)
    : height_px_(height_px),
      width_px_(width_px),
      zoom_(zoom > 0 ? zoom : AutoZoom(width_px)),
      lines_(with_details ? 3 : 2),
      with_details_(with_details),
      font_(FontSize(cell_width())) {}

void Composer::DrawStrip(Canvas& canvas, int64_t x, int64_t y, int64_t width, const Panel& panel, bool at_right) const {
  const int64_t room = width - 2 * kPadding, letter_px = font_.Width(panel.letter + "  ");
  const int64_t right = x + width - kPadding;
  int64_t top = y + kPadding;
  const std::string title = font_.Fitting(panel.title, room - letter_px);
  const int64_t start = at_right ? right - letter_px - font_.Width(title) : x + kPadding;
  font_.Draw(canvas, start, top, panel.letter, kAccent);
  font_.Draw(canvas, start + letter_px, top, title, kInk);
  const auto line = [&](const std::string& text, Color color) {
    top += font_.line_px();
    const std::string fitting = font_.Fitting(text, room);
    font_.Draw(canvas, at_right ? right - font_.Width(fitting) : x + kPadding, top, fitting, color);
  };
  if (with_details_) line(panel.details, kQuiet);
  line(panel.note, kQuiet);
}

Canvas Composer::Grid(const std::vector<Panel>& panels) const {
  const auto count = static_cast<int64_t>(panels.size());
  int64_t columns = count;
  if (count > 3) {
    for (columns = 2; columns * columns < count;) ++columns;
  }
  const int64_t rows = (count + columns - 1) / columns;
  const int64_t cell_height = strip_px() + height_px_ * zoom_;
  Canvas out(Even(rows * cell_height + (rows - 1) * kGap), Even(columns * cell_width() + (columns - 1) * kGap), kPaper);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t x = i % columns * (cell_width() + kGap), y = i / columns * (cell_height + kGap);
    const Panel& panel = panels[static_cast<size_t>(i)];
    DrawStrip(out, x, y, cell_width(), panel, false);
    Blit(out, x, y + strip_px(), Enlarged(panel.picture, zoom_));
  }
  return out;
}

Canvas Composer::Pair(const Canvas& picture, const Panel& left, const Panel& right) const {
  const int64_t width = std::max(cell_width(), 2 * kMinCell);
  Canvas out(Even(strip_px() + picture.height_px), Even(width), kPaper);
  DrawStrip(out, 0, 0, width / 2, left, false);
  DrawStrip(out, width / 2, 0, width - width / 2, right, true);
  Blit(out, (width - picture.width_px) / 2, strip_px(), picture);
  return out;
}

std::vector<int64_t> EvenlySpaced(int64_t num_frames, int64_t count) {
  count = std::min(count, num_frames);
  if (count == 1) return {(num_frames - 1) / 2};
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) indices.push_back((i * (num_frames - 1) + (count - 1) / 2) / (count - 1));
  return indices;
}

Canvas ContactSheet(const std::vector<SheetRow>& rows, const std::vector<std::string>& columns) {
  constexpr int64_t kLeast = 160, kMost = 400, kPadding = 6, kGap = 4;
  const auto thumbnail = [&](const Canvas& picture) {
    const int64_t zoom = std::clamp<int64_t>((kLeast + picture.width_px - 1) / picture.width_px, 1, 16);
    return Reduced(Enlarged(picture, zoom), kMost);
  };
  const Canvas first = thumbnail(rows[0].pictures[0]);
  const Font font(14);
  const auto count = static_cast<int64_t>(columns.size());
  const int64_t cell = std::max(first.width_px, kLeast) + kGap, width = std::max<int64_t>(count * cell - kGap, 480);
  const int64_t strip = font.line_px() + kPadding;
  const int64_t row_px = strip + first.height_px + kPadding;
  Canvas out(strip + static_cast<int64_t>(rows.size()) * row_px, width, kPaper);
  for (int64_t i = 0; i < count; ++i) {
    font.Draw(out, i * cell + 2, kPadding / 2, font.Fitting(columns[static_cast<size_t>(i)], cell - 4), kQuiet);
  }
  int64_t y = strip;
  for (const SheetRow& row : rows) {
    int64_t x = 2;
    const auto text = [&](const std::string& words, Color color) {
      const std::string fitting = font.Fitting(words, std::max<int64_t>(width - x - 2, 0));
      font.Draw(out, x, y + kPadding / 2, fitting, color);
      x += font.Width(fitting + "  ");
    };
    text(row.letter, kAccent);
    text(row.title, kInk);
    text(row.details, kQuiet);
    for (size_t i = 0; i < row.pictures.size(); ++i) {
      Blit(out, static_cast<int64_t>(i) * cell, y + strip, thumbnail(row.pictures[i]));
    }
    y += row_px;
  }
  return out;
}

}  // namespace app
