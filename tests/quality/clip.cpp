#include "tests/quality/clip.h"

#include <algorithm>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

#include "attention/base/error.h"

namespace quality {
namespace fs = std::filesystem;
using base::ErrorCode;

Clip ReadClip(const std::string& path) {
  Clip clip;
  if (fs::is_directory(path)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(path)) {
      if (entry.path().extension() == ".png") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      clip.push_back(cv::imread(file.string(), cv::IMREAD_COLOR));
      base::Check(!clip.back().empty(), ErrorCode::kInvalidInput, file.string(), ": not a PNG picture");
    }
  } else {
    cv::VideoCapture video(path);
    base::Check(video.isOpened(), ErrorCode::kInvalidInput, path, ": neither a folder of PNG frames nor a video");
    for (cv::Mat frame; video.read(frame);) clip.push_back(frame.clone());
  }
  base::Check(!clip.empty(), ErrorCode::kInvalidInput, path, ": no frames");
  for (const cv::Mat& frame : clip) {
    base::Check(frame.size() == clip[0].size(), ErrorCode::kInvalidInput, path, ": frames of different sizes");
  }
  return clip;
}

}  // namespace quality
