#include "ui/widgets/legend.h"

#include <algorithm>
#include <cmath>

namespace ui {
namespace {

template <class Map>
void Scale(const Context& c, const std::string& low, const std::string& high, float width, Map map) {
  ImGui::PushFont(c.fonts.small);
  const float height = ImGui::GetTextLineHeight();
  const float low_width = ImGui::CalcTextSize(low.c_str()).x, high_width = ImGui::CalcTextSize(high.c_str()).x;
  const ImVec2 at = ImGui::GetCursorScreenPos();
  ImDrawList& draw = *ImGui::GetWindowDrawList();
  const float x0 = at.x + low_width + c.Px(6), x1 = at.x + width - high_width - c.Px(6);
  constexpr int kPieces = 48;
  for (int i = 0; i < kPieces && x1 > x0; ++i) {
    const float a = x0 + (x1 - x0) * static_cast<float>(i) / kPieces,
                b = x0 + (x1 - x0) * static_cast<float>(i + 1) / kPieces;
    draw.AddRectFilled(ImVec2(std::floor(a), at.y + c.Px(3)), ImVec2(std::ceil(b), at.y + height - c.Px(2)),
                       map((i + 0.5) / kPieces));
  }
  draw.AddText(at, c.theme.dim, low.c_str());
  draw.AddText(ImVec2(at.x + width - high_width, at.y), c.theme.dim, high.c_str());
  ImGui::Dummy(ImVec2(width, height));
  ImGui::PopFont();
}

}  // namespace

ImU32 Diverging(double value) {
  constexpr double kMiddle[] = {26, 27, 31}, kLow[] = {122, 176, 255}, kHigh[] = {255, 165, 82};
  const double at = std::clamp(std::isfinite(value) ? value : 0.0, -1.0, 1.0), share = std::fabs(at);
  const double* end = at < 0 ? kLow : kHigh;
  const auto mix = [&](int channel) {
    return static_cast<int>(std::lround(kMiddle[channel] + (end[channel] - kMiddle[channel]) * share));
  };
  return IM_COL32(mix(0), mix(1), mix(2), 255);
}

void DrawLegend(const Context& c, const std::string& low, const std::string& high, float width) {
  Scale(c, low, high, width, Viridis);
}

void DrawDivergingLegend(const Context& c, const std::string& low, const std::string& high, float width) {
  Scale(c, low, high, width, [](double share) { return Diverging(2 * share - 1); });
}

void DrawGreyLegend(const Context& c, const std::string& low, const std::string& high, float width) {
  Scale(c, low, high, width, [](double share) {
    const auto grey = static_cast<int>(std::lround(share * 255));
    return IM_COL32(grey, grey, grey, 255);
  });
}

}  // namespace ui
