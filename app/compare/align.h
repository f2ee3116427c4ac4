#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/compare/picture.h"
#include "app/compare/source.h"

namespace app {

// How sources that do not fit together are made to; by default they are refused.
struct AlignOptions {
  enum class Size { kSame, kReference, kSmallest, kFixed };
  enum class Rate { kSame, kReference, kFrames };
  Size size = Size::kSame;
  int64_t width_px = 0, height_px = 0;  // for kFixed
  ResizeFilter filter = ResizeFilter::kBicubic;
  Rate rate = Rate::kSame;          // kReference: what is on screen at the reference's times; kFrames: frame by frame
  bool shortest = false;            // the frames that all have
  std::map<size_t, int64_t> shift;  // by source, 1 = the first other: its frame `shift` stands at the reference's 0
};

// How one source is played.
struct Track {
  int64_t skip = 0;      // frames left out at its start
  bool by_time = false;  // else frame by frame
  double start_s = 0;    // by_time: what is at 0
  double fps = 0;        // by_time: its own
};

// The one clock: frame t of every track is shown at t / fps.
struct Alignment {
  int64_t width_px = 0, height_px = 0, num_frames = 0;
  double fps = 0;
  ResizeFilter filter = ResizeFilter::kBicubic;
  std::vector<Track> tracks;
};

// The first source is the reference. Throws InputErrors: what differs, both values, and the flag that aligns it.
Alignment Align(const std::vector<SourceInfo>& sources, const AlignOptions& options);

// Which of a source's frames is shown at frame t of the clock. `times_s`: when its frames begin, as far as that is
// known; from there on its rate says. `num_frames`: of the source.
int64_t SourceFrameAt(const Track& track, double clock_fps, int64_t t, const std::vector<double>& times_s,
                      int64_t num_frames);

// A source on the clock.
class AlignedStream {
 public:
  // `path`: the source's path or frames_path.
  AlignedStream(const std::string& path, const Track& track, const Alignment& alignment);

  // The next frame, at the alignment's size. Throws Error{kInvalidInput} where the file ends before it announced.
  const Picture& Next();

 private:
  void Advance();
  void Read();  // the stream's frame

  std::string path_;
  Track track_;
  Alignment alignment_;
  std::unique_ptr<SourceStream> stream_;
  Picture raw_, resized_;
  bool fresh_ = false;      // raw_ is not resized yet
  bool has_frame_ = false;  // the stream stands on a frame
  int64_t t_ = 0;           // frames given
  int64_t decoded_ = 0;     // frames taken from the stream
};

}  // namespace app
