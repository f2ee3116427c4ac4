#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pipeline/media/av.h"
#include "pipeline/media/media.h"

namespace pipeline {

// Throws Error{kInvalidInput} "cannot read 'path': why".
[[noreturn]] void FailRead(const std::string& path, const std::string& why);

// One opened file (not a folder, not a pattern) with its first video stream. Hostile input: formats that would open
// other files are refused, sizes are bounded, and what the file announces is compared with what it holds.
class Demuxer {
 public:
  explicit Demuxer(const std::string& path);

  const std::string& path() const { return path_; }
  const AVStream& stream() const { return *stream_; }

  // The next packet of the stream; false at the end.
  bool Next(AVPacket* packet);

  // All but num_frames and what follows from it.
  MediaInfo Describe() const;

  // The rate that the header names (a GIF's is known at its end).
  void DescribeRate(MediaInfo& info) const;

  // Fills in what is known once every packet has been read, and compares it with what the file announces.
  // `first` and `last`: presentation times of the first and the last frame, in the stream's time base.
  void Complete(int64_t num_frames, int64_t first, int64_t last, MediaInfo& info) const;

 private:
  struct Deleter {
    void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
  };
  void CheckGifEnd() const;

  std::string path_;
  int64_t bytes_ = 0;
  int64_t num_discarded_ = 0;  // packets that are decoded and not shown
  double end_s_ = 0;           // when the last frame read so far ends
  std::unique_ptr<AVFormatContext, Deleter> context_;
  AVStream* stream_ = nullptr;
};

// The opened decoder of its stream. Throws Error{kInvalidInput}, Error{kUnsupported} where FFmpeg has none.
av::CodecContext OpenDecoder(const Demuxer& demuxer);

// Whether the path means several files (a folder ending in '/', a pattern); if so, the first must be there.
bool IsFrameSequence(const std::string& path);

// The number of the first frame of such a path: 0, or 1 where there is none (as FFmpeg's own tools count).
int64_t FirstFrame(const std::string& path);

// Whether frame `index` of such a path is there.
bool HasFrame(const std::string& path, int64_t index);

// Adds what one more file of a sequence says to what those before it said. Throws Error{kInvalidInput} for another
// size.
void AppendInfo(const std::string& path, const MediaInfo& frame, MediaInfo& all);

}  // namespace pipeline
