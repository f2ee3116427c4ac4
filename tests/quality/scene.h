#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/quality/clip.h"

namespace quality {

// The attributes of a Toybox scene, in the order of assets/toybox/train/grammar.py.
enum Attribute { kShape, kColour, kFloor, kMotion, kSky, kNumAttributes };
using Scene = std::array<int, kNumAttributes>;

// "shape", "colour", …: the keys of pairs.json.
const std::string& AttributeName(int attribute);
// The words of an attribute, by index.
const std::vector<std::string>& Words(int attribute);
// Index of a word; throws Error{kInvalidInput} when it is none of the attribute's.
int WordIndex(int attribute, const std::string& word);

// Number `index` of a fixed random sequence of scenes that the grammar allows.
Scene RandomScene(uint64_t sequence, uint64_t index);

// Frames from RGB bytes [frames][size][size][3].
Clip ClipOf(std::vector<uint8_t>& rgb, int frames, int size_px);

// The scene drawn by the ray caster that also made the training clips: 33 frames of 128 x 128.
Clip RenderTrueClip(const Scene& scene, uint64_t seed);

}  // namespace quality
