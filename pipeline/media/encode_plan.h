#pragma once

#include <string>
#include <vector>

#include "pipeline/media/av.h"
#include "pipeline/media/media.h"

namespace pipeline {

// One value of `encode.codec`.
struct CodecRule {
  const char* name;
  const char* encoder;  // libavcodec's
  const char* default_pixel_format;
  double crf_default;  // < 0: the codec has no crf
  double crf_max;
  bool crf_whole;             // only whole numbers
  const char* preset_option;  // libavcodec's option; null: the codec has no presets
  const char* preset_default;
  std::vector<const char*> presets;
  int size_min, size_max;  // of both sides, px
  bool needs_even;         // sides must be multiples of the chroma's subsampling
};

// One extension.
struct ContainerRule {
  const char* extension;
  const char* muxer;                // libavformat's
  std::vector<const char*> codecs;  // the first is the default
};

// A video output with every choice made.
struct EncodePlan {
  const ContainerRule* container;
  const CodecRule* codec;
  AVPixelFormat pixel_format;
  AVRational fps;
  int width_px, height_px;  // as encoded: padded where the codec needs even sides
  double crf;               // < 0: none
  std::string preset;       // empty: none
};

// Makes every choice and checks it against the tables, not yet against the encoder. Throws Error{kInvalidInput} with
// what there is instead, Error{kUnsupported} for an encoder that this FFmpeg does not have.
EncodePlan PlanVideo(const std::string& path, const VideoOptions& options, int64_t height_px, int64_t width_px);

// The opened encoder of a plan; `path` is for messages. Throws Error{kInvalidInput}.
av::CodecContext OpenEncoder(const EncodePlan& plan, const std::string& path);

// 23.976 → 24000/1001, 12.5 → 25/2. Throws Error{kInvalidInput} outside 0.01…1000.
AVRational FrameRate(double fps);

// ".mp4" etc. of the file name, in lower case, or "".
std::string ExtensionOf(const std::string& path);
const ContainerRule* FindContainer(const std::string& extension);

}  // namespace pipeline
