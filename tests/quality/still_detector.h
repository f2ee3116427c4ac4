#pragma once

#include <array>
#include <optional>
#include <vector>

#include "tests/quality/still_scene.h"

namespace quality {

// What is measured in a clip of objects at rest, before it is compared with true ones.
struct StillFeatures {
  struct Object {
    int colour = 0;                         // the class of hues that it is found by
    std::vector<std::vector<float>> views;  // as in Features
  };
  std::vector<Object> objects;            // one, or two in the order of their colours
  cv::Vec3f floor_colour, sky_colour;     // medians of the lowest and highest rows, BGR
  std::array<float, 4> place = {};        // of the first object to the second: across, up, in depth, in size
  std::array<float, 4> camera_move = {};  // how size, place and picture change
};

// Looks for `num_objects` (1 or 2) plain colours. Empty when there are fewer in half of the frames.
std::optional<StillFeatures> MeasureStill(const Clip& clip, int num_objects);

// Says what a clip of objects at rest shows, by comparison with ray-traced clips. Never fitted to what the model draws.
class StillDetector {
 public:
  // Renders and measures `num_clips` true clips of RandomStill(sequence, …, pair), on `threads` threads.
  static StillDetector Calibrate(int num_clips, uint64_t sequence, bool pair, int threads);

  // Empty: fewer objects than asked for. Two objects come in the order of their colours.
  std::optional<StillScene> Look(const Clip& clip) const;

 private:
  struct Example {
    StillScene scene;
    StillFeatures features;
  };
  bool pair_ = false;
  std::vector<Example> examples_;
};

// The same scene told from that of its two objects which agrees best with what was asked for.
StillScene ToldAs(const StillScene& seen, const StillScene& asked);

// How often the detector is right on `num_clips` other true clips, by attribute.
std::array<double, kNumStillAttributes> AccuracyOnTrueStills(const StillDetector& detector, int num_clips,
                                                             uint64_t sequence, bool pair, int threads);

}  // namespace quality
