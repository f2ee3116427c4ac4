#include "ui/theme.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ui {
namespace {

// Relative luminance and contrast of WCAG 2.
double Luminance(ImU32 color) {
  const auto channel = [&](int shift) {
    const double v = ((color >> shift) & 255) / 255.0;
    return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * channel(IM_COL32_R_SHIFT) + 0.7152 * channel(IM_COL32_G_SHIFT) + 0.0722 * channel(IM_COL32_B_SHIFT);
}

double Contrast(ImU32 a, ImU32 b) {
  const double la = Luminance(a), lb = Luminance(b);
  return (std::max(la, lb) + 0.05) / (std::min(la, lb) + 0.05);
}

TEST(Theme, TextReads) {
  for (const bool dark : {true, false}) {
    const Theme t = MakeTheme(dark);
    for (const ImU32 back : {t.panel, t.field, t.back}) {
      EXPECT_GE(Contrast(t.text, back), 7) << dark;
      EXPECT_GE(Contrast(t.dim, back), 4.5) << dark;
    }
    for (const ImU32 color : {t.error, t.warning, t.good, t.a, t.b, t.accent})
      EXPECT_GE(Contrast(color, t.panel), 4.5) << dark;
    EXPECT_GE(Contrast(t.faint, t.panel), 3.5) << dark;
    EXPECT_GE(Contrast(t.on_accent, t.accent), 4.5) << dark;
    EXPECT_GE(Contrast(t.text, t.accent_dim), 4.5) << dark;
  }
}

TEST(Theme, ViridisGetsLighterAllTheWay) {
  double last = -1;
  for (int i = 0; i <= 100; ++i) {
    const double now = Luminance(Viridis(i / 100.0));
    EXPECT_GT(now, last) << i;
    last = now;
  }
  EXPECT_EQ(Viridis(-3), Viridis(0));
  EXPECT_EQ(Viridis(7), Viridis(1));
  EXPECT_EQ(Viridis(std::numeric_limits<double>::quiet_NaN()), Viridis(0));
}

TEST(Theme, TextOnAColour) {
  EXPECT_GE(Contrast(TextOn(Viridis(0)), Viridis(0)), 7);
  EXPECT_GE(Contrast(TextOn(Viridis(1)), Viridis(1)), 7);
}

}  // namespace
}  // namespace ui
