#pragma once

#include <string>
#include <variant>
#include <vector>

#include "ui/compare/view.h"

namespace ui {

struct CompareOpen {  // instead of what is compared now
  std::vector<std::string> paths;
};
struct CompareAdd {
  std::string path;
  bool dropped = false;  // onto Compare: maybe it is not in sight
};
struct CompareRemove {
  size_t clip = 0;
};
struct CompareReference {  // this clip becomes A
  size_t clip = 0;
};
// What the workspace wants to see.
struct CompareLook {
  int64_t frame = 0;
  int direction = 1;  // of playing
  bool difference = false;
  DifferenceMode mode = DifferenceMode::kAbsolute;
  double gain = 0;  // 0: automatic
  size_t left = 0, right = 1;

  bool operator==(const CompareLook&) const = default;
};
struct CompareShift {  // by this many of its frames
  size_t clip = 1;
  int64_t frames = 0;
};
struct CompareFrameByFrame {
  bool on = false;
};
struct CompareRegion {  // that the metrics are measured in
  Region region;
};
struct CompareExport {
  std::string folder;
  bool side_by_side = true, wipe = true, difference = false, report = false, numbers = true, pictures = true;
  double wipe_position = -1;  // negative: moving
};
struct CompareCancelExport {};
struct ABXStart {
  int num_trials = 10;
  size_t left = 0, right = 1;
};
struct ABXAnswer {
  bool x_is_a = true;
};
struct ABXStop {};
struct CompareKeepA {  // the form's settings are A of the next A/B; off: dense is
  bool on = true;
};

using CompareCommand = std::variant<CompareOpen, CompareAdd, CompareRemove, CompareReference, CompareLook, CompareShift,
                                    CompareFrameByFrame, CompareRegion, CompareExport, CompareCancelExport, ABXStart,
                                    ABXAnswer, ABXStop, CompareKeepA>;

}  // namespace ui
