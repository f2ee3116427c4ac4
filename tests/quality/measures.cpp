#include "tests/quality/measures.h"

#include <algorithm>
#include <numeric>
#include <opencv2/imgproc.hpp>
#include <thread>

namespace quality {

void Series::Add(std::optional<double> value) {
  values.push_back(value.value_or(0));
  known.push_back(value.has_value());
}

void Series::FillGaps() {
  const int n = static_cast<int>(values.size());
  int before = -1;
  for (int i = 0; i < n; ++i) {
    if (known[i]) {
      for (int j = before + 1; j < i; ++j) {
        values[j] =
            before < 0 ? values[i] : values[before] + (values[i] - values[before]) * (j - before) / double(i - before);
      }
      before = i;
    }
  }
  for (int j = before + 1; before >= 0 && j < n; ++j) values[j] = values[before];
}

double Series::Mean() const {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Series::Start() const { return std::accumulate(values.begin(), values.begin() + 4, 0.0) / 4; }

double Series::End() const { return std::accumulate(values.end() - 4, values.end(), 0.0) / 4; }

double Series::Span() const {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *high - *low;
}

Series Series::Map(const std::function<double(double)>& function) const {
  Series mapped = *this;
  for (double& value : mapped.values) value = function(value);
  return mapped;
}

cv::Vec3f MedianColour(const Clip& clip, int first_row, int last_row) {
  std::array<std::vector<uint8_t>, 3> values;
  for (const cv::Mat& frame : clip) {
    for (int y = first_row; y < last_row; ++y) {
      for (int x = 0; x < frame.cols; ++x) {
        for (int c = 0; c < 3; ++c) values[c].push_back(frame.at<cv::Vec3b>(y, x)[c]);
      }
    }
  }
  cv::Vec3f median;
  for (int c = 0; c < 3; ++c) {
    std::nth_element(values[c].begin(), values[c].begin() + values[c].size() / 2, values[c].end());
    median[c] = values[c][values[c].size() / 2];
  }
  return median;
}

std::vector<float> View(const cv::Mat& frame, const cv::Mat& mask) {
  constexpr float kShadingWeight = 0.7f;
  const cv::Rect box = cv::boundingRect(mask);
  const int side = std::max(box.width, box.height);
  const cv::Rect middle((side - box.width) / 2, (side - box.height) / 2, box.width, box.height);
  cv::Mat inside, grey;
  mask(box).convertTo(inside, CV_32F, 1.0 / 255);
  cv::cvtColor(frame(box), grey, cv::COLOR_BGR2GRAY);
  grey.convertTo(grey, CV_32F);
  grey = grey.mul(inside);
  double brightest = 1;
  cv::minMaxLoc(grey, nullptr, &brightest);
  grey *= kShadingWeight / std::max(brightest, 1.0);
  std::vector<float> view;
  for (const cv::Mat& part : {inside, grey}) {
    cv::Mat square(side, side, CV_32F, cv::Scalar(0)), small;
    part.copyTo(square(middle));
    cv::resize(square, small, {kViewPx, kViewPx}, 0, 0, cv::INTER_AREA);
    view.insert(view.end(), small.begin<float>(), small.end<float>());
  }
  return view;
}

double Distance2(const cv::Vec3f& a, const cv::Vec3f& b) { return cv::norm(a - b, cv::NORM_L2SQR); }

void Vote(std::vector<std::pair<double, int>> labelled, int count, std::vector<int>& votes) {
  count = std::min<int>(count, static_cast<int>(labelled.size()));
  std::partial_sort(labelled.begin(), labelled.begin() + count, labelled.end());
  for (int i = 0; i < count; ++i) ++votes[labelled[i].second];
}

int Winner(const std::vector<int>& votes) {
  return static_cast<int>(std::max_element(votes.begin(), votes.end()) - votes.begin());
}

void ForEach(int count, int threads, const std::function<void(int)>& work) {
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t) {
    pool.emplace_back([=] {
      for (int i = t; i < count; i += threads) work(i);
    });
  }
  for (auto& thread : pool) thread.join();
}

uint64_t TrueClipSeed(uint64_t sequence, int index) { return (sequence << 32) + index; }

}  // namespace quality
