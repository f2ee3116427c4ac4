#pragma once

#include <cstdint>
#include <vector>

namespace app {

struct Color {
  uint8_t r = 0, g = 0, b = 0;
};

// An 8-bit RGB picture [height, width, 3], dense, rows from the top.
struct Canvas {
  Canvas() = default;
  Canvas(int64_t height, int64_t width, Color color = {});

  uint8_t* at(int64_t y, int64_t x) { return rgb.data() + (y * width_px + x) * 3; }
  const uint8_t* at(int64_t y, int64_t x) const { return rgb.data() + (y * width_px + x) * 3; }

  int64_t height_px = 0, width_px = 0;
  std::vector<uint8_t> rgb;
};

// A rectangle of one colour. What lies outside of the canvas is left out, here and below.
void FillRect(Canvas& canvas, int64_t x, int64_t y, int64_t width, int64_t height, Color color);

// Puts a picture with its upper left corner at (x, y).
void Blit(Canvas& canvas, int64_t x, int64_t y, const Canvas& picture);

// Every pixel `factor` times in both directions.
Canvas Enlarged(const Canvas& picture, int64_t factor);

// Smaller by averaging areas, to this width and the height that keeps the shape.
Canvas Reduced(const Canvas& picture, int64_t width_px);

}  // namespace app
