#include "app/compare/picture.h"

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "app/compare/compose.h"
#include "tests/app/compare/support.h"

namespace app {
namespace {

constexpr ResizeFilter kFilters[] = {ResizeFilter::kBicubic, ResizeFilter::kLanczos, ResizeFilter::kBilinear,
                                     ResizeFilter::kNearest};

TEST(ComparePicture, FlatStaysFlatAndTheSameSizeStaysTheSame) {
  for (ResizeFilter filter : kFilters) {
    for (const auto& [height, width] : {std::pair{7, 9}, {40, 3}, {1, 1}, {16, 24}}) {
      for (float value : Resized(Flat(16, 24, 0.3f), height, width, filter).rgb) ASSERT_NEAR(value, 0.3f, 1e-6);
    }
    const Picture picture = NoisyPicture(16, 24, 3, 0.2f), same = Resized(picture, 16, 24, filter);
    for (size_t i = 0; i < same.rgb.size(); ++i) ASSERT_NEAR(same.rgb[i], picture.rgb[i], 1e-6);
  }
}

TEST(ComparePicture, BilinearEqualsOpenCVs) {
  Picture picture = NoisyPicture(13, 17, 5, 0.3f);
  const cv::Mat mat(13, 17, CV_32FC3, picture.rgb.data());
  cv::Mat expected;
  cv::resize(mat, expected, {40, 29}, 0, 0, cv::INTER_LINEAR);
  const Picture ours = Resized(picture, 29, 40, ResizeFilter::kBilinear);
  for (size_t i = 0; i < ours.rgb.size(); ++i) ASSERT_NEAR(ours.rgb[i], expected.ptr<float>()[i], 1e-5);
}

// Halved, a fine chequerboard is grey with every filter but the nearest pixel's.
TEST(ComparePicture, SmallerMeansWiderFilters) {
  Picture board;
  board.Resize(32, 32);
  for (int64_t i = 0; i < 32 * 32 * 3; ++i)
    board.rgb[static_cast<size_t>(i)] = (i / 3 / 32 + i / 3 % 32) % 2 ? 1.0f : 0.0f;
  for (ResizeFilter filter : {ResizeFilter::kBicubic, ResizeFilter::kLanczos, ResizeFilter::kBilinear}) {
    const Picture half = Resized(board, 16, 16, filter);
    EXPECT_NEAR(half.rgb[(8 * 16 + 8) * 3], 0.5, 0.01);
  }
}

TEST(ComparePicture, DifferencesByHand) {
  Canvas a(1, 2, {100, 100, 100}), b(1, 2, {100, 110, 60});
  b.at(0, 1)[0] = 250;
  const Canvas absolute = AbsoluteDifference(a, b, 4), with_sign = SignedDifference(a, b, 4);
  EXPECT_EQ(absolute.rgb, (std::vector<uint8_t>{0, 40, 160, 255, 40, 160}));
  EXPECT_EQ(with_sign.rgb, (std::vector<uint8_t>{128, 148, 48, 255, 148, 48}));
}

TEST(ComparePicture, WipeShowsTheReferenceOnTheLeft) {
  const Canvas a(3, 100, {10, 10, 10}), b(3, 100, {200, 200, 200});
  const Canvas wiped = Wipe(a, b, 0.25);
  EXPECT_EQ(wiped.at(1, 23)[0], 10);
  EXPECT_EQ(wiped.at(1, 25)[0], 255);  // the line
  EXPECT_EQ(wiped.at(1, 27)[0], 200);
  EXPECT_EQ(Wipe(a, b, 0).rgb, b.rgb);
  EXPECT_EQ(Wipe(a, b, 1).rgb, a.rgb);
}

int InkIn(const Canvas& canvas, int64_t x, int64_t y, int64_t width, int64_t height) {
  int ink = 0;
  for (int64_t v = y; v < y + height; ++v) {
    for (int64_t u = x; u < x + width; ++u) ink += canvas.at(v, u)[1] > 120;
  }
  return ink;
}

TEST(ComparePicture, GridsKeepPixelsAndShowLabels) {
  for (size_t count : {2u, 3u, 4u, 5u, 16u}) {
    const Composer composer(31, 101, 3, true);
    std::vector<Panel> panels;
    for (size_t i = 0; i < count; ++i) {
      panels.push_back({ToCanvas(NoisyPicture(31, 101, static_cast<uint32_t>(i), 0.2f)), LetterOf(i),
                        i == 1 ? "" : "sparge, topk 0.3", "12.3 s, 54 % skipped", "PSNR 31 dB"});
    }
    const Canvas grid = composer.Grid(panels);
    EXPECT_EQ(grid.width_px % 2 + grid.height_px % 2, 0);
    const int64_t columns = count <= 3 ? static_cast<int64_t>(count) : count == 4 ? 2 : count == 5 ? 3 : 4;
    const int64_t rows = (static_cast<int64_t>(count) + columns - 1) / columns;
    EXPECT_LE(columns * 303, grid.width_px);
    EXPECT_GE(columns * 303 + columns * 6 + 2, grid.width_px);
    const int64_t row_px = (grid.height_px + 6) / rows, strip = row_px - 6 - 93;
    ASSERT_GT(strip, 20);
    for (int64_t i = 0; i < static_cast<int64_t>(count); ++i) {
      const int64_t x = i % columns * 309, y = i / columns * (strip + 93 + 6);
      const Canvas& picture = panels[static_cast<size_t>(i)].picture;
      for (int64_t v = 0; v < 93; v += 7) {
        for (int64_t u = 0; u < 303; u += 5) {
          ASSERT_EQ(grid.at(y + strip + v, x + u)[0], picture.at(v / 3, u / 3)[0]) << count << " " << i;
        }
      }
      const int title = InkIn(grid, x, y, 303, strip / 3);
      EXPECT_GT(title, i == 1 ? 5 : 60);  // the letter alone, or with the words
      if (i == 1) {
        EXPECT_LT(title, 60);
      }
      EXPECT_GT(InkIn(grid, x, y + strip / 3, 303, strip / 3), 40);
    }
  }
}

TEST(ComparePicture, LongTextIsCutWithDots) {
  const Font font(14);
  const std::string text(500, 'w');
  const std::string fitting = font.Fitting(text, 200);
  EXPECT_LE(font.Width(fitting), 200);
  EXPECT_GT(font.Width(fitting), 170);
  EXPECT_TRUE(fitting.ends_with("…"));
  EXPECT_EQ(font.Fitting("short", 200), "short");
  // Bytes that are no UTF-8, and control characters, are drawn as something and do no harm.
  Canvas canvas(20, 60);
  font.Draw(canvas, 0, 0, "\xff\xc3\x01 \xe2\x82", {255, 255, 255});
  EXPECT_GT(InkIn(canvas, 0, 0, 60, 20), 0);
}

TEST(ComparePicture, EvenlySpacedFrames) {
  EXPECT_EQ(EvenlySpaced(49, 5), (std::vector<int64_t>{0, 12, 24, 36, 48}));
  EXPECT_EQ(EvenlySpaced(3, 6), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(EvenlySpaced(1, 6), (std::vector<int64_t>{0}));
  EXPECT_EQ(EvenlySpaced(9, 1), (std::vector<int64_t>{4}));
}

}  // namespace
}  // namespace app
