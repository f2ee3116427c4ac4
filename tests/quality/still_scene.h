#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/quality/clip.h"

namespace quality {

// The attributes of a Toybox scene at rest, in the order of assets/toybox/train/grammar.py: one object before a camera
// that may move (relation "alone", no second object), or two objects. "left": the first is left of the second.
enum StillAttribute {
  kStillShape,
  kStillColour,
  kStillFloor,
  kStillMotion,
  kStillSky,
  kStillCamera,
  kStillRelation,
  kStillSecondShape,
  kStillSecondColour,
  kNumStillAttributes
};
using StillScene = std::array<int, kNumStillAttributes>;

// "shape", …, "second_colour": the keys of stills.json.
const std::string& StillAttributeName(int attribute);
// The words of an attribute, by index. "under" is the one relation that no prompt asks for: "top", told from below.
const std::vector<std::string>& StillWords(int attribute);
// Index of a word; throws Error{kInvalidInput} when it is none of the attribute's.
int StillWordIndex(int attribute, const std::string& word);

bool IsPair(const StillScene& scene);
// The same two objects, told from the other one.
StillScene Reversed(const StillScene& scene);

// Number `index` of a fixed random sequence of scenes that the grammar allows.
StillScene RandomStill(uint64_t sequence, uint64_t index, bool pair);

// The scene drawn by the ray caster that also made the training clips: 33 frames of 128 x 128.
Clip RenderTrueStill(const StillScene& scene, uint64_t seed);

}  // namespace quality
