#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ui/image.h"

// What the workspace Compare shows, as plain data.
namespace ui {

inline constexpr size_t kMostClips = 4;

enum class CompareMode { kWipe, kSideBySide, kFlicker, kDifference, kOneSide };
enum class DifferenceMode { kAbsolute, kSigned, kLuma, kSSIM };

// A rectangle of pixels of the reference; empty: all of it.
struct Region {
  int x = 0, y = 0, width_px = 0, height_px = 0;

  bool empty() const { return width_px <= 0 || height_px <= 0; }
  bool operator==(const Region&) const = default;
};

// A number with its unit, and how it was measured.
struct Figure {
  std::string label, text;
  std::string definition;
};

struct CompareClip {
  std::string letter;   // "A" is the reference
  std::string title;    // the settings that differ; where none is known to, the file's name
  std::string details;  // "41.0 s, 38 % skipped"
  std::string path, name;
  std::string facts;     // "128 × 128 · 33 frames · 12 fps · h264 in mp4"
  std::string fitted;    // what was done so that it fits the reference; "" if nothing
  std::string job_text;  // its settings, a line each
  bool has_record = false;
  int width_px = 0, height_px = 0;
  int64_t num_frames = 0, shift = 0;  // its frame `shift` stands at the reference's frame 0
  int64_t frames_in_memory = 0;
  Image frame;  // at CompareView::shown_frame
};

// One clip against the reference, as far as it is measured.
struct CompareCurves {
  size_t clip = 1;
  std::vector<float> psnr_db, ssim, flicker;  // a frame each; PSNR is infinite where frames are identical, the first
                                              // frame's flicker is NaN
  bool done = false;
  bool noise_floor = false;  // the reference again with another dense kernel
  std::vector<Figure> figures;
  int64_t worst_frame = -1;  // of the least PSNR; −1: not known
};

// A table step × layer of shares skipped, or of their difference.
struct CompareHeat {
  std::string title;
  int num_steps = 0, num_layers = 0;
  std::vector<double> skipped;  // [num_steps, num_layers]; NaN: not recorded
  bool is_difference = false;   // −1…1 instead of 0…1
  Figure total;
};

struct ABXView {
  bool running = false, finished = false;
  int trial = 0, num_trials = 0;  // trial: from 0
  int correct = 0;
  double p_value = 1;  // once it is finished
  Image x_frame;       // whichever clip X is now
  std::string saved_path;
};

struct ExportView {
  bool running = false;
  std::string stage;
  double fraction = 0;
  std::vector<std::string> files;  // of the last one
};

struct CompareView {
  std::vector<CompareClip> clips;
  std::string note;                  // why nothing is shown
  std::vector<std::string> remarks;  // what was done to make the clips fit, what is wrong with them
  int width_px = 0, height_px = 0;   // of the reference
  int64_t num_frames = 0;            // that all clips have
  double fps = 0;
  int64_t shown_frame = 0;  // all pictures are of this one
  bool waiting = false;     // for the frame that was asked for
  bool frame_by_frame = false, rates_differ = false;
  uint64_t memory_bytes = 0, memory_cap_bytes = 0;
  Image difference;  // of the pair that is looked at
  double legend_low = 0, legend_high = 1;
  double auto_gain = 0;  // one that shows most of the differences; 0: not known yet
  std::vector<CompareCurves> curves;
  std::string measured_on;                                                  // "frames before encoding" …
  double measured = 0;                                                      // share of the work
  std::vector<std::pair<std::string, std::vector<std::string>>> differing;  // setting, a value for each clip
  std::vector<Figure> speeds;                                               // "41.0 s → 24.0 s (1.7×)"
  std::vector<CompareHeat> heats;
  std::string heats_note;
  ABXView abx;
  ExportView exporting;
  Region region;

  const CompareCurves* CurvesOf(size_t clip) const {
    for (const CompareCurves& one : curves) {
      if (one.clip == clip) return &one;
    }
    return nullptr;
  }
};

}  // namespace ui
