#include "tests/pipeline/media/media_support.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace media_test {

namespace fs = std::filesystem;

const uint8_t kColours[8][3] = {{255, 0, 0}, {0, 255, 0},     {0, 0, 255},   {255, 255, 255},
                                {0, 0, 0},   {128, 128, 128}, {200, 90, 30}, {20, 160, 140}};

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "sparge-media-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void WriteFile(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

std::string RunCommand(const std::vector<std::string>& command) {
  std::string line;
  for (const std::string& word : command) {
    line += line.empty() ? "'" : " '";
    for (char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += "'";
  }
  FILE* pipe = popen(line.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + line);
  std::string out;
  char buffer[1 << 16];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  EXPECT_EQ(pclose(pipe), 0) << line;
  return out;
}

std::map<std::string, std::string> Probe(const std::string& path) {
  std::istringstream lines(RunCommand({"ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames",
                                       "-show_streams", "-show_format", "-of", "default=noprint_wrappers=1", path}));
  std::map<std::string, std::string> values;
  for (std::string line; std::getline(lines, line);) {
    const size_t sign = line.find('=');
    if (sign != std::string::npos && line.substr(sign) != "=N/A")
      values.emplace(line.substr(0, sign), line.substr(sign + 1));
  }
  return values;
}

std::vector<uint8_t> DecodeWithFfmpeg(const std::string& path) {
  const std::string raw =
      RunCommand({"ffmpeg", "-v", "error", "-i", path, "-fps_mode", "passthrough", "-sws_flags",
                  "accurate_rnd+full_chroma_int+full_chroma_inp", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"});
  return {raw.begin(), raw.end()};
}

pipeline::HostTensor Gradient(int64_t num_frames, int64_t height_px, int64_t width_px) {
  pipeline::HostTensor frames{{num_frames, height_px, width_px, 3}, {}};
  for (int64_t f = 0; f < num_frames; ++f) {
    for (int64_t y = 0; y < height_px; ++y) {
      for (int64_t x = 0; x < width_px; ++x) {
        frames.data.push_back(static_cast<float>(x) / static_cast<float>(width_px));
        frames.data.push_back(static_cast<float>(y) / static_cast<float>(height_px));
        frames.data.push_back(static_cast<float>(f) / static_cast<float>(num_frames));
      }
    }
  }
  return frames;
}

pipeline::HostTensor Noise(int64_t num_frames, int64_t height_px, int64_t width_px, uint32_t seed) {
  pipeline::HostTensor frames{{num_frames, height_px, width_px, 3}, {}};
  frames.data.resize(frames.numel());
  for (float& value : frames.data) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / 16777215.0f;
  }
  return frames;
}

pipeline::HostTensor Patches(int64_t num_frames, int64_t patch_px, int64_t speed) {
  const int64_t width_px = 8 * patch_px;
  pipeline::HostTensor frames{{num_frames, patch_px, width_px, 3}, {}};
  for (int64_t f = 0; f < num_frames; ++f) {
    for (int64_t y = 0; y < patch_px; ++y) {
      for (int64_t x = 0; x < width_px; ++x) {
        const uint8_t* colour = kColours[(x / patch_px + 8 - f * speed % 8) % 8];
        for (int c = 0; c < 3; ++c) frames.data.push_back(static_cast<float>(colour[c]) / 255.0f);
      }
    }
  }
  return frames;
}

int PatchError(const std::vector<uint8_t>& rgb, int64_t num_frames, int64_t patch_px, int64_t speed) {
  const int64_t width_px = 8 * patch_px;
  EXPECT_EQ(static_cast<int64_t>(rgb.size()), num_frames * patch_px * width_px * 3);
  if (static_cast<int64_t>(rgb.size()) < num_frames * patch_px * width_px * 3) return 256;
  int worst = 0;
  for (int64_t f = 0; f < num_frames; ++f) {
    for (int64_t p = 0; p < 8; ++p) {
      const uint8_t* expected = kColours[(p + 8 - f * speed % 8) % 8];
      for (int64_t y = patch_px / 2 - 2; y < patch_px / 2 + 2; ++y) {
        for (int64_t x = p * patch_px + patch_px / 2 - 2; x < p * patch_px + patch_px / 2 + 2; ++x) {
          for (int c = 0; c < 3; ++c) {
            worst = std::max(worst, std::abs(rgb[((f * patch_px + y) * width_px + x) * 3 + c] - expected[c]));
          }
        }
      }
    }
  }
  return worst;
}

std::vector<uint8_t> ToBytes(const pipeline::HostTensor& frames) {
  std::vector<uint8_t> bytes;
  for (float value : frames.data)
    bytes.push_back(static_cast<uint8_t>(std::nearbyint(std::clamp(value, 0.0f, 1.0f) * 255.0f)));
  return bytes;
}

base::Error Caught(const std::function<void()>& work) {
  try {
    work();
  } catch (const base::Error& error) {
    return error;
  }
  ADD_FAILURE() << "no base::Error was thrown";
  return base::Error(base::ErrorCode::kInternal, "");
}

void Write(const std::string& path, const pipeline::HostTensor& frames, const pipeline::VideoOptions& options) {
  pipeline::NoProgress progress;
  pipeline::WriteMedia(path, pipeline::ViewOf(frames), options, progress);
}

}  // namespace media_test
