#include "tests/quality/still_scene.h"

#include <algorithm>
#include <random>

#include "assets/toybox/train/renderer.h"
#include "attention/base/error.h"
#include "tests/quality/scene.h"

namespace quality {
namespace {

enum { kAlone, kLeftOf, kRightOf, kInFrontOf, kBehind, kOnTopOf, kUnder };

std::vector<std::string> WithNone(std::vector<std::string> words) {
  words.insert(words.begin(), "none");
  return words;
}

// The grammar's rules, but for those that RandomStill keeps by its draws.
bool IsValid(const StillScene& scene) {
  const auto word = [&](int attribute) { return StillWords(attribute)[scene[attribute]]; };
  const std::string first = word(kStillColour), second = word(kStillSecondColour), floor = word(kStillFloor);
  if (first == floor || first == second || second == floor) return false;
  const std::string lower = word(kStillSecondShape);
  return scene[kStillRelation] != kOnTopOf || lower == "cube" || lower == "cylinder";
}

}  // namespace

const std::string& StillAttributeName(int attribute) {
  static const std::array<std::string, kNumStillAttributes> kNames = {
      "shape", "colour", "floor", "motion", "sky", "camera", "relation", "second_shape", "second_colour"};
  return kNames.at(attribute);
}

const std::vector<std::string>& StillWords(int attribute) {
  static const std::array<std::vector<std::string>, kNumStillAttributes> kWords = {{
      Words(kShape),
      Words(kColour),
      Words(kFloor),
      {"still"},
      Words(kSky),
      {"rest", "orbit", "zoom in", "zoom out", "pan right", "pan left"},
      {"alone", "left", "right", "front", "behind", "top", "under"},
      WithNone(Words(kShape)),
      WithNone(Words(kColour)),
  }};
  return kWords.at(attribute);
}

int StillWordIndex(int attribute, const std::string& word) {
  const auto& words = StillWords(attribute);
  const auto at = std::find(words.begin(), words.end(), word);
  base::Check(at != words.end(), base::ErrorCode::kInvalidInput, "'", word, "' is no ", StillAttributeName(attribute));
  return static_cast<int>(at - words.begin());
}

bool IsPair(const StillScene& scene) { return scene[kStillRelation] != kAlone; }

StillScene Reversed(const StillScene& scene) {
  static constexpr int kOpposite[] = {kAlone, kRightOf, kLeftOf, kBehind, kInFrontOf, kUnder, kOnTopOf};
  StillScene reversed = scene;
  reversed[kStillShape] = scene[kStillSecondShape] - 1;
  reversed[kStillColour] = scene[kStillSecondColour] - 1;
  reversed[kStillSecondShape] = scene[kStillShape] + 1;
  reversed[kStillSecondColour] = scene[kStillColour] + 1;
  reversed[kStillRelation] = kOpposite[scene[kStillRelation]];
  return reversed;
}

StillScene RandomStill(uint64_t sequence, uint64_t index, bool pair) {
  std::mt19937_64 random(sequence * 1000003 + index);
  const auto draw = [&](int first, int count) { return first + static_cast<int>(random() % count); };
  StillScene scene;
  do {
    scene = {draw(0, 4), draw(0, 6), draw(0, 5), 0, draw(0, 3), draw(0, 6), kAlone, 0, 0};
    if (pair) {
      static constexpr int kCameras[] = {0, 2, 3};  // at rest, zooming in and out
      scene[kStillCamera] = kCameras[random() % 3];
      scene[kStillRelation] = draw(kLeftOf, 5);
      scene[kStillSecondShape] = draw(1, 4);
      scene[kStillSecondColour] = draw(1, 6);
    }
  } while (!IsValid(scene));
  return scene;
}

Clip RenderTrueStill(const StillScene& scene, uint64_t seed) {
  constexpr int kFrames = 33, kSizePx = 128, kSamples = 2;
  StillScene codes = scene;
  codes[kStillMotion] = kToyboxStill;
  std::vector<uint8_t> rgb(size_t{kFrames} * kSizePx * kSizePx * 3);
  const int refused = ToyboxRenderScene(codes.data(), seed, kFrames, kSizePx, kSamples, rgb.data());
  base::Check(refused == 0, base::ErrorCode::kInternal, "the ray caster refuses a scene");
  return ClipOf(rgb, kFrames, kSizePx);
}

}  // namespace quality
