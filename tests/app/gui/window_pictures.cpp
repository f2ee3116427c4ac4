#include "tests/app/gui/window_pictures.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "attention/base/error.h"
#include "pipeline/media/media.h"
#include "pipeline/media/png.h"

namespace app {
namespace {

constexpr int kSmaller = 4;
constexpr double kMeanOff = 2.5;    // of 255
constexpr double kFarOff = 48;      // of 255: another colour
constexpr double kShareFar = 0.02;  // of the pixels

struct Small {
  int width_px = 0, height_px = 0;
  std::vector<uint8_t> rgb;
};

Small Reduce(const ui::Image& picture) {
  Small small{picture.width_px / kSmaller, picture.height_px / kSmaller, {}};
  for (int y = 0; y < small.height_px; ++y) {
    for (int x = 0; x < small.width_px; ++x) {
      for (int channel = 0; channel < 3; ++channel) {
        int sum = 0;
        for (int i = 0; i < kSmaller * kSmaller; ++i) {
          const int row = y * kSmaller + i / kSmaller, column = x * kSmaller + i % kSmaller;
          sum += (*picture.rgb)[static_cast<size_t>((row * picture.width_px + column) * 3 + channel)];
        }
        small.rgb.push_back(static_cast<uint8_t>(sum / (kSmaller * kSmaller)));
      }
    }
  }
  return small;
}

void Write(const std::string& path, const std::vector<uint8_t>& rgb, int width_px, int height_px) {
  std::ofstream(path, std::ios::binary) << pipeline::EncodePng(rgb.data(), height_px, width_px, "");
}

}  // namespace

std::string DifferenceFromReference(const ui::Image& picture, const std::string& name) {
  const Small small = Reduce(picture);
  if (const char* folder = std::getenv("SPARGE_WRITE_PICTURES")) {
    Write(std::string(folder) + "/" + name + "_full.png", *picture.rgb, picture.width_px, picture.height_px);
    Write(std::string(folder) + "/" + name + ".png", small.rgb, small.width_px, small.height_px);
  }
  try {
    pipeline::FrameReader reader(SPARGE_SOURCE_DIR "/tests/app/gui/pictures/" + name + ".png");
    if (reader.info().width_px != small.width_px || reader.info().height_px != small.height_px || !reader.Next())
      return "another size than the reference";
    std::vector<float> reference(small.rgb.size());
    reader.Convert(reference.data());
    double sum = 0, far = 0;
    for (size_t i = 0; i < reference.size(); i += 3) {
      double most = 0;
      for (size_t channel = 0; channel < 3; ++channel) {
        const double off = std::abs(static_cast<double>(reference[i + channel]) * 255 - small.rgb[i + channel]);
        sum += off;
        most = std::max(most, off);
      }
      far += most > kFarOff;
    }
    const auto values = static_cast<double>(reference.size());
    const double mean = sum / values, share = far * 3 / values;
    if (mean <= kMeanOff && share <= kShareFar) return "";
    return base::StrCat("off by ", mean, " of 255 on average, ", share * 100, " % of the pixels far off");
  } catch (const base::Error& error) {
    return error.what();
  }
}

}  // namespace app
