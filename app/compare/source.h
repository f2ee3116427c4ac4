#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/compare/picture.h"
#include "app/compare/record.h"

namespace app {

// One side of a comparison: a video, an image, PNG frames (a folder, a pattern) or a .safetensors file with `frames`
// [F, H, W, 3].
struct SourceInfo {
  std::string path;  // as given, but a folder of frames ends in '/'
  std::string name;  // the least of its path that tells it from the other sources
  std::string kind;  // for people: "h264 in mp4", "png", "float32 frames"
  int64_t width_px = 0, height_px = 0, num_frames = 0;
  double fps = 0;                // 0: not known (images, tensors without a job)
  bool before_encoding = false;  // `path` holds the floats themselves
  std::string frames_path;  // where they are: `path`, or the .safetensors output of the same render; empty: nowhere
  Provenance provenance;
};

// Looks at a file without decoding frames. Throws Error{kInvalidInput} for what cannot be read.
SourceInfo ProbeSource(const std::string& path);

// Gives each source its name. Equal paths get their letter: "a.mp4 (B)".
void NameSources(std::vector<SourceInfo>& sources);

// "A" for the reference, "B" for the first other, …
std::string LetterOf(size_t index);

// The frames of a source, one after another.
class SourceStream {
 public:
  virtual ~SourceStream() = default;
  virtual bool Next() = 0;  // false at the end
  // Of that frame: when it is shown, s after the first; < 0: by the source's rate.
  virtual double time_s() const = 0;
  virtual void Read(Picture& picture) = 0;
};

// `path`: a source's path or frames_path. Errors as ProbeSource, while it reads as well.
std::unique_ptr<SourceStream> OpenSource(const std::string& path);

}  // namespace app
