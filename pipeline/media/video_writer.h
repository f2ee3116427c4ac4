#pragma once

#include <memory>
#include <string>

#include "attention/base/atomic_file.h"
#include "pipeline/media/media.h"

namespace pipeline {

// WriteMedia for kVideo outputs.
void WriteVideo(const std::string& path, const FramesView& frames, const VideoOptions& options, Progress& progress);

// A video that is written frame by frame into a file's aside, for clips that need not fit into memory, and for files
// that appear together. The caller commits the file. Not for GIF, whose palette needs all frames first.
class VideoWriter {
 public:
  // `file` and `progress` (asked for cancellation) must outlive it. Throws as ValidateOutput does.
  VideoWriter(base::AtomicFile& file, const VideoOptions& options, int64_t height_px, int64_t width_px,
              const Progress& progress);
  ~VideoWriter();

  // The next frame: [height, width, 3], nominally 0…1. Throws Error{kNonFinite}, Error{kIo}, Error{kCancelled}.
  void Add(const float* rgb);

  // Encodes what is left and ends the file; once, after the last Add.
  void Finish();

 private:
  friend void WriteVideo(const std::string& path, const FramesView& frames, const VideoOptions& options,
                         Progress& progress);
  VideoWriter(base::AtomicFile& file, const VideoOptions& options, int64_t height_px, int64_t width_px,
              const FramesView* all, const Progress& progress);

  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pipeline
