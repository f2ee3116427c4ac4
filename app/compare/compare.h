#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/compare/align.h"
#include "app/compare/label.h"
#include "app/compare/metrics.h"
#include "app/compare/source.h"
#include "pipeline/progress.h"

// Clips against a reference, frame by frame on one clock: what `sparge compare`, the batch and the window use. Knows
// nothing of libtorch. Frames stream: a few of each clip are in memory at a time.
namespace app {

enum class DifferenceKind { kAbsolute, kSigned };

// Which files an export writes.
struct Wanted {
  bool side_by_side = true, wipe = true, difference = true, sheet = true, numbers = true, report = true;
};

struct PictureOptions {
  DifferenceKind difference = DifferenceKind::kAbsolute;
  double gain = 0;             // of difference pictures; 0: by GainFor
  std::optional<double> wipe;  // where the line stands, 0…1 of the width; none: it moves
  int64_t zoom = 0;            // whole pixels; 0: so that small clips are readable
  int64_t columns = 6;         // of the contact sheet
};

struct CompareRequest {
  std::vector<std::string> paths;  // the reference, then the others
  std::string folder;              // where the files go; made if it is missing
  AlignOptions align;
  PictureOptions pictures;
  Wanted wanted;  // `report` needs the sheet
  bool overwrite = false;
};

inline constexpr size_t kMaxSources = 16;

// One other clip against the reference.
struct Comparison {
  bool on_frames = false;  // measured on frames before encoding, which both sides have; else on decoded files
  std::vector<FrameMetrics> frames;
  MetricsSummary summary;
  double gain = 1;  // of its difference pictures
};

struct CompareResult {
  std::vector<SourceInfo> sources;  // the reference first
  std::vector<SourceLabel> labels;  // one a source
  Alignment alignment;
  AlignOptions options;
  std::vector<Comparison> others;  // sources[1…]
  std::vector<std::string> files;  // written, with the folder
};

// The sources, looked at, named and aligned. Throws InputErrors with all that is wrong.
CompareResult PrepareComparison(const std::vector<std::string>& paths, const AlignOptions& options);

// A part of the clock's picture; without a size: all of it.
struct Region {
  int64_t x = 0, y = 0, width_px = 0, height_px = 0;

  bool empty() const { return width_px <= 0 || height_px <= 0; }
  bool operator==(const Region&) const = default;
};

// The two files that sources[other] is measured on: the floats where both sides have them, else what is decoded.
struct MeasuredPair {
  std::string reference, other;
  bool on_frames = false;
};
MeasuredPair PairOf(const SourceInfo& reference, const SourceInfo& other);

// Of one frame; for who shows numbers while they are made.
using OnFrame = std::function<void(int64_t t, const FrameMetrics& metrics)>;

// Measures sources[other] (from 1) in a region, which is cut to the picture. Throws as MeasureAll.
Comparison MeasureOne(const CompareResult& prepared, size_t other, const Region& region, pipeline::Progress& progress,
                      const OnFrame& on_frame);

// Fills in `others`. Progress: Stage::kMeasure in frames. Throws Error{kInvalidInput} for a file that breaks,
// Error{kCancelled}.
void MeasureAll(CompareResult& result, pipeline::Progress& progress);

// All of it: measures, then writes side_by_side.mp4, wipe.mp4, difference.mp4 (of several others wipe_NAME.mp4 and
// difference_NAME.mp4), contact_sheet.png, metrics.csv, metrics.json and report.html, as far as they are wanted. The
// files appear together, or none does. Throws InputErrors for what could never work (before anything is read but
// headers), base::Error.
CompareResult Compare(const CompareRequest& request, pipeline::Progress& progress);

}  // namespace app
