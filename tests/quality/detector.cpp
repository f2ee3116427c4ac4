#include "tests/quality/detector.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "attention/base/error.h"
#include "tests/quality/measures.h"

namespace quality {
namespace {

// Thresholds of 8-bit pixels, chosen on true clips.
constexpr double kMinDistance = 70;  // from the row's background, summed over the channels
constexpr int kMinSaturation = 150;  // objects are plain colours, floors and skies pale
constexpr int kMinValue = 45;
constexpr int kMinArea = 12;  // pixels, in a frame of 128 x 128
constexpr int kViewEvery = 6;
constexpr int kTrackNeighbours = 5, kViewNeighbours = 7;

// What lies behind the object: floor and sky change from row to row only, and the camera stands still.
cv::Mat Background(const Clip& clip) {
  const int rows = clip[0].rows, columns = clip[0].cols;
  cv::Mat background(rows, 1, CV_32FC3);
  std::vector<uint8_t> values(clip.size() * columns);
  for (int y = 0; y < rows; ++y) {
    for (int c = 0; c < 3; ++c) {
      size_t i = 0;
      for (const cv::Mat& frame : clip) {
        const auto* row = frame.ptr<cv::Vec3b>(y);
        for (int x = 0; x < columns; ++x) values[i++] = row[x][c];
      }
      std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
      background.at<cv::Vec3f>(y)[c] = values[values.size() / 2];
    }
  }
  return background;
}

// The largest patch of plain colour that differs from the background, holes filled; empty when there is none.
cv::Mat ObjectMask(const cv::Mat& frame, const cv::Mat& background) {
  cv::Mat smooth, hsv;
  cv::GaussianBlur(frame, smooth, {3, 3}, 0);
  cv::cvtColor(smooth, hsv, cv::COLOR_BGR2HSV_FULL);
  cv::Mat mask(frame.size(), CV_8U, cv::Scalar(0));
  for (int y = 0; y < frame.rows; ++y) {
    const cv::Vec3f behind = background.at<cv::Vec3f>(y);
    for (int x = 0; x < frame.cols; ++x) {
      const cv::Vec3b pixel = smooth.at<cv::Vec3b>(y, x), colour = hsv.at<cv::Vec3b>(y, x);
      double distance = 0;
      for (int c = 0; c < 3; ++c) distance += std::abs(pixel[c] - behind[c]);
      if (distance > kMinDistance && colour[1] > kMinSaturation && colour[2] > kMinValue) mask.at<uint8_t>(y, x) = 255;
    }
  }
  cv::morphologyEx(mask, mask, cv::MORPH_OPEN, cv::Mat::ones(3, 3, CV_8U));
  std::vector<std::vector<cv::Point>> outlines;
  cv::findContours(mask, outlines, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  const auto largest = std::max_element(outlines.begin(), outlines.end(), [](const auto& a, const auto& b) {
    return cv::contourArea(a) < cv::contourArea(b);
  });
  if (largest == outlines.end()) return {};
  mask.setTo(0);
  cv::drawContours(mask, outlines, static_cast<int>(largest - outlines.begin()), 255, cv::FILLED);
  return cv::countNonZero(mask) < kMinArea ? cv::Mat() : mask;
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n,
               mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0, aa = 1e-3, bb = 1e-3;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

// Mean size of the change from frame to frame.
double Restlessness(const std::vector<double>& values) {
  double sum = 0;
  for (size_t i = 1; i < values.size(); ++i) sum += std::abs(values[i] - values[i - 1]);
  return sum / static_cast<double>(values.size() - 1);
}

// All features are about pixels in size (of 128), so that distances weigh them alike.
std::array<float, 7> TrackFeatures(const Series& x, const Series& y, const Series& area, const Series& aspect) {
  const Series side = area.Map([](double a) { return std::sqrt(a); });
  return {static_cast<float>(x.End() - x.Start()),
          static_cast<float>(x.Span()),
          static_cast<float>(y.Span()),
          static_cast<float>(30 * std::log(area.End() / area.Start())),
          static_cast<float>(y.Span() - 0.5 * side.Span()),
          static_cast<float>(10 * Correlation(side.values, y.values)),
          static_cast<float>(300 * Restlessness(aspect.values))};
}

}  // namespace

std::optional<Features> Measure(const Clip& clip) {
  base::Check(clip.size() >= 8, base::ErrorCode::kInvalidInput, "a clip of ", clip.size(),
              " frames: 8 are needed at least");
  const cv::Mat background = Background(clip);
  Features features;
  Series x, y, area, aspect;
  std::array<double, 2> hue = {0, 0};
  for (size_t f = 0; f < clip.size(); ++f) {
    const cv::Mat mask = ObjectMask(clip[f], background);
    if (mask.empty()) {
      for (Series* series : {&x, &y, &area, &aspect}) series->Add(std::nullopt);
      continue;
    }
    features.found += 1.0 / static_cast<double>(clip.size());
    const cv::Moments moments = cv::moments(mask, true);
    const cv::Rect box = cv::boundingRect(mask);
    x.Add(moments.m10 / moments.m00);
    y.Add(moments.m01 / moments.m00);
    area.Add(moments.m00);
    aspect.Add(box.width / double(box.height));
    cv::Mat hsv;
    cv::cvtColor(clip[f], hsv, cv::COLOR_BGR2HSV_FULL);
    for (int row = 0; row < mask.rows; ++row) {
      for (int column = 0; column < mask.cols; ++column) {
        if (!mask.at<uint8_t>(row, column)) continue;
        const cv::Vec3b pixel = hsv.at<cv::Vec3b>(row, column);
        const double angle = pixel[0] * 2 * CV_PI / 256, weight = pixel[1] * pixel[2];  // dark and pale say little
        hue[0] += weight * std::cos(angle);
        hue[1] += weight * std::sin(angle);
      }
    }
    if (f % kViewEvery == kViewEvery / 2) features.views.push_back(View(clip[f], mask));
  }
  if (features.found < 0.5 || features.views.empty()) return std::nullopt;
  for (Series* series : {&x, &y, &area, &aspect}) series->FillGaps();
  const double length = std::hypot(hue[0], hue[1]) + 1e-9;
  features.hue = {static_cast<float>(hue[0] / length), static_cast<float>(hue[1] / length)};
  const int rows = clip[0].rows;
  features.floor_colour = MedianColour(clip, rows - rows / 12, rows);
  features.sky_colour = MedianColour(clip, 0, rows / 16);
  features.track = TrackFeatures(x, y, area, aspect);
  return features;
}

Detector Detector::Calibrate(int num_clips, uint64_t sequence, int threads) {
  std::vector<std::optional<Features>> measured(num_clips);
  ForEach(num_clips, threads,
          [&](int i) { measured[i] = Measure(RenderTrueClip(RandomScene(sequence, i), TrueClipSeed(sequence, i))); });
  Detector detector;
  for (int i = 0; i < num_clips; ++i) {
    if (measured[i]) detector.examples_.push_back({RandomScene(sequence, i), *measured[i]});
  }
  return detector;
}

std::optional<Scene> Detector::Look(const Clip& clip) const {
  const std::optional<Features> seen = Measure(clip);
  if (!seen) return std::nullopt;
  Scene scene = {};
  // Colours, floors and skies look alike in every true clip: the nearest example decides.
  std::array<double, kNumAttributes> nearest;
  nearest.fill(INFINITY);
  const auto nearer = [&](int attribute, double distance, const Example& example) {
    if (distance < nearest[attribute]) nearest[attribute] = distance, scene[attribute] = example.scene[attribute];
  };
  std::vector<std::pair<double, int>> tracks;
  for (const Example& example : examples_) {
    nearer(kColour, Distance2(seen->hue, example.features.hue), example);
    nearer(kFloor, Distance2(seen->floor_colour, example.features.floor_colour), example);
    nearer(kSky, Distance2(seen->sky_colour, example.features.sky_colour), example);
    tracks.push_back({Distance2(seen->track, example.features.track), example.scene[kMotion]});
  }
  std::vector<int> motions(Words(kMotion).size()), shapes(Words(kShape).size());
  Vote(std::move(tracks), kTrackNeighbours, motions);
  for (const auto& view : seen->views) {
    std::vector<std::pair<double, int>> others;
    for (const Example& example : examples_) {
      for (const auto& other : example.features.views)
        others.push_back({Distance2(view, other), example.scene[kShape]});
    }
    Vote(std::move(others), kViewNeighbours, shapes);
  }
  scene[kMotion] = Winner(motions);
  scene[kShape] = Winner(shapes);
  return scene;
}

std::array<double, kNumAttributes> AccuracyOnTrueClips(const Detector& detector, int num_clips, uint64_t sequence,
                                                       int threads) {
  std::vector<std::optional<Scene>> seen(num_clips);
  ForEach(num_clips, threads,
          [&](int i) { seen[i] = detector.Look(RenderTrueClip(RandomScene(sequence, i), TrueClipSeed(sequence, i))); });
  std::array<double, kNumAttributes> right = {};
  for (int i = 0; i < num_clips; ++i) {
    const Scene truth = RandomScene(sequence, i);
    for (int a = 0; a < kNumAttributes; ++a) right[a] += (seen[i] && (*seen[i])[a] == truth[a]) / double(num_clips);
  }
  return right;
}

}  // namespace quality
