#include "attention/base/atomic_file.h"
#include "attention/base/error.h"
#include "pipeline/media/encode_plan.h"
#include "pipeline/media/media.h"
#include "pipeline/media/png.h"
#include "pipeline/media/video_writer.h"

namespace pipeline {
namespace {

using base::ErrorCode;

void CheckImage(const std::string& path, OutputKind kind, const VideoOptions& options, int64_t num_frames,
                int64_t height_px, int64_t width_px) {
  constexpr int64_t kMaxSide = 1000000;  // what readers of PNG accept by default
  base::Check(kind != OutputKind::kPngImage || num_frames == 1, ErrorCode::kInvalidInput, "cannot write ", num_frames,
              " frames to the one image '", path,
              "'; put a number into the name (frame_%04d.png) or name a folder (DIR/)");
  base::Check(width_px <= kMaxSide && height_px <= kMaxSide, ErrorCode::kInvalidInput, "cannot write '", path, "' at ",
              width_px, "x", height_px, ": a PNG has sides of 1…", kMaxSide, " pixels");
  base::Check(options.comment.find('\0') == std::string::npos, ErrorCode::kInternal,
              "VideoOptions::comment holds a NUL character");
}

void CheckShape(const std::string& path, int64_t num_frames, int64_t height_px, int64_t width_px) {
  base::Check(num_frames > 0 && height_px > 0 && width_px > 0, ErrorCode::kInvalidInput, "cannot write '", path,
              "': ", num_frames, " frames of ", width_px, "x", height_px, " pixels; all three must be at least 1");
}

}  // namespace

FramesView ViewOf(const HostTensor& frames) {
  base::Check(
      frames.shape.size() == 4 && frames.shape[3] == 3 && frames.numel() == static_cast<int64_t>(frames.data.size()),
      ErrorCode::kInternal, "frames must be a whole array [F, H, W, 3]");
  return {frames.data.data(), frames.shape[0], frames.shape[1], frames.shape[2]};
}

void ValidateOutput(const std::string& path, const VideoOptions& options, int64_t num_frames, int64_t height_px,
                    int64_t width_px) {
  const OutputKind kind = KindOfOutput(path);
  base::CheckOutputPath(kind == OutputKind::kPngFrames ? FramePath(path, num_frames > 0 ? num_frames - 1 : 0) : path);
  if (kind == OutputKind::kTensors) return;
  CheckShape(path, num_frames, height_px, width_px);
  if (kind == OutputKind::kVideo) {
    OpenEncoder(PlanVideo(path, options, height_px, width_px), path);
  } else {
    CheckImage(path, kind, options, num_frames, height_px, width_px);
  }
}

void WriteMedia(const std::string& path, const FramesView& frames, const VideoOptions& options, Progress& progress) {
  const OutputKind kind = KindOfOutput(path);
  base::Check(kind != OutputKind::kTensors, ErrorCode::kInternal, "WriteMedia does not write '", path, "'");
  CheckShape(path, frames.num_frames, frames.height_px, frames.width_px);
  if (kind == OutputKind::kVideo) {
    WriteVideo(path, frames, options, progress);
  } else {
    CheckImage(path, kind, options, frames.num_frames, frames.height_px, frames.width_px);
    WritePng(path, frames, options.comment, progress);
  }
}

}  // namespace pipeline
