#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "app/draw/canvas.h"

namespace app {

// DejaVu Sans (assets/fonts), which is part of the program, at one size. Characters that it does not have become a box.
// Not for two threads at once.
class Font {
 public:
  explicit Font(int size_px);
  ~Font();
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  int line_px() const;  // from one line to the next
  int64_t Width(std::string_view utf8) const;

  // Draws one line of text whose box has its upper left corner at (x, y).
  void Draw(Canvas& canvas, int64_t x, int64_t y, std::string_view utf8, Color color) const;

  // The text, or as much of it as fits, with "…".
  std::string Fitting(std::string_view utf8, int64_t width_px) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace app
