#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "app/compare/align.h"
#include "app/compare/picture.h"
#include "app/settings/layers.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"
#include "tests/app/temp_folder.h"
#include "tests/pipeline/media/media_support.h"

namespace app {

// Smooth, with noise of a given strength, in 0…1; whole 8-bit values.
inline Picture NoisyPicture(int64_t height, int64_t width, uint32_t seed, float noise) {
  std::mt19937 random(seed);
  Picture picture;
  picture.Resize(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const float smooth =
            0.5f + 0.4f * std::sin(0.21f * static_cast<float>(x) + 0.13f * static_cast<float>(y * (c + 1)));
        const float jitter = noise * (static_cast<float>(random() % 2001) / 1000.0f - 1);
        picture.rgb[static_cast<size_t>((y * width + x) * 3 + c)] =
            std::round(std::min(1.0f, std::max(0.0f, smooth + jitter)) * 255) / 255;
      }
    }
  }
  return picture;
}

// Every value of a picture.
inline Picture Flat(int64_t height, int64_t width, float value) {
  Picture picture;
  picture.Resize(height, width);
  std::fill(picture.rgb.begin(), picture.rgb.end(), value);
  return picture;
}

// A lossless clip whose frame i is `levels[i]` (8 bits) everywhere.
inline void WriteLevels(const std::string& path, const std::vector<int>& levels, double fps, int64_t height = 16,
                        int64_t width = 16) {
  pipeline::HostTensor frames{{static_cast<int64_t>(levels.size()), height, width, 3}, {}};
  for (int level : levels)
    frames.data.insert(frames.data.end(), static_cast<size_t>(height * width * 3), static_cast<float>(level) / 255.0f);
  pipeline::VideoOptions options;
  options.fps = fps;
  options.codec = path.ends_with(".png") || path.ends_with("/") ? "" : "ffv1";
  options.pixel_format = options.codec.empty() ? "" : "bgr0";
  media_test::Write(path, frames, options);
}

// The level of the next frame.
inline int NextLevel(AlignedStream& stream) { return static_cast<int>(std::lround(stream.Next().rgb[0] * 255)); }

// Runs ffmpeg's own command, quietly, and gives back its standard output.
inline std::string Ffmpeg(std::vector<std::string> args) {
  args.insert(args.begin(), {"ffmpeg", "-v", "error", "-y"});
  return media_test::RunCommand(args);
}

// What ends in the message of the errors that `work` must throw, joined.
template <class Work>
std::string ErrorsOf(Work work) {
  try {
    work();
  } catch (const InputErrors& errors) {
    std::string text;
    for (const auto& item : errors.items()) text += item.text + "\n";
    return text;
  } catch (const base::Error& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace app
