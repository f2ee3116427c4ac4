#pragma once

#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace quality {

// Frames of one size, 8-bit BGR as OpenCV keeps them.
using Clip = std::vector<cv::Mat>;

// Reads a folder of PNG frames, in order of name, or a video file. Throws Error{kInvalidInput} naming the path when
// there is nothing to read, a frame is broken or the sizes differ.
Clip ReadClip(const std::string& path);

}  // namespace quality
