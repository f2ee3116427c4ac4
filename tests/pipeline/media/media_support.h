#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "attention/base/error.h"
#include "pipeline/host_tensor.h"
#include "pipeline/media/media.h"

namespace media_test {

// A fresh folder, removed with all in it at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Names in a folder, hidden ones too, sorted.
std::vector<std::string> NamesIn(const std::string& folder);
std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& bytes);

// Standard output of a command; a failure of the command fails the test.
std::string RunCommand(const std::vector<std::string>& command);

// What ffprobe says of the video stream and of the file, by key ("width", "nb_read_frames", "duration", …; of keys that
// both have, the stream's). Values with line breaks are cut.
std::map<std::string, std::string> Probe(const std::string& path);

// All frames as ffmpeg's command decodes them to rgb24.
std::vector<uint8_t> DecodeWithFfmpeg(const std::string& path);

// Frames that differ in every pixel and frame, smooth enough for lossy codecs.
pipeline::HostTensor Gradient(int64_t num_frames, int64_t height_px, int64_t width_px);
// Frames of one pseudo-random value a pixel and channel.
pipeline::HostTensor Noise(int64_t num_frames, int64_t height_px, int64_t width_px, uint32_t seed);

// The eight colours that tell matrices and ranges apart, as 8-bit RGB.
extern const uint8_t kColours[8][3];
// A row of eight patches of `patch_px` squared, moving to the right by `speed` patches a frame.
pipeline::HostTensor Patches(int64_t num_frames, int64_t patch_px, int64_t speed = 1);
// The largest difference of patch centres from what Patches made, in 8-bit levels.
int PatchError(const std::vector<uint8_t>& rgb, int64_t num_frames, int64_t patch_px, int64_t speed = 1);

// 8-bit values by the rule of the contract.
std::vector<uint8_t> ToBytes(const pipeline::HostTensor& frames);

// Runs it and gives back the Error that it must throw.
base::Error Caught(const std::function<void()>& work);

// Writes with defaults.
void Write(const std::string& path, const pipeline::HostTensor& frames, const pipeline::VideoOptions& options = {});

}  // namespace media_test
