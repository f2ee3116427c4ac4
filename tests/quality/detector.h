#pragma once

#include <array>
#include <optional>
#include <vector>

#include "tests/quality/scene.h"

namespace quality {

// What is measured in a clip before it is compared with true ones.
struct Features {
  double found = 0;                       // share of the frames in which there is an object
  std::array<float, 2> hue = {};          // of the object: mean direction on the colour circle
  cv::Vec3f floor_colour, sky_colour;     // medians of the lowest and highest rows, BGR
  std::array<float, 7> track = {};        // how place, size and outline change
  std::vector<std::vector<float>> views;  // the object cut out, 16 x 16, in some frames: silhouette, then shading
};

// Empty when no object is found in at least half of the frames.
std::optional<Features> Measure(const Clip& clip);

// Says what a clip shows, by comparison with ray-traced clips of known scenes. Never fitted to what the model draws.
class Detector {
 public:
  // Renders and measures `num_clips` true clips of RandomScene(sequence, …), on `threads` threads.
  static Detector Calibrate(int num_clips, uint64_t sequence, int threads);

  // Empty: nothing to be seen in the clip.
  std::optional<Scene> Look(const Clip& clip) const;

 private:
  struct Example {
    Scene scene;
    Features features;
  };
  std::vector<Example> examples_;
};

// How often the detector is right on `num_clips` other true clips, by attribute.
std::array<double, kNumAttributes> AccuracyOnTrueClips(const Detector& detector, int num_clips, uint64_t sequence,
                                                       int threads);

}  // namespace quality
