#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "app/draw/canvas.h"
#include "app/report/batch_data.h"

namespace app {

// A picture as JPEG (ITU-T T.81, baseline, 4:2:0; JFIF colours), by libavcodec. Throws base::Error{kUnsupported} where
// FFmpeg has no encoder.
std::string EncodeJPEG(const Canvas& picture);

// What an output looks like.
struct ClipLook {
  std::string poster;  // its first frame as JPEG, at most 320 px wide
  std::string type;    // "video/mp4", "video/webm" or "image/gif" where browsers play it, else ""
  int64_t width_px = 0, height_px = 0;
  int64_t bytes = 0;  // of a file; 0 for frames
  bool is_video = false;
};

// Of the first of the outputs that can be shown; `path` is that one. Absent where there is none. Never throws for what
// the files hold.
std::optional<ClipLook> LookAtClip(const ReportJob& job, std::string& path);

// A pixel a step and layer, as PNG: to be drawn larger without smoothing.
std::string SkipMapPNG(const SkipMap& map);

// The mean over jobs, of those that have the first's steps and layers; `count` of them.
SkipMap MeanMap(const std::vector<const ReportJob*>& jobs, int64_t& count);

}  // namespace app
