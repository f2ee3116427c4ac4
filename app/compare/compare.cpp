#include "app/compare/compare.h"

#include <algorithm>
#include <cmath>

#include "app/compare/outputs.h"
#include "app/settings/layers.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;
using pipeline::Stage;

// The two files that a pair is measured on.
struct Pair {
  std::string reference, other;
  bool on_frames;
};

// Like against like: the floats where both sides have them, else what is decoded.
Pair PairOf(const SourceInfo& reference, const SourceInfo& other) {
  const bool on_frames = !reference.frames_path.empty() && !other.frames_path.empty();
  return on_frames ? Pair{reference.frames_path, other.frames_path, true} : Pair{reference.path, other.path, false};
}

}  // namespace

CompareResult PrepareComparison(const std::vector<std::string>& paths, const AlignOptions& options) {
  CompareResult result;
  ErrorList errors;
  for (const std::string& path : paths) {
    errors.Try([&] { result.sources.push_back(ProbeSource(path)); });
  }
  errors.ThrowIfAny();
  NameSources(result.sources);
  result.options = options;
  result.alignment = Align(result.sources, options);
  result.labels = LabelsOf(result.sources);
  return result;
}

void MeasureAll(CompareResult& result, pipeline::Progress& progress) {
  const Alignment& alignment = result.alignment;
  const auto num_others = static_cast<int64_t>(result.sources.size()) - 1;
  const int64_t total = num_others * alignment.num_frames;
  int64_t done = 0;
  progress.Update(Stage::kMeasure, 0, total);
  result.others.clear();
  for (size_t i = 1; i < result.sources.size(); ++i) {
    const Pair pair = PairOf(result.sources[0], result.sources[i]);
    AlignedStream reference(pair.reference, alignment.tracks[0], alignment);
    AlignedStream other(pair.other, alignment.tracks[i], alignment);
    FrameMeter meter;
    Comparison comparison;
    comparison.on_frames = pair.on_frames;
    for (int64_t t = 0; t < alignment.num_frames; ++t) {
      progress.ThrowIfCancelled();
      comparison.frames.push_back(meter.Add(reference.Next(), other.Next()));
      progress.Update(Stage::kMeasure, ++done, total);
    }
    comparison.summary = Summarise(comparison.frames);
    comparison.gain = GainFor(meter.differences());
    result.others.push_back(std::move(comparison));
  }
}

CompareResult Compare(const CompareRequest& request, pipeline::Progress& progress) {
  CompareResult result = PrepareComparison(request.paths, request.align);
  OutputWriter writer(request, result);
  MeasureAll(result, progress);
  writer.Write(result, progress);
  return result;
}

}  // namespace app
