#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>

#include "app/gui/background.h"
#include "ui/compare/view.h"

namespace app {

// Which difference picture: of `b` against `a`, at the size of `a`.
struct DifferenceQuestion {
  ui::Image a, b;
  ui::DifferenceMode mode = ui::DifferenceMode::kAbsolute;
  double gain = 1;

  bool operator==(const DifferenceQuestion& other) const {
    return a.id == other.a.id && b.id == other.b.id && mode == other.mode && gain == other.gain;
  }
};

// The picture, without its id. A `b` of another size is resized (bicubic, stretched). Of 8-bit values:
// absolute |b − a| · gain per channel; signed: (b − a) · gain of luma, blue where a is brighter, orange where b is;
// luma: |b − a| · gain of luma, in viridis; SSIM: 1 − the similarity of the 11 × 11 window, in viridis.
ui::Image MakeDifference(const DifferenceQuestion& question);

// What the ends of the colours stand for: 8-bit values, for SSIM the similarity.
std::pair<double, double> LegendOf(ui::DifferenceMode mode, double gain);

// Makes them in a thread of its own and keeps the last ones.
class DifferenceMaker {
 public:
  static constexpr uint64_t kMostBytes = uint64_t{128} << 20;

  explicit DifferenceMaker(std::function<void()> wake);

  // The picture, if it is there; else it is being made, and `wake` says when to ask again.
  std::optional<ui::Image> Get(const DifferenceQuestion& question);

 private:
  struct Made {
    DifferenceQuestion question;  // without its pictures' pixels
    ui::Image image;
  };
  void TakeMade();

  std::list<Made> made_;  // the newest first
  uint64_t bytes_ = 0, next_id_ = 1;
  std::optional<DifferenceQuestion> asked_;
  Background<DifferenceQuestion, Made> thread_;
};

}  // namespace app
