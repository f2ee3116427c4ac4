#include "app/compare/picture.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "attention/base/error.h"

namespace app {
namespace {

constexpr Color kLine = {255, 255, 255};

double Sinc(double x) { return x == 0 ? 1 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x); }

double Support(ResizeFilter filter) {
  return filter == ResizeFilter::kLanczos ? 3 : filter == ResizeFilter::kBicubic ? 2 : 1;
}

// Bicubic: R. Keys, "Cubic convolution interpolation for digital image processing" (1981), a = −1/2.
double Kernel(ResizeFilter filter, double x) {
  x = std::fabs(x);
  switch (filter) {
    case ResizeFilter::kBilinear:
      return std::max(0.0, 1 - x);
    case ResizeFilter::kLanczos:
      return x < 3 ? Sinc(x) * Sinc(x / 3) : 0;
    case ResizeFilter::kBicubic:
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    case ResizeFilter::kNearest:
      break;
  }
  return 0;
}

// What one output row or column is made of.
struct Taps {
  std::vector<int64_t> index;
  std::vector<float> weight;
};

std::vector<Taps> MakeTaps(int64_t from, int64_t to, ResizeFilter filter) {
  const double scale = static_cast<double>(from) / static_cast<double>(to), widen = std::max(1.0, scale);
  std::vector<Taps> all(static_cast<size_t>(to));
  for (int64_t i = 0; i < to; ++i) {
    Taps& taps = all[static_cast<size_t>(i)];
    const double centre = (static_cast<double>(i) + 0.5) * scale - 0.5;
    if (filter == ResizeFilter::kNearest) {
      taps = {{std::clamp<int64_t>(static_cast<int64_t>((static_cast<double>(i) + 0.5) * scale), 0, from - 1)}, {1.0f}};
      continue;
    }
    const double reach = Support(filter) * widen;
    std::vector<double> weights;
    double sum = 0;
    for (auto j = static_cast<int64_t>(std::ceil(centre - reach)); static_cast<double>(j) <= centre + reach; ++j) {
      taps.index.push_back(std::clamp<int64_t>(j, 0, from - 1));
      weights.push_back(Kernel(filter, (static_cast<double>(j) - centre) / widen));
      sum += weights.back();
    }
    for (double weight : weights) taps.weight.push_back(static_cast<float>(weight / sum));
  }
  return all;
}

template <class Change>
Canvas Combine(const Canvas& a, const Canvas& b, Change change) {
  base::Check(a.height_px == b.height_px && a.width_px == b.width_px, base::ErrorCode::kInternal,
              "pictures of different sizes are combined");
  Canvas out(a.height_px, a.width_px);
  for (size_t i = 0; i < out.rgb.size(); ++i) {
    out.rgb[i] = static_cast<uint8_t>(std::lrint(std::clamp(change(a.rgb[i], b.rgb[i]), 0.0, 255.0)));
  }
  return out;
}

}  // namespace

Picture Resized(const Picture& picture, int64_t height_px, int64_t width_px, ResizeFilter filter) {
  const std::vector<Taps> columns = MakeTaps(picture.width_px, width_px, filter);
  const std::vector<Taps> rows = MakeTaps(picture.height_px, height_px, filter);
  std::vector<float> wide(static_cast<size_t>(picture.height_px * width_px * 3));
  for (int64_t y = 0; y < picture.height_px; ++y) {
    const float* from = &picture.rgb[static_cast<size_t>(y * picture.width_px * 3)];
    float* to = &wide[static_cast<size_t>(y * width_px * 3)];
    for (const Taps& taps : columns) {
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (size_t k = 0; k < taps.index.size(); ++k) sum += taps.weight[k] * from[taps.index[k] * 3 + c];
        *to++ = sum;
      }
    }
  }
  Picture out;
  out.Resize(height_px, width_px);
  const int64_t row_values = width_px * 3;
  for (int64_t y = 0; y < height_px; ++y) {
    float* to = &out.rgb[static_cast<size_t>(y * row_values)];
    std::fill_n(to, row_values, 0.0f);
    const Taps& taps = rows[static_cast<size_t>(y)];
    for (size_t k = 0; k < taps.index.size(); ++k) {
      const float* from = &wide[static_cast<size_t>(taps.index[k] * row_values)];
      for (int64_t i = 0; i < row_values; ++i) to[i] += taps.weight[k] * from[i];
    }
    for (int64_t i = 0; i < row_values; ++i) to[i] = std::clamp(to[i], 0.0f, 1.0f);
  }
  return out;
}

Canvas ToCanvas(const Picture& picture) {
  Canvas out(picture.height_px, picture.width_px);
  for (size_t i = 0; i < out.rgb.size(); ++i) {
    out.rgb[i] = static_cast<uint8_t>(std::lrint(std::clamp(picture.rgb[i], 0.0f, 1.0f) * 255.0f));
  }
  return out;
}

Canvas AbsoluteDifference(const Canvas& a, const Canvas& b, double gain) {
  return Combine(a, b, [gain](int x, int y) { return gain * std::abs(y - x); });
}

Canvas SignedDifference(const Canvas& a, const Canvas& b, double gain) {
  return Combine(a, b, [gain](int x, int y) { return 127.5 + gain * (y - x) / 2; });
}

Canvas Wipe(const Canvas& a, const Canvas& b, double position) {
  const int64_t edge = std::clamp<int64_t>(std::llround(position * static_cast<double>(a.width_px)), 0, a.width_px);
  Canvas out = a;
  for (int64_t y = 0; y < a.height_px && edge < a.width_px; ++y) {
    std::copy(b.at(y, edge), b.at(y, edge) + (b.width_px - edge) * 3, out.at(y, edge));
  }
  const int64_t line = std::max<int64_t>(2, a.width_px / 250);
  if (edge > 0 && edge < a.width_px) FillRect(out, edge - line / 2, 0, line, out.height_px, kLine);
  return out;
}

}  // namespace app
