#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "pipeline/host_tensor.h"
#include "pipeline/progress.h"

// Clips and images on disk (docs/interfaces.md, "Output files"). Videos go through libav*, PNG through zlib. All errors
// are base::Error: kInvalidInput for what could never work (before anything is written), kUnsupported for what this
// FFmpeg lacks, kIo for the disk, kNonFinite for NaN or infinity in frames, kCancelled.
namespace pipeline {

// ---- Writing -------------------------------------------------------------------------------------------------------

// RGB frames [num_frames, height_px, width_px, 3], dense, nominally 0…1 (outside: clamped). Not owned.
struct FramesView {
  const float* data = nullptr;
  int64_t num_frames = 0, height_px = 0, width_px = 0;

  const float* frame(int64_t index) const { return data + index * height_px * width_px * 3; }
};

// Of a [F, H, W, 3] array, which must outlive the view. Throws Error{kInternal} for other shapes.
FramesView ViewOf(const HostTensor& frames);

// The settings `encode.*`, and what else a container holds. Empty or absent: the default for the container and codec.
struct VideoOptions {
  std::string codec;          // h264, h265, av1, vp9, prores, ffv1, gif
  std::optional<double> crf;  // constant quality, smaller is better: h264, h265 0…51, av1, vp9 0…63 (whole numbers)
  std::string preset;         // h264, h265: ultrafast … placebo; av1: 0…6, vp9: 0…5 (larger is faster)
  std::string pixel_format;   // FFmpeg's name
  double fps = 16.0;          // 23.976, 29.97, 59.94, …: the exact N·1000/1001; else the nearest fraction
  std::string comment;        // the job as JSON: metadata `comment` (PNG: iTXt `sparge`); empty: none
};

enum class OutputKind {
  kVideo,      // .mp4 .mkv .mov .webm .gif
  kPngImage,   // NAME.png: one frame
  kPngFrames,  // NAME_%04d.png, or a folder ending in '/' (0000.png, …): any number of frames
  kTensors,    // .safetensors: not written here
};

// By extension, in either case. Throws Error{kInvalidInput} with the list of kinds.
OutputKind KindOfOutput(const std::string& path);

// The file of frame `index` of a kPngFrames path. Throws Error{kInvalidInput} unless the file name holds exactly one
// printf conversion of an int (%d, %4d, %04d; %% is a percent sign).
std::string FramePath(const std::string& path, int64_t index);

// The first file that writing `num_frames` frames to `path` would replace; empty if none.
std::string ExistingOutput(const std::string& path, int64_t num_frames);

// The file name without folder, extension and frame pattern, with its folder: what the sidecar and kept latents are
// named by: "a/b.mp4" → "a/b", "a/f_%04d.png" → "a/f", "a/frames/" → "a/frames".
std::string OutputStem(const std::string& path);

// Everything that can be known about an output before it is rendered: kind, folder, codec against container, every
// option, size limits (by opening the encoder). For kTensors only the path. Throws kInvalidInput or kUnsupported.
void ValidateOutput(const std::string& path, const VideoOptions& options, int64_t num_frames, int64_t height_px,
                    int64_t width_px);

// Writes a kVideo, kPngImage or kPngFrames output; it appears whole or not at all (base::AtomicFile), and replaces
// what was there. PNG frames of the same pattern that follow the last one written are leftovers of a longer clip and
// are removed. Progress: Stage::kWrite in frames; cancel between frames. The same input gives the same bytes.
void WriteMedia(const std::string& path, const FramesView& frames, const VideoOptions& options, Progress& progress);

// ---- Reading -------------------------------------------------------------------------------------------------------

struct MediaInfo {
  std::string path;
  bool is_video = false;     // else an image, or frames of a folder or pattern
  std::string container;     // "mp4", "matroska", "gif", "png"
  std::string codec;         // FFmpeg's name: "h264", "hevc", "av1", "vp9", "prores", "ffv1", "gif", "png"
  std::string pixel_format;  // FFmpeg's name
  std::string color_space, color_primaries, color_transfer, color_range;  // FFmpeg's names; "unknown" if untagged
  int64_t width_px = 0, height_px = 0;
  int64_t num_frames = 0;  // counted
  double fps = 0;          // 0 for images
  int64_t bytes = 0;       // on disk, of all files
  std::string comment;     // hostile text; empty: none
};

// What a clip, an image, a folder of frames ("DIR/") or a pattern ("f_%04d.png") is. Decodes no frame. Throws
// Error{kInvalidInput} with the path and the reason for what is no such file or is cut short.
MediaInfo ProbeMedia(const std::string& path);

struct Clip {
  MediaInfo info;
  HostTensor frames;  // [F, H, W, 3] in 0…1, RGB by the file's own tags (untagged YUV: BT.601, as FFmpeg takes it)
};

// The same frames one after another, for clips that need not fit into memory. Throws as ReadMedia does.
class FrameReader {
 public:
  explicit FrameReader(const std::string& path);
  ~FrameReader();
  FrameReader(FrameReader&&) noexcept;
  FrameReader& operator=(FrameReader&&) noexcept;

  const MediaInfo& info() const;  // num_frames, and a GIF's fps, only after the end

  // Decodes the next frame; false at the end.
  bool Next();

  // Of that frame: when it is shown, in seconds after the first (0 for images and their sequences), and its pixels
  // [height, width, 3] in 0…1.
  double time_s() const;
  void Convert(float* rgb);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// All frames. Throws as ProbeMedia does, also for frames that are damaged or fewer than the file announces, and
// Error{kOutOfMemory} when they would need more than `max_bytes`.
Clip ReadMedia(const std::string& path, Progress& progress, int64_t max_bytes = int64_t{16} << 30);

// "FFmpeg 5.1.9 (libavcodec 59.37.100, …)", for `sparge --version`.
std::string MediaLibraries();

}  // namespace pipeline
