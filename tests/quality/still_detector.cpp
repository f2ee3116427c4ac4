#include "tests/quality/still_detector.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <opencv2/imgproc.hpp>

#include "attention/base/error.h"
#include "tests/quality/measures.h"

namespace quality {
namespace {

// Thresholds of 8-bit pixels, chosen on true clips.
constexpr double kMinDistance = 60;  // from what lies behind, summed over the channels
constexpr int kMinSaturation = 140;  // objects are plain colours, floors and skies pale
constexpr int kMinValue = 40;
constexpr int kMinArea = 12;      // pixels, in a frame of 128 x 128
constexpr int kEdgeColumns = 12;  // at either side, where there is seldom an object
constexpr int kViewEvery = 6, kNeighbours = 5;
constexpr int kNumColours = 6;

// Where on the colour circle, in degrees, one colour's pixels end and the next one's begin.
constexpr std::array<double, kNumColours> kHueEnds = {14, 38, 85, 175, 253, 320};

int ColourOfHue(double degrees) {
  for (int i = 0; i < kNumColours; ++i) {
    if (degrees < kHueEnds[i]) return i;
  }
  return 0;
}

cv::Vec3f MedianOfColumns(const cv::Mat& frame, int y, int first, int last) {
  cv::Vec3f median;
  for (int c = 0; c < 3; ++c) {
    std::vector<uint8_t> values;
    for (int x = first; x < last; ++x) values.push_back(frame.at<cv::Vec3b>(y, x)[c]);
    std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
    median[c] = values[values.size() / 2];
  }
  return median;
}

// What lies behind the objects, a colour a row, as floor and sky are. Of the two edges the one that is nearer to the
// clip's usual edge counts: an object may be at the other.
std::vector<std::vector<cv::Vec3f>> Backgrounds(const Clip& clip) {
  const int rows = clip[0].rows, columns = clip[0].cols;
  std::vector<std::vector<cv::Vec3f>> backgrounds(clip.size(), std::vector<cv::Vec3f>(rows));
  for (int y = 0; y < rows; ++y) {
    std::vector<std::array<cv::Vec3f, 2>> edges;
    std::array<std::vector<float>, 3> all;
    for (const cv::Mat& frame : clip) {
      edges.push_back(
          {MedianOfColumns(frame, y, 0, kEdgeColumns), MedianOfColumns(frame, y, columns - kEdgeColumns, columns)});
      for (const cv::Vec3f& edge : edges.back()) {
        for (int c = 0; c < 3; ++c) all[c].push_back(edge[c]);
      }
    }
    cv::Vec3f usual;
    for (int c = 0; c < 3; ++c) {
      std::nth_element(all[c].begin(), all[c].begin() + all[c].size() / 2, all[c].end());
      usual[c] = all[c][all[c].size() / 2];
    }
    for (size_t f = 0; f < clip.size(); ++f) {
      backgrounds[f][y] = edges[f][Distance2(edges[f][1], usual) < Distance2(edges[f][0], usual)];
    }
  }
  return backgrounds;
}

using Masks = std::array<cv::Mat, kNumColours>;

// By colour, the plain pixels that are not background.
Masks ColourMasks(const cv::Mat& frame, const std::vector<cv::Vec3f>& background) {
  cv::Mat smooth, hsv;
  cv::GaussianBlur(frame, smooth, {3, 3}, 0);
  cv::cvtColor(smooth, hsv, cv::COLOR_BGR2HSV_FULL);
  Masks masks;
  for (cv::Mat& mask : masks) mask = cv::Mat(frame.size(), CV_8U, cv::Scalar(0));
  for (int y = 0; y < frame.rows; ++y) {
    for (int x = 0; x < frame.cols; ++x) {
      const cv::Vec3b pixel = smooth.at<cv::Vec3b>(y, x), colour = hsv.at<cv::Vec3b>(y, x);
      double distance = 0;
      for (int c = 0; c < 3; ++c) distance += std::abs(pixel[c] - background[y][c]);
      if (distance > kMinDistance && colour[1] > kMinSaturation && colour[2] > kMinValue) {
        masks[ColourOfHue(colour[0] * 360.0 / 256)].at<uint8_t>(y, x) = 255;
      }
    }
  }
  return masks;
}

// The largest patch, holes filled; empty when there is none.
cv::Mat LargestPatch(const cv::Mat& mask) {
  cv::Mat patch;
  cv::morphologyEx(mask, patch, cv::MORPH_OPEN, cv::Mat::ones(3, 3, CV_8U));
  std::vector<std::vector<cv::Point>> outlines;
  cv::findContours(patch, outlines, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  const auto largest = std::max_element(outlines.begin(), outlines.end(), [](const auto& a, const auto& b) {
    return cv::contourArea(a) < cv::contourArea(b);
  });
  if (largest == outlines.end()) return {};
  patch.setTo(0);
  cv::drawContours(patch, outlines, static_cast<int>(largest - outlines.begin()), 255, cv::FILLED);
  return cv::countNonZero(patch) < kMinArea ? cv::Mat() : patch;
}

struct Track {
  Series x, y, bottom, area;
  double found = 0;

  void Add(const cv::Mat& mask, double share) {
    if (mask.empty()) {
      for (Series* series : {&x, &y, &bottom, &area}) series->Add(std::nullopt);
      return;
    }
    found += share;
    const cv::Moments moments = cv::moments(mask, true);
    const cv::Rect box = cv::boundingRect(mask);
    x.Add(moments.m10 / moments.m00);
    y.Add(moments.m01 / moments.m00);
    bottom.Add(box.y + box.height);
    area.Add(moments.m00);
  }
  void FillGaps() {
    for (Series* series : {&x, &y, &bottom, &area}) series->FillGaps();
  }
};

// Mean change of the pixels from the first frames to the last, where the objects are and around them.
double ChangeAround(const Clip& clip, const cv::Rect& objects) {
  constexpr int kAround = 16;
  const cv::Rect wide(objects.x - kAround, objects.y - kAround, objects.width + 2 * kAround,
                      objects.height + 2 * kAround);
  const cv::Rect inside = wide & cv::Rect(0, 0, clip[0].cols, clip[0].rows);
  cv::Mat change;
  cv::absdiff(clip[1](inside), clip[clip.size() - 2](inside), change);
  const cv::Scalar mean = cv::mean(change);
  return mean[0] + mean[1] + mean[2];
}

// Two objects in the order of their colours, as MeasureStill finds them.
StillScene InOrderOfColours(const StillScene& scene) {
  return IsPair(scene) && scene[kStillColour] > scene[kStillSecondColour] - 1 ? Reversed(scene) : scene;
}

}  // namespace

std::optional<StillFeatures> MeasureStill(const Clip& clip, int num_objects) {
  base::Check(num_objects == 1 || num_objects == 2, base::ErrorCode::kInvalidInput, num_objects, " objects: 1 or 2");
  base::Check(clip.size() >= 8, base::ErrorCode::kInvalidInput, "a clip of ", clip.size(),
              " frames: 8 are needed at least");
  const auto backgrounds = Backgrounds(clip);
  std::vector<Masks> masks;
  std::array<double, kNumColours> pixels = {};
  for (size_t f = 0; f < clip.size(); ++f) {
    masks.push_back(ColourMasks(clip[f], backgrounds[f]));
    for (int c = 0; c < kNumColours; ++c) {
      masks[f][c] = LargestPatch(masks[f][c]);
      if (!masks[f][c].empty()) pixels[c] += cv::countNonZero(masks[f][c]);
    }
  }
  std::array<int, kNumColours> colours;
  std::iota(colours.begin(), colours.end(), 0);
  std::stable_sort(colours.begin(), colours.end(), [&](int a, int b) { return pixels[a] > pixels[b]; });
  if (num_objects == 2 && colours[0] > colours[1]) std::swap(colours[0], colours[1]);

  StillFeatures features;
  std::vector<Track> tracks(num_objects);
  cv::Rect everywhere;
  Series area;
  const double share = 1.0 / static_cast<double>(clip.size());
  for (int i = 0; i < num_objects; ++i) {
    features.objects.push_back({colours[i], {}});
    for (size_t f = 0; f < clip.size(); ++f) {
      const cv::Mat& mask = masks[f][colours[i]];
      tracks[i].Add(mask, share);
      if (mask.empty()) continue;
      everywhere = everywhere.empty() ? cv::boundingRect(mask) : everywhere | cv::boundingRect(mask);
      if (f % kViewEvery == kViewEvery / 2) features.objects[i].views.push_back(View(clip[f], mask));
    }
    if (tracks[i].found < 0.5 || features.objects[i].views.empty()) return std::nullopt;
    tracks[i].FillGaps();
  }
  const Track& first = tracks.front();
  const Track& last = tracks.back();
  const auto side = [](double a) { return std::sqrt(a); };
  // In pixels where the objects are 30 across: camera and distance do not change it.
  const double scale = 30 / ((first.area.Map(side).Mean() + last.area.Map(side).Mean()) / 2);
  features.place = {static_cast<float>(scale * (first.x.Mean() - last.x.Mean())),
                    static_cast<float>(scale * (first.y.Mean() - last.y.Mean())),
                    static_cast<float>(scale * (first.bottom.Mean() - last.bottom.Mean())),
                    static_cast<float>(15 * std::log(first.area.Mean() / last.area.Mean()))};
  double growth = 0, shift = 0, span = 0;
  for (const Track& track : tracks) {
    growth += 30 * std::log(track.area.End() / track.area.Start()) / num_objects;
    shift += (track.x.End() - track.x.Start()) / num_objects;
    span += track.x.Span() / num_objects;
  }
  features.camera_move = {static_cast<float>(growth), static_cast<float>(shift), static_cast<float>(span),
                          static_cast<float>(ChangeAround(clip, everywhere))};
  const int rows = clip[0].rows;
  features.floor_colour = MedianColour(clip, rows - rows / 12, rows);
  features.sky_colour = MedianColour(clip, 0, rows / 16);
  return features;
}

StillDetector StillDetector::Calibrate(int num_clips, uint64_t sequence, bool pair, int threads) {
  std::vector<std::optional<StillFeatures>> measured(num_clips);
  ForEach(num_clips, threads, [&](int i) {
    measured[i] =
        MeasureStill(RenderTrueStill(RandomStill(sequence, i, pair), TrueClipSeed(sequence, i)), pair ? 2 : 1);
  });
  StillDetector detector;
  detector.pair_ = pair;
  for (int i = 0; i < num_clips; ++i) {
    const StillScene scene = InOrderOfColours(RandomStill(sequence, i, pair));
    if (!measured[i] || measured[i]->objects[0].colour != scene[kStillColour]) continue;
    if (pair && measured[i]->objects[1].colour != scene[kStillSecondColour] - 1) continue;
    detector.examples_.push_back({scene, *measured[i]});
  }
  return detector;
}

std::optional<StillScene> StillDetector::Look(const Clip& clip) const {
  const auto seen = MeasureStill(clip, pair_ ? 2 : 1);
  if (!seen) return std::nullopt;
  StillScene scene = {};
  scene[kStillColour] = seen->objects[0].colour;
  if (pair_) scene[kStillSecondColour] = seen->objects[1].colour + 1;
  std::array<double, kNumStillAttributes> nearest;
  nearest.fill(INFINITY);
  const auto nearer = [&](int attribute, double distance, const Example& example) {
    if (distance < nearest[attribute]) nearest[attribute] = distance, scene[attribute] = example.scene[attribute];
  };
  std::vector<std::pair<double, int>> places, moves;
  for (const Example& example : examples_) {
    nearer(kStillFloor, Distance2(seen->floor_colour, example.features.floor_colour), example);
    nearer(kStillSky, Distance2(seen->sky_colour, example.features.sky_colour), example);
    places.push_back({Distance2(seen->place, example.features.place), example.scene[kStillRelation]});
    moves.push_back({Distance2(seen->camera_move, example.features.camera_move), example.scene[kStillCamera]});
  }
  const auto vote = [](std::vector<std::pair<double, int>> labelled, int attribute) {
    std::vector<int> votes(StillWords(attribute).size());
    Vote(std::move(labelled), kNeighbours, votes);
    return Winner(votes);
  };
  scene[kStillRelation] = vote(std::move(places), kStillRelation);
  scene[kStillCamera] = vote(std::move(moves), kStillCamera);
  for (size_t i = 0; i < seen->objects.size(); ++i) {
    std::vector<int> shapes(StillWords(kStillShape).size());
    for (const auto& view : seen->objects[i].views) {
      std::vector<std::pair<double, int>> others;
      for (const Example& example : examples_) {
        for (size_t j = 0; j < example.features.objects.size(); ++j) {
          const int shape = j == 0 ? example.scene[kStillShape] : example.scene[kStillSecondShape] - 1;
          for (const auto& other : example.features.objects[j].views) others.push_back({Distance2(view, other), shape});
        }
      }
      Vote(std::move(others), kNeighbours, shapes);
    }
    scene[i == 0 ? kStillShape : kStillSecondShape] = Winner(shapes) + (i == 0 ? 0 : 1);
  }
  return scene;
}

StillScene ToldAs(const StillScene& seen, const StillScene& asked) {
  if (!IsPair(seen)) return seen;
  const StillScene other = Reversed(seen);
  const auto agreement = [&](const StillScene& scene) {
    int count = 2 * (scene[kStillColour] == asked[kStillColour]);  // an object is known by its colour
    for (int a = 0; a < kNumStillAttributes; ++a) count += scene[a] == asked[a];
    return count;
  };
  return agreement(other) > agreement(seen) ? other : seen;
}

std::array<double, kNumStillAttributes> AccuracyOnTrueStills(const StillDetector& detector, int num_clips,
                                                             uint64_t sequence, bool pair, int threads) {
  std::vector<std::optional<StillScene>> seen(num_clips);
  ForEach(num_clips, threads, [&](int i) {
    seen[i] = detector.Look(RenderTrueStill(RandomStill(sequence, i, pair), TrueClipSeed(sequence, i)));
  });
  std::array<double, kNumStillAttributes> right = {};
  for (int i = 0; i < num_clips; ++i) {
    const StillScene truth = RandomStill(sequence, i, pair);
    for (int a = 0; a < kNumStillAttributes; ++a) {
      right[a] += (seen[i] && ToldAs(*seen[i], truth)[a] == truth[a]) / double(num_clips);
    }
  }
  return right;
}

}  // namespace quality
