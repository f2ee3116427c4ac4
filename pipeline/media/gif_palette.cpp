#include "pipeline/media/gif_palette.h"

#include <algorithm>
#include <climits>
#include <cmath>

namespace pipeline {

// A part of the histogram: its mean and its widest axis.
struct GifPalette::Part {
  std::vector<Colour>::iterator begin, end;
  double mean[3] = {};
  int axis = 0;
  double spread = 0;  // weighted sum of squared distances from the mean along `axis`
};

void GifPalette::Add(const uint8_t* rgb, int64_t count) {
  for (int64_t i = 0; i < count; ++i, rgb += 3) {
    Bin& bin = bins_[(rgb[0] >> 2) << 12 | (rgb[1] >> 2) << 6 | rgb[2] >> 2];
    ++bin.count;
    for (int c = 0; c < 3; ++c) bin.sum[c] += rgb[c];
  }
}

GifPalette::Part GifPalette::Measure(std::vector<Colour>::iterator begin, std::vector<Colour>::iterator end) {
  Part part{begin, end};
  double weight = 0, spread[3] = {};
  for (auto it = begin; it != end; ++it) {
    weight += it->weight;
    for (int c = 0; c < 3; ++c) part.mean[c] += it->weight * it->value[c];
  }
  for (double& m : part.mean) m /= weight;
  for (auto it = begin; it != end; ++it) {
    for (int c = 0; c < 3; ++c) spread[c] += it->weight * (it->value[c] - part.mean[c]) * (it->value[c] - part.mean[c]);
  }
  part.axis = static_cast<int>(std::max_element(spread, spread + 3) - spread);
  part.spread = end - begin > 1 ? spread[part.axis] : 0;
  return part;
}

void GifPalette::Build() {
  std::vector<Colour> colours;
  for (const Bin& bin : bins_) {
    if (bin.count == 0) continue;
    const double n = static_cast<double>(bin.count);
    colours.push_back({n, {bin.sum[0] / n, bin.sum[1] / n, bin.sum[2] / n}});
  }
  bins_.clear();
  bins_.shrink_to_fit();
  std::vector<Part> parts;
  if (!colours.empty()) parts.push_back(Measure(colours.begin(), colours.end()));
  while (!parts.empty() && parts.size() < kMaxColours) {
    auto widest =
        std::max_element(parts.begin(), parts.end(), [](const Part& a, const Part& b) { return a.spread < b.spread; });
    if (widest->spread <= 0) break;
    const Part whole = *widest;
    const auto middle = std::stable_partition(whole.begin, whole.end, [&](const Colour& colour) {
      return colour.value[whole.axis] <= whole.mean[whole.axis];
    });
    if (middle == whole.begin || middle == whole.end) {  // the mean rounded onto an end: these are one colour
      widest->spread = 0;
      continue;
    }
    *widest = Measure(whole.begin, middle);
    parts.push_back(Measure(middle, whole.end));
  }
  num_colours_ = static_cast<int>(parts.size());
  argb_.fill(0xFF000000u);
  argb_[kMaxColours] = 0;
  for (int i = 0; i < num_colours_; ++i) {
    for (int c = 0; c < 3; ++c) colours_[i][c] = static_cast<int>(std::lrint(parts[i].mean[c]));
    argb_[i] = 0xFF000000u | colours_[i][0] << 16 | colours_[i][1] << 8 | colours_[i][2];
  }
  nearest_.assign(1 << 24, -1);
}

int GifPalette::Nearest(const std::array<int, 3>& colour) {
  int16_t& known = nearest_[colour[0] << 16 | colour[1] << 8 | colour[2]];
  if (known >= 0) return known;
  int best = 0, best_distance = INT_MAX;
  for (int i = 0; i < num_colours_; ++i) {
    int distance = 0;
    for (int c = 0; c < 3; ++c) distance += (colours_[i][c] - colour[c]) * (colours_[i][c] - colour[c]);
    if (distance < best_distance) {
      best_distance = distance;
      best = i;
    }
  }
  known = static_cast<int16_t>(best);
  return best;
}

void GifPalette::Map(const uint8_t* rgb, int64_t height, int64_t width, uint8_t* indices, int64_t stride) {
  // Errors in sixteenths, with a column of margin on either side.
  std::vector<std::array<int, 3>> here(width + 2), below(width + 2);
  for (int64_t y = 0; y < height; ++y) {
    const int step = y % 2 == 0 ? 1 : -1;
    for (int64_t n = 0; n < width; ++n) {
      const int64_t x = step > 0 ? n : width - 1 - n;
      std::array<int, 3> wanted;
      for (int c = 0; c < 3; ++c) {
        const int error = here[x + 1][c];
        wanted[c] = std::clamp(rgb[3 * (y * width + x) + c] + (error + (error >= 0 ? 8 : -8)) / 16, 0, 255);
      }
      const int index = Nearest(wanted);
      indices[y * stride + x] = static_cast<uint8_t>(index);
      for (int c = 0; c < 3; ++c) {
        const int error = wanted[c] - colours_[index][c];
        here[x + 1 + step][c] += 7 * error;
        below[x + 1 - step][c] += 3 * error;
        below[x + 1][c] += 5 * error;
        below[x + 1 + step][c] += error;
      }
    }
    here.swap(below);
    std::fill(below.begin(), below.end(), std::array<int, 3>{});
  }
}

}  // namespace pipeline
