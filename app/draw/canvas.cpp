#include "app/draw/canvas.h"

#include <algorithm>
#include <cmath>

#include "attention/base/error.h"

namespace app {

Canvas::Canvas(int64_t height, int64_t width, Color color) : height_px(height), width_px(width) {
  base::Check(height > 0 && width > 0, base::ErrorCode::kInternal, "a canvas of ", width, "x", height, " pixels");
  rgb.resize(static_cast<size_t>(height * width * 3));
  FillRect(*this, 0, 0, width, height, color);
}

void FillRect(Canvas& canvas, int64_t x, int64_t y, int64_t width, int64_t height, Color color) {
  const int64_t right = std::min(x + width, canvas.width_px), bottom = std::min(y + height, canvas.height_px);
  for (int64_t row = std::max<int64_t>(y, 0); row < bottom; ++row) {
    for (int64_t column = std::max<int64_t>(x, 0); column < right; ++column) {
      uint8_t* pixel = canvas.at(row, column);
      pixel[0] = color.r;
      pixel[1] = color.g;
      pixel[2] = color.b;
    }
  }
}

void Blit(Canvas& canvas, int64_t x, int64_t y, const Canvas& picture) {
  const int64_t left = std::max<int64_t>(-x, 0), right = std::min(picture.width_px, canvas.width_px - x);
  for (int64_t row = std::max<int64_t>(-y, 0); row < picture.height_px && y + row < canvas.height_px; ++row) {
    if (left < right) std::copy(picture.at(row, left), picture.at(row, right), canvas.at(y + row, x + left));
  }
}

Canvas Enlarged(const Canvas& picture, int64_t factor) {
  if (factor == 1) return picture;
  Canvas out(picture.height_px * factor, picture.width_px * factor);
  for (int64_t y = 0; y < out.height_px; ++y) {
    for (int64_t x = 0; x < out.width_px; ++x) std::copy_n(picture.at(y / factor, x / factor), 3, out.at(y, x));
  }
  return out;
}

Canvas Reduced(const Canvas& picture, int64_t width_px) {
  if (width_px >= picture.width_px) return picture;
  const double scale = static_cast<double>(picture.width_px) / static_cast<double>(width_px);
  const auto height_px = std::max<int64_t>(1, std::llround(static_cast<double>(picture.height_px) / scale));
  const double scale_y = static_cast<double>(picture.height_px) / static_cast<double>(height_px);
  Canvas out(height_px, width_px);
  for (int64_t y = 0; y < height_px; ++y) {
    const auto top = static_cast<int64_t>(static_cast<double>(y) * scale_y);
    const auto bottom =
        std::clamp<int64_t>(std::llround(static_cast<double>(y + 1) * scale_y), top + 1, picture.height_px);
    for (int64_t x = 0; x < width_px; ++x) {
      const auto left = static_cast<int64_t>(static_cast<double>(x) * scale);
      const auto right =
          std::clamp<int64_t>(std::llround(static_cast<double>(x + 1) * scale), left + 1, picture.width_px);
      int64_t sum[3] = {0, 0, 0};
      for (int64_t v = top; v < bottom; ++v) {
        for (int64_t u = left; u < right; ++u) {
          for (int c = 0; c < 3; ++c) sum[c] += picture.at(v, u)[c];
        }
      }
      const int64_t count = (bottom - top) * (right - left);
      for (int c = 0; c < 3; ++c) out.at(y, x)[c] = static_cast<uint8_t>((sum[c] + count / 2) / count);
    }
  }
  return out;
}

}  // namespace app
