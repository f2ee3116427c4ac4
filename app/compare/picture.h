#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "app/draw/canvas.h"

namespace app {

// One frame: RGB [height, width, 3] in 0…1.
struct Picture {
  int64_t height_px = 0, width_px = 0;
  std::vector<float> rgb;

  void Resize(int64_t height, int64_t width) {
    height_px = height;
    width_px = width;
    rgb.resize(static_cast<size_t>(height * width * 3));
  }
};

enum class ResizeFilter { kBicubic, kLanczos, kBilinear, kNearest };

// The picture at another size, stretched where the shape differs; filters widen when they make it smaller. Pixel
// centres lie at half integers; beyond the border its last row or column goes on; values stay in 0…1.
Picture Resized(const Picture& picture, int64_t height_px, int64_t width_px, ResizeFilter filter);

// (x · 255) rounded, halves to even, as the encoders get it.
Canvas ToCanvas(const Picture& picture);

// |b − a| · gain of 8-bit values, per channel.
Canvas AbsoluteDifference(const Canvas& a, const Canvas& b, double gain);

// 127.5 + (b − a) · gain / 2 of 8-bit values, per channel: grey where they are equal, brighter where b is.
Canvas SignedDifference(const Canvas& a, const Canvas& b, double gain);

// a to the left of `position` (0…1 of the width), b to its right, with a line between.
Canvas Wipe(const Canvas& a, const Canvas& b, double position);

}  // namespace app
