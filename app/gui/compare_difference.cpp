#include "app/gui/compare_difference.h"

#include <imgui.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "app/compare/metrics.h"
#include "app/compare/picture.h"
#include "ui/widgets/legend.h"

namespace app {
namespace {

using ui::DifferenceMode;

Picture PictureOf(const ui::Image& image) {
  Picture picture;
  picture.Resize(image.height_px, image.width_px);
  std::transform(image.rgb->begin(), image.rgb->end(), picture.rgb.begin(),
                 [](uint8_t value) { return static_cast<float>(value) / 255.0f; });
  return picture;
}

Canvas CanvasOf(const ui::Image& image) {
  Canvas canvas;
  canvas.height_px = image.height_px;
  canvas.width_px = image.width_px;
  canvas.rgb = *image.rgb;
  return canvas;
}

// 256 colours of a map, so that a picture costs a look-up a pixel.
template <class Map>
std::array<std::array<uint8_t, 3>, 256> Table(Map map) {
  std::array<std::array<uint8_t, 3>, 256> table;
  for (int i = 0; i < 256; ++i) {
    const ImU32 color = map(i / 255.0);
    table[static_cast<size_t>(i)] = {static_cast<uint8_t>(color >> IM_COL32_R_SHIFT),
                                     static_cast<uint8_t>(color >> IM_COL32_G_SHIFT),
                                     static_cast<uint8_t>(color >> IM_COL32_B_SHIFT)};
  }
  return table;
}

// `share(i)`: of pixel i, 0…1.
template <class Share>
std::vector<uint8_t> Coloured(size_t pixels, const std::array<std::array<uint8_t, 3>, 256>& table, Share share) {
  std::vector<uint8_t> rgb(pixels * 3);
  for (size_t i = 0; i < pixels; ++i) {
    const auto at = static_cast<size_t>(std::lround(std::clamp(share(i), 0.0, 1.0) * 255));
    std::copy(table[at].begin(), table[at].end(), rgb.begin() + static_cast<std::ptrdiff_t>(3 * i));
  }
  return rgb;
}

}  // namespace

std::pair<double, double> LegendOf(DifferenceMode mode, double gain) {
  const double most = 255 / (gain > 0 ? gain : 1);
  switch (mode) {
    case DifferenceMode::kSigned:
      return {-most, most};
    case DifferenceMode::kSSIM:
      return {1, 0};
    case DifferenceMode::kAbsolute:
    case DifferenceMode::kLuma:
      break;
  }
  return {0, most};
}

ui::Image MakeDifference(const DifferenceQuestion& question) {
  static const auto kViridis = Table([](double value) { return ui::Viridis(value); });
  static const auto kDiverging = Table([](double value) { return ui::Diverging(2 * value - 1); });
  const ui::Image& a = question.a;
  Picture b = PictureOf(question.b);
  if (question.b.width_px != a.width_px || question.b.height_px != a.height_px) {
    b = Resized(b, a.height_px, a.width_px, ResizeFilter::kBicubic);
  }
  ui::Image out;
  out.width_px = a.width_px;
  out.height_px = a.height_px;
  std::vector<uint8_t> rgb;
  if (question.mode == DifferenceMode::kAbsolute) {
    rgb = AbsoluteDifference(CanvasOf(a), ToCanvas(b), question.gain).rgb;
  } else {
    const std::vector<float> luma_a = LumaOf(PictureOf(a)), luma_b = LumaOf(b);
    const auto moved = [&](size_t i) { return question.gain * (luma_b[i] - luma_a[i]); };
    if (question.mode == DifferenceMode::kSigned) {
      rgb = Coloured(luma_a.size(), kDiverging, [&](size_t i) { return 0.5 + moved(i) / 2; });
    } else if (question.mode == DifferenceMode::kLuma) {
      rgb = Coloured(luma_a.size(), kViridis, [&](size_t i) { return std::fabs(moved(i)); });
    } else {
      const std::vector<float> map = SSIMMapOf(luma_a, luma_b, a.height_px, a.width_px);
      rgb = Coloured(luma_a.size(), kViridis, [&](size_t i) { return 1.0 - map[i]; });
    }
  }
  out.rgb = std::make_shared<const std::vector<uint8_t>>(std::move(rgb));
  return out;
}

DifferenceMaker::DifferenceMaker(std::function<void()> wake)
    : thread_(
          [](const DifferenceQuestion& question, const auto&) {
            Made made{question, MakeDifference(question)};
            made.question.a.rgb.reset();
            made.question.b.rgb.reset();
            return made;
          },
          std::move(wake)) {}

void DifferenceMaker::TakeMade() {
  auto made = thread_.Take();
  if (!made) return;
  made->image.id = next_id_++;
  bytes_ += made->image.rgb->size();
  made_.push_front(std::move(*made));
  asked_.reset();
  while (bytes_ > kMostBytes && made_.size() > 1) {
    bytes_ -= made_.back().image.rgb->size();
    made_.pop_back();
  }
}

std::optional<ui::Image> DifferenceMaker::Get(const DifferenceQuestion& question) {
  TakeMade();
  const auto found =
      std::find_if(made_.begin(), made_.end(), [&](const Made& made) { return made.question == question; });
  if (found != made_.end()) return found->image;
  if (!asked_ || !(*asked_ == question)) {
    asked_ = question;
    thread_.Ask(question);
  }
  return std::nullopt;
}

}  // namespace app
