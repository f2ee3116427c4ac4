#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "tests/quality/clip.h"

namespace quality {

// A value a frame; frames without the object are filled in between their neighbours.
struct Series {
  std::vector<double> values;
  std::vector<bool> known;

  void Add(std::optional<double> value);
  void FillGaps();
  double Mean() const;
  double Start() const;  // mean of the first four
  double End() const;    // of the last four
  double Span() const;
  Series Map(const std::function<double(double)>& function) const;
};

// Of every frame's rows first_row ≤ y < last_row, BGR.
cv::Vec3f MedianColour(const Clip& clip, int first_row, int last_row);

constexpr int kViewPx = 16;
// The object in its smallest square, in kViewPx x kViewPx: where it is, then how bright it is.
std::vector<float> View(const cv::Mat& frame, const cv::Mat& mask);

template <class A>
double Distance2(const A& a, const A& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}
double Distance2(const cv::Vec3f& a, const cv::Vec3f& b);

// Adds a vote for the label of each of the `count` nearest.
void Vote(std::vector<std::pair<double, int>> labelled, int count, std::vector<int>& votes);
// The label with most votes.
int Winner(const std::vector<int>& votes);

// Calls work(0 … count - 1) on `threads` threads.
void ForEach(int count, int threads, const std::function<void(int)>& work);

// What the ray caster's true clip number `index` of a sequence is drawn from.
uint64_t TrueClipSeed(uint64_t sequence, int index);

}  // namespace quality
