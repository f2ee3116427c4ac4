#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "tests/app/compare/support.h"
#include "tests/app/gui/window_fixture.h"

namespace app {

// The workspace Compare in a real window.
class CompareWindowTest : public WindowTest {
 protected:
  CompareWindowTest() {
    settle_s_ = 0.2;
    wakeful_ = true;
  }

  const ui::CompareView& compare() const { return view().compare; }
  const ui::CompareLocal& local() const { return studio_->compare(); }

  // Files dropped on the window, as a file manager does.
  void Drop(const std::vector<std::string>& paths) {
    std::string list;
    for (const std::string& path : paths) list += " '" + path + "'";
    std::filesystem::remove(Path("dropped"));
    const std::string command = SPARGE_BINARY_DIR "/bin/x_drop 'Sparge Studio'" + list + " && echo yes > " +
                                Path("dropped") + " || echo no > " + Path("dropped");
    ASSERT_EQ(std::system(("(" + command + ") &").c_str()), 0);
    ASSERT_TRUE(StepUntil([&] { return std::filesystem::exists(Path("dropped")); }, 30));
  }
  // The same, until they are on screen; paused, at the first frame.
  void Open(const std::vector<std::string>& paths) {
    Drop(paths);
    ASSERT_TRUE(StepUntil([&] { return Shown(paths.size()); }, 30)) << compare().note;
    if (local().playing) X("key space");
    ASSERT_FALSE(local().playing);
    if (compare().shown_frame != 0) Click("compare/scrub/0");
    ASSERT_TRUE(At(0));
  }
  bool Shown(size_t clips) const {
    if (compare().clips.size() != clips || studio_->state().workspace != ui::Workspace::kCompare) return false;
    for (const ui::CompareClip& clip : compare().clips) {
      if (!clip.frame.rgb) return false;
    }
    return Has("stage/picture");
  }
  bool At(int64_t frame) {
    return StepUntil([&] { return compare().shown_frame == frame && !compare().waiting; }, 20);
  }
  bool Measured() {
    return StepUntil([&] { return !compare().curves.empty() && compare().curves.back().done; }, 60);
  }

  // What the window shows of the picture: the screen's pixel in the middle of every pixel of the reference.
  cv::Mat OnScreen() {
    Settle();
    const ui::Image shot = Shot();
    const ui::Rect at = Place("stage/picture");
    cv::Mat seen(compare().height_px, compare().width_px, CV_8UC3);
    const float scale = (at.x1 - at.x0) / static_cast<float>(seen.cols);
    for (int y = 0; y < seen.rows; ++y) {
      for (int x = 0; x < seen.cols; ++x) {
        const auto u = static_cast<int>(at.x0 + (static_cast<float>(x) + 0.5f) * scale),
                   v = static_cast<int>(at.y0 + (static_cast<float>(y) + 0.5f) * scale);
        const size_t i =
            (static_cast<size_t>(std::clamp(v, 0, shot.height_px - 1)) * static_cast<size_t>(shot.width_px) +
             static_cast<size_t>(std::clamp(u, 0, shot.width_px - 1))) *
            3;
        seen.at<cv::Vec3b>(y, x) = {(*shot.rgb)[i], (*shot.rgb)[i + 1], (*shot.rgb)[i + 2]};
      }
    }
    return seen;
  }
  // Pixels of the picture that captions cover, and with `line` those near the wipe's line.
  cv::Mat Covered(bool line = false) const {
    const ui::Rect at = Place("stage/picture");
    cv::Mat covered = cv::Mat::zeros(compare().height_px, compare().width_px, CV_8U);
    const double scale = (at.x1 - at.x0) / covered.cols;
    const auto cover = [&](double x0, double y0, double x1, double y1) {
      const auto pixel = [&](double screen, double from) {
        return static_cast<int>(std::floor((screen - from) / scale));
      };
      const cv::Rect part(cv::Point(pixel(x0, at.x0) - 1, pixel(y0, at.y0) - 1),
                          cv::Point(pixel(x1, at.x0) + 2, pixel(y1, at.y0) + 2));
      covered(part & cv::Rect(0, 0, covered.cols, covered.rows)).setTo(1);
    };
    for (const char* letter : {"A", "B", "C", "D"}) {
      const auto it = studio_->places().find(std::string("caption/") + letter);
      if (it != studio_->places().end()) cover(it->second.x0, it->second.y0, it->second.x1, it->second.y1);
    }
    const double x = at.x0 + local().wipe * (at.x1 - at.x0);
    if (line) cover(x - 8, at.y0, x + 8, at.y1);
    return covered;
  }
  static cv::Mat MatOf(const ui::Image& image) {
    return cv::Mat(image.height_px, image.width_px, CV_8UC3, const_cast<uint8_t*>(image.rgb->data())).clone();
  }
  cv::Mat FrameOf(size_t clip) const { return MatOf(compare().clips.at(clip).frame); }
  // The greatest difference of two pictures in a channel, where `covered` is 0.
  static double Off(const cv::Mat& a, const cv::Mat& b, const cv::Mat& covered, cv::Rect part = {}) {
    if (part.empty()) part = cv::Rect(0, 0, a.cols, a.rows);
    return cv::norm(a(part), b(part), cv::NORM_INF, cv::Mat(covered(part) == 0));
  }
  // The colour in the middle of the picture, its red.
  int Level() {
    const cv::Mat seen = OnScreen();
    return seen.at<cv::Vec3b>(seen.rows / 2, seen.cols / 4)[0];
  }
  static std::string Clipboard() {
    const char* text = ImGui::GetClipboardText();
    return text != nullptr ? text : "";
  }
};

// Lossless, frame i is NoisyPicture(seed + i).
inline void WriteNoise(const std::string& path, int frames, uint32_t seed, float noise, int64_t height = 48,
                       int64_t width = 64, double fps = 10) {
  pipeline::HostTensor tensor{{frames, height, width, 3}, {}};
  for (int i = 0; i < frames; ++i) {
    const Picture picture = NoisyPicture(height, width, seed + static_cast<uint32_t>(i), noise);
    tensor.data.insert(tensor.data.end(), picture.rgb.begin(), picture.rgb.end());
  }
  pipeline::VideoOptions options;
  options.fps = fps;
  options.codec = "ffv1";
  options.pixel_format = "bgr0";
  media_test::Write(path, tensor, options);
}

}  // namespace app
