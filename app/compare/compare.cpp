#include "app/compare/compare.h"

#include <algorithm>
#include <cmath>

#include "app/compare/outputs.h"
#include "app/settings/layers.h"

namespace app {
namespace {

using pipeline::Stage;

Region Cut(const Region& region, const Alignment& alignment) {
  if (region.empty()) return {0, 0, alignment.width_px, alignment.height_px};
  Region cut;
  cut.x = std::clamp<int64_t>(region.x, 0, alignment.width_px - 1);
  cut.y = std::clamp<int64_t>(region.y, 0, alignment.height_px - 1);
  cut.width_px = std::clamp<int64_t>(region.x + region.width_px - cut.x, 1, alignment.width_px - cut.x);
  cut.height_px = std::clamp<int64_t>(region.y + region.height_px - cut.y, 1, alignment.height_px - cut.y);
  return cut;
}

const Picture& PartOf(const Picture& picture, const Region& region, Picture& part) {
  if (region.width_px == picture.width_px && region.height_px == picture.height_px) return picture;
  part.Resize(region.height_px, region.width_px);
  const auto row = static_cast<std::ptrdiff_t>(region.width_px * 3);
  for (int64_t y = 0; y < region.height_px; ++y) {
    const auto from = static_cast<std::ptrdiff_t>(((region.y + y) * picture.width_px + region.x) * 3);
    std::copy_n(picture.rgb.begin() + from, row, part.rgb.begin() + static_cast<std::ptrdiff_t>(y) * row);
  }
  return part;
}

}  // namespace

// Like against like.
MeasuredPair PairOf(const SourceInfo& reference, const SourceInfo& other) {
  const bool on_frames = !reference.frames_path.empty() && !other.frames_path.empty();
  return on_frames ? MeasuredPair{reference.frames_path, other.frames_path, true}
                   : MeasuredPair{reference.path, other.path, false};
}

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

Comparison MeasureOne(const CompareResult& prepared, size_t other, const Region& region, pipeline::Progress& progress,
                      const OnFrame& on_frame) {
  const Alignment& alignment = prepared.alignment;
  const MeasuredPair pair = PairOf(prepared.sources[0], prepared.sources[other]);
  const Region part = Cut(region, alignment);
  AlignedStream reference_stream(pair.reference, alignment.tracks[0], alignment);
  AlignedStream other_stream(pair.other, alignment.tracks[other], alignment);
  FrameMeter meter;
  Picture part_a, part_b;
  Comparison comparison;
  comparison.on_frames = pair.on_frames;
  for (int64_t t = 0; t < alignment.num_frames; ++t) {
    progress.ThrowIfCancelled();
    const Picture& a = PartOf(reference_stream.Next(), part, part_a);
    const Picture& b = PartOf(other_stream.Next(), part, part_b);
    comparison.frames.push_back(meter.Add(a, b));
    if (on_frame) on_frame(t, comparison.frames.back());
  }
  comparison.summary = Summarise(comparison.frames);
  comparison.gain = GainFor(meter.differences());
  return comparison;
}

void MeasureAll(CompareResult& result, pipeline::Progress& progress) {
  const auto num_others = static_cast<int64_t>(result.sources.size()) - 1;
  const int64_t total = num_others * result.alignment.num_frames;
  int64_t done = 0;
  progress.Update(Stage::kMeasure, 0, total);
  result.others.clear();
  for (size_t i = 1; i < result.sources.size(); ++i) {
    const auto count = [&](int64_t, const FrameMetrics&) { progress.Update(Stage::kMeasure, ++done, total); };
    result.others.push_back(MeasureOne(result, i, {}, progress, count));
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
