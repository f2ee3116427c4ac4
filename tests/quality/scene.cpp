#include "tests/quality/scene.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <random>

#include "assets/toybox/train/renderer.h"
#include "attention/base/error.h"

namespace quality {
namespace {

constexpr int kFrames = 33, kSizePx = 128, kSamples = 2;

// The grammar's rules: an object never has its floor's colour name, and a sphere's spin could not be seen.
bool IsValid(const Scene& scene) {
  return Words(kColour)[scene[kColour]] != Words(kFloor)[scene[kFloor]] &&
         !(Words(kShape)[scene[kShape]] == "sphere" && Words(kMotion)[scene[kMotion]] == "spin");
}

}  // namespace

const std::string& AttributeName(int attribute) {
  static const std::array<std::string, kNumAttributes> kNames = {"shape", "colour", "floor", "motion", "sky"};
  return kNames.at(attribute);
}

const std::vector<std::string>& Words(int attribute) {
  static const std::array<std::vector<std::string>, kNumAttributes> kWords = {{
      {"sphere", "cube", "cylinder", "cone"},
      {"red", "orange", "yellow", "green", "blue", "purple"},
      {"gray", "green", "blue", "pink", "brown"},
      {"right", "left", "bounce", "grow", "shrink", "spin", "circle"},
      {"day", "sunset", "night"},
  }};
  return kWords.at(attribute);
}

int WordIndex(int attribute, const std::string& word) {
  const auto& words = Words(attribute);
  const auto at = std::find(words.begin(), words.end(), word);
  base::Check(at != words.end(), base::ErrorCode::kInvalidInput, "'", word, "' is no ", AttributeName(attribute));
  return static_cast<int>(at - words.begin());
}

Scene RandomScene(uint64_t sequence, uint64_t index) {
  std::mt19937_64 random(sequence * 1000003 + index);
  Scene scene;
  do {
    for (int a = 0; a < kNumAttributes; ++a) scene[a] = static_cast<int>(random() % Words(a).size());
  } while (!IsValid(scene));
  return scene;
}

Clip ClipOf(std::vector<uint8_t>& rgb, int frames, int size_px) {
  Clip clip(frames);
  for (int f = 0; f < frames; ++f) {
    const cv::Mat frame(size_px, size_px, CV_8UC3, rgb.data() + size_t(f) * size_px * size_px * 3);
    cv::cvtColor(frame, clip[f], cv::COLOR_RGB2BGR);
  }
  return clip;
}

Clip RenderTrueClip(const Scene& scene, uint64_t seed) {
  std::vector<uint8_t> rgb(size_t{kFrames} * kSizePx * kSizePx * 3);
  const int refused = ToyboxRenderClip(scene.data(), seed, kFrames, kSizePx, kSamples, rgb.data());
  base::Check(refused == 0, base::ErrorCode::kInternal, "the ray caster refuses a scene");
  return ClipOf(rgb, kFrames, kSizePx);
}

}  // namespace quality
