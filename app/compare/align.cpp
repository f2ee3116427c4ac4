#include "app/compare/align.h"

#include <algorithm>
#include <cmath>

#include "app/settings/layers.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;
using base::StrCat;

// Times in files are rounded to ticks (Matroska: 1 ms, GIF: 10 ms): a frame that begins within this share of its own
// duration has begun.
constexpr double kSlack = 0.1;
constexpr double kEpsilon = 1e-3;  // frames, of counts that are computed from rates

bool SameRate(double a, double b) { return a <= 0 || b <= 0 || std::fabs(a - b) <= 5e-4 * std::max(a, b); }

// "B 'x.mp4'"
std::string NameOf(const std::vector<SourceInfo>& sources, size_t i) {
  return (i == 0 ? "the reference " : LetterOf(i) + " ") + Quoted(sources[i].name);
}

std::string SizeText(const SourceInfo& source) { return StrCat(source.width_px, "x", source.height_px, " px"); }

std::string FramesText(int64_t frames) { return StrCat(frames, frames == 1 ? " frame" : " frames"); }

void AlignSize(const std::vector<SourceInfo>& sources, const AlignOptions& options, Alignment& out, ErrorList& errors) {
  out.filter = options.filter;
  const SourceInfo* size = &sources[0];
  if (options.size == AlignOptions::Size::kSmallest) {
    const auto less = [](const SourceInfo& a, const SourceInfo& b) {
      return a.width_px * a.height_px < b.width_px * b.height_px;
    };
    size = &*std::min_element(sources.begin(), sources.end(), less);
  }
  out.width_px = options.size == AlignOptions::Size::kFixed ? options.width_px : size->width_px;
  out.height_px = options.size == AlignOptions::Size::kFixed ? options.height_px : size->height_px;
  if (options.size != AlignOptions::Size::kSame) return;
  for (size_t i = 1; i < sources.size(); ++i) {
    if (sources[i].width_px == out.width_px && sources[i].height_px == out.height_px) continue;
    errors.Add(StrCat(NameOf(sources, i), " is ", SizeText(sources[i]), ", ", NameOf(sources, 0), " ",
                      SizeText(sources[0]), "; --size ref, --size smallest or --size WxH resizes"));
  }
}

// Frames of source `i` on the clock, without shift.
int64_t FramesOnClock(const SourceInfo& source, const Track& track, double clock_fps) {
  if (!track.by_time) return source.num_frames;
  const double seconds = static_cast<double>(source.num_frames) / track.fps;
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(seconds * clock_fps - kEpsilon)));
}

// Returns whether the rates fit.
bool AlignRate(const std::vector<SourceInfo>& sources, const AlignOptions& options, Alignment& out, ErrorList& errors) {
  constexpr double kDefaultFps = 16;
  size_t leader = 0;  // whose rate is the clock's: the first that has one
  while (leader < sources.size() && sources[leader].fps <= 0) ++leader;
  out.fps = leader < sources.size() ? sources[leader].fps : kDefaultFps;
  out.tracks.resize(sources.size());
  bool fit = true;
  for (size_t i = 1; i < sources.size(); ++i) {
    if (SameRate(sources[i].fps, out.fps)) continue;
    if (options.rate == AlignOptions::Rate::kReference) {
      out.tracks[i].by_time = true;
      out.tracks[i].fps = sources[i].fps;
    } else if (options.rate == AlignOptions::Rate::kSame) {
      errors.Add(StrCat(NameOf(sources, i), " runs at ", ShortestNumber(std::round(sources[i].fps * 1e3) / 1e3),
                        " fps, ", NameOf(sources, leader), " at ", ShortestNumber(std::round(out.fps * 1e3) / 1e3),
                        "; --rate ref compares what is on screen at the reference's times, --rate frames compares "
                        "frame by frame"));
      fit = false;
    }
  }
  return fit;
}

void AlignStart(const std::vector<SourceInfo>& sources, const AlignOptions& options, Alignment& out) {
  const auto shift_of = [&](size_t i) {
    const auto found = options.shift.find(i);
    return found == options.shift.end() ? int64_t{0} : found->second;
  };
  // Clock frames that the reference has before the latest start.
  int64_t start = 0;
  for (size_t i = 1; i < sources.size(); ++i) {
    const double per_frame = out.tracks[i].by_time ? out.fps / out.tracks[i].fps : 1;
    start = std::max(start, static_cast<int64_t>(std::ceil(-static_cast<double>(shift_of(i)) * per_frame - kEpsilon)));
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    Track& track = out.tracks[i];
    if (track.by_time) {
      track.start_s = static_cast<double>(start) / out.fps + static_cast<double>(shift_of(i)) / track.fps;
    } else {
      track.skip = start + shift_of(i);
    }
  }
}

void AlignLength(const std::vector<SourceInfo>& sources, const AlignOptions& options, Alignment& out,
                 ErrorList& errors) {
  std::vector<int64_t> whole, left;  // without and with the shift
  for (size_t i = 0; i < sources.size(); ++i) {
    const Track& track = out.tracks[i];
    whole.push_back(FramesOnClock(sources[i], track, out.fps));
    const int64_t gone = track.by_time ? static_cast<int64_t>(std::llround(track.start_s * out.fps)) : track.skip;
    left.push_back(whole[i] - gone);
  }
  out.num_frames = *std::min_element(left.begin(), left.end());
  if (out.num_frames < 1) {
    errors.Add("--shift leaves no frame that all have: " + NameOf(sources, 0) + " holds " + FramesText(whole[0]));
    return;
  }
  if (options.shortest) return;
  for (size_t i = 1; i < sources.size(); ++i) {
    if (whole[i] == whole[0] || left[i] == left[0]) continue;
    const std::string on_clock = out.tracks[i].by_time ? " at the reference's times" : "";
    errors.Add(StrCat(NameOf(sources, i), " holds ", FramesText(whole[i]), on_clock, ", ", NameOf(sources, 0), " ",
                      whole[0], "; --length shortest compares the first ", FramesText(out.num_frames), ", --shift ",
                      LetterOf(i), ":N moves it by N frames"));
  }
}

}  // namespace

Alignment Align(const std::vector<SourceInfo>& sources, const AlignOptions& options) {
  base::Check(sources.size() >= 2, ErrorCode::kInvalidInput, "a comparison takes a reference and at least one other");
  ErrorList errors;
  Alignment out;
  for (const auto& [index, frames] : options.shift) {
    base::Check(index >= 1 && index < sources.size(), ErrorCode::kInvalidInput, "--shift ", LetterOf(index), ":",
                frames, ": the others are ", sources.size() == 2 ? "B" : "B to " + LetterOf(sources.size() - 1));
  }
  AlignSize(sources, options, out, errors);
  if (AlignRate(sources, options, out, errors)) {  // else lengths cannot be told
    AlignStart(sources, options, out);
    AlignLength(sources, options, out, errors);
  }
  errors.ThrowIfAny();
  return out;
}

int64_t SourceFrameAt(const Track& track, double clock_fps, int64_t t, const std::vector<double>& times_s,
                      int64_t num_frames) {
  const int64_t last = std::max<int64_t>(num_frames - 1, 0);
  if (!track.by_time) return std::clamp<int64_t>(track.skip + t, 0, last);
  const double now = track.start_s + static_cast<double>(t) / clock_fps + kSlack / track.fps;
  const auto after = std::upper_bound(times_s.begin(), times_s.end(), now);
  const bool known = after != times_s.end() || static_cast<int64_t>(times_s.size()) == num_frames;
  const int64_t frame = known ? after - times_s.begin() - 1 : static_cast<int64_t>(std::floor(now * track.fps));
  return std::clamp<int64_t>(frame, 0, last);
}

AlignedStream::AlignedStream(const std::string& path, const Track& track, const Alignment& alignment)
    : path_(path), track_(track), alignment_(alignment), stream_(OpenSource(path)) {
  for (int64_t i = 0; i < track_.skip; ++i) Advance();
}

void AlignedStream::Advance() {
  has_frame_ = stream_->Next();
  decoded_ += has_frame_;
}

void AlignedStream::Read() {
  stream_->Read(raw_);
  fresh_ = true;
}

const Picture& AlignedStream::Next() {
  if (!track_.by_time) {
    Advance();
    base::Check(has_frame_, ErrorCode::kInvalidInput, "cannot compare '", path_, "': it ends after ", decoded_,
                " of the frames that it announces");
    Read();
  } else {
    // The frame on screen at this time: the last that has begun.
    const double now = track_.start_s + static_cast<double>(t_) / alignment_.fps + kSlack / track_.fps;
    const auto begins = [&] {
      return stream_->time_s() >= 0 ? stream_->time_s() : static_cast<double>(decoded_ - 1) / track_.fps;
    };
    if (decoded_ == 0) Advance();
    while (has_frame_ && (raw_.rgb.empty() || begins() <= now)) {
      Read();
      Advance();
    }
    base::Check(!raw_.rgb.empty(), ErrorCode::kInvalidInput, "cannot compare '", path_, "': it holds no frame");
  }
  ++t_;
  if (raw_.height_px == alignment_.height_px && raw_.width_px == alignment_.width_px) return raw_;
  if (fresh_) resized_ = Resized(raw_, alignment_.height_px, alignment_.width_px, alignment_.filter);
  fresh_ = false;
  return resized_;
}

}  // namespace app
