#include "app/compare/metrics.h"

#include <cmath>
#include <limits>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "tests/app/compare/support.h"

namespace app {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

cv::Mat ToMat(const Picture& picture) {
  const Canvas bytes = ToCanvas(picture);
  cv::Mat mat(static_cast<int>(bytes.height_px), static_cast<int>(bytes.width_px), CV_8UC3);
  std::copy(bytes.rgb.begin(), bytes.rgb.end(), mat.data);
  return mat;
}

cv::Mat Luma(const Picture& picture) {
  cv::Mat mat(static_cast<int>(picture.height_px), static_cast<int>(picture.width_px), CV_64F);
  for (size_t i = 0; i < picture.rgb.size() / 3; ++i) {
    mat.at<double>(static_cast<int>(i) / mat.cols, static_cast<int>(i) % mat.cols) =
        0.2126 * picture.rgb[3 * i] + 0.7152 * picture.rgb[3 * i + 1] + 0.0722 * picture.rgb[3 * i + 2];
  }
  return mat;
}

// SSIM from its definition with OpenCV's Gaussian, in double.
double SSIMWithOpenCV(const Picture& a, const Picture& b) {
  const auto blur = [](const cv::Mat& mat) {
    cv::Mat out;
    cv::GaussianBlur(mat, out, {11, 11}, 1.5, 1.5, cv::BORDER_REPLICATE);
    return out;
  };
  const cv::Mat x = Luma(a), y = Luma(b), mean_x = blur(x), mean_y = blur(y);
  const cv::Mat xx = blur(x.mul(x)) - mean_x.mul(mean_x), yy = blur(y.mul(y)) - mean_y.mul(mean_y),
                xy = blur(x.mul(y)) - mean_x.mul(mean_y);
  const double c1 = 1e-4, c2 = 9e-4;
  const cv::Mat over = (2 * mean_x.mul(mean_y) + c1).mul(2 * xy + c2);
  const cv::Mat under = (mean_x.mul(mean_x) + mean_y.mul(mean_y) + c1).mul(xx + yy + c2);
  const cv::Mat map = over / under;
  const int top = map.rows >= 11 ? 5 : 0, left = map.cols >= 11 ? 5 : 0;
  return cv::mean(map(cv::Rect(left, top, map.cols - 2 * left, map.rows - 2 * top)))[0];
}

TEST(CompareMetrics, PSNRAndSSIMEqualOpenCVs) {
  const int64_t sizes[][2] = {{48, 64}, {11, 11}, {12, 37}, {7, 40}, {40, 3}, {5, 5}, {1, 1}, {2, 300}};
  for (const auto& [height, width] : sizes) {
    for (float noise : {0.004f, 0.05f, 0.6f}) {
      const Picture a = NoisyPicture(height, width, 1, 0.02f), b = NoisyPicture(height, width, 2, noise);
      FrameMeter meter;
      const FrameMetrics metrics = meter.Add(a, b);
      if (metrics.mse > 0) {
        EXPECT_NEAR(PSNROf(metrics.mse), cv::PSNR(ToMat(a), ToMat(b)), 1e-6) << height << "x" << width;
      }
      EXPECT_NEAR(metrics.ssim, SSIMWithOpenCV(a, b), 1e-6) << height << "x" << width;
      EXPECT_TRUE(std::isnan(metrics.flicker));
    }
  }
}

TEST(CompareMetrics, IdenticalFrames) {
  FrameMeter meter;
  for (uint32_t t = 0; t < 3; ++t) {
    const Picture frame = NoisyPicture(20, 30, t, 0.3f);
    const FrameMetrics metrics = meter.Add(frame, frame);
    EXPECT_EQ(metrics.mse, 0);
    EXPECT_EQ(PSNROf(metrics.mse), kInfinity);
    EXPECT_EQ(metrics.ssim, 1);
    if (t > 0) {
      EXPECT_EQ(metrics.flicker, 0);
    }
  }
  EXPECT_EQ(meter.differences()[0], 3 * 20 * 30);
}

// Luma of the reference: 0.2, 0.6, 0.6; of the other: 0.2, 0.3, 0.5 in a quarter of the picture, equal elsewhere.
TEST(CompareMetrics, FlickerByHand) {
  FrameMeter meter;
  const float reference[] = {0.2f, 0.6f, 0.6f}, other[] = {0.2f, 0.3f, 0.5f};
  const double expected[] = {0, 0.25 * std::fabs(0.4 - 0.1), 0.25 * std::fabs(0.0 - 0.2)};
  for (int t = 0; t < 3; ++t) {
    const Picture a = Flat(12, 16, reference[t]);
    Picture b = a;
    for (int y = 0; y < 6; ++y) {
      for (int i = 0; i < 8 * 3; ++i) b.rgb[static_cast<size_t>(y * 16 * 3 + i)] = other[t];
    }
    const FrameMetrics metrics = meter.Add(a, b);
    if (t > 0) {
      EXPECT_NEAR(metrics.flicker, expected[t], 1e-6);
    }
  }
}

// One channel off by a known number of levels.
TEST(CompareMetrics, PSNRByHand) {
  const Picture a = Flat(8, 8, 100 / 255.0f);
  Picture b = a;
  for (size_t i = 0; i < b.rgb.size(); i += 3) b.rgb[i] = 109 / 255.0f;
  FrameMeter meter;
  EXPECT_DOUBLE_EQ(meter.Add(a, b).mse, 81 / 3.0);
  EXPECT_EQ(meter.differences()[9], 64);
  // Below half a level nothing differs in 8 bits.
  Picture c = a;
  for (float& value : c.rgb) value += 0.4f / 255;
  EXPECT_EQ(meter.Add(a, c).mse, 0);
}

TEST(CompareMetrics, Summary) {
  const double nan = std::nan("");
  const std::vector<FrameMetrics> frames = {{100, 0.9, nan}, {0, 1.0, 0.02}, {400, 0.7, 0.04}};
  const MetricsSummary s = Summarise(frames);
  EXPECT_NEAR(s.psnr, 10 * std::log10(255 * 255 / (500 / 3.0)), 1e-9);
  EXPECT_NEAR(s.psnr_mean, (PSNROf(100) + PSNROf(400)) / 2, 1e-9);
  EXPECT_NEAR(s.psnr_min, PSNROf(400), 1e-9);
  EXPECT_NEAR(s.psnr_p5, PSNROf(400) + 0.1 * (PSNROf(100) - PSNROf(400)), 1e-9);
  EXPECT_NEAR(s.ssim_mean, 2.6 / 3, 1e-9);
  EXPECT_NEAR(s.ssim_p5, 0.72, 1e-9);
  EXPECT_NEAR(s.flicker_mean, 0.03, 1e-9);
  EXPECT_NEAR(s.flicker_max, 0.04, 1e-9);
  EXPECT_EQ(s.identical_frames, 1);

  const MetricsSummary one = Summarise({{0, 1, nan}});
  EXPECT_EQ(one.psnr, kInfinity);
  EXPECT_EQ(one.psnr_mean, kInfinity);
  EXPECT_EQ(one.psnr_p5, kInfinity);
  EXPECT_TRUE(std::isnan(one.flicker_mean));
}

TEST(CompareMetrics, Percentiles) {
  EXPECT_DOUBLE_EQ(Percentile({4, 1, 3, 2}, 5), 1.15);
  EXPECT_DOUBLE_EQ(Percentile({4, 1, 3, 2}, 95), 3.85);
  EXPECT_DOUBLE_EQ(Percentile({7}, 5), 7);
  EXPECT_EQ(Percentile({kInfinity, kInfinity}, 5), kInfinity);
  EXPECT_EQ(Percentile({1, kInfinity}, 0), 1);
}

TEST(CompareMetrics, GainShowsMostOfWhatDiffers) {
  std::array<int64_t, 256> differences{};
  differences[0] = 1000000;
  EXPECT_EQ(GainFor(differences), 1);
  differences[3] = 1000;
  EXPECT_EQ(GainFor(differences), 64);  // 3 · 64 = 192
  differences[200] = 2;                 // too few to count
  EXPECT_EQ(GainFor(differences), 64);
  differences[20] = 500;
  EXPECT_EQ(GainFor(differences), 8);  // 20 · 8 = 160
  differences[200] = 500;
  EXPECT_EQ(GainFor(differences), 1);
}

// "key=value" of ffmpeg's metadata filter, in order.
std::vector<double> Values(const std::string& text, const std::string& key) {
  std::vector<double> values;
  for (size_t i = 0; (i = text.find(key + "=", i)) != std::string::npos;) {
    i += key.size() + 1;
    values.push_back(std::atof(text.c_str() + i));
  }
  return values;
}

class CompareWithFfmpeg : public TempFolderTest {
 protected:
  // A clip, and what `filter` makes of it, both lossless.
  void Make(const std::string& pixel_format, const std::string& filter, const std::string& size = "96x64") {
    Ffmpeg({"-f", "lavfi", "-i", "testsrc2=size=" + size + ":rate=16:duration=0.75", "-pix_fmt", pixel_format, "-c:v",
            "ffv1", Path("a.mkv")});
    Ffmpeg({"-i", Path("a.mkv"), "-vf", filter, "-pix_fmt", pixel_format, "-c:v", "ffv1", Path("b.mkv")});
  }
  std::string Filter(const std::string& filter) {
    return Ffmpeg(
        {"-i", Path("b.mkv"), "-i", Path("a.mkv"), "-lavfi", filter + ",metadata=print:file=-", "-f", "null", "-"});
  }
  std::vector<FrameMetrics> Ours() {
    const Alignment alignment = Align({ProbeSource(Path("a.mkv")), ProbeSource(Path("b.mkv"))}, {});
    AlignedStream a(Path("a.mkv"), alignment.tracks[0], alignment), b(Path("b.mkv"), alignment.tracks[1], alignment);
    FrameMeter meter;
    std::vector<FrameMetrics> frames;
    for (int64_t t = 0; t < alignment.num_frames; ++t) frames.push_back(meter.Add(a.Next(), b.Next()));
    return frames;
  }
};

TEST_F(CompareWithFfmpeg, PSNRIsThatOfItsFilter) {
  for (const char* filter : {"noise=alls=9:allf=t", "gblur=sigma=1.2", "eq=gamma=1.4", "copy"}) {
    Make("gbrp", filter, "95x63");
    const std::vector<double> mse = Values(Filter("psnr"), "lavfi.psnr.mse_avg");
    const std::vector<FrameMetrics> ours = Ours();
    ASSERT_EQ(ours.size(), 12u);
    ASSERT_EQ(mse.size(), ours.size());
    for (size_t t = 0; t < mse.size(); ++t) EXPECT_NEAR(ours[t].mse, mse[t], 0.0051) << filter << " " << t;
  }
}

// Its window is another (8 × 8, not weighted, every fourth pixel), so the two agree roughly.
TEST_F(CompareWithFfmpeg, SSIMIsNearThatOfItsFilter) {
  double last = 1;
  for (const char* filter : {"noise=alls=4:allf=t", "noise=alls=30:allf=t", "noise=alls=100:allf=t"}) {
    Make("gray", filter, "192x128");
    const std::vector<double> theirs = Values(Filter("ssim"), "lavfi.ssim.All");
    const std::vector<FrameMetrics> ours = Ours();
    ASSERT_EQ(theirs.size(), ours.size());
    for (size_t t = 0; t < theirs.size(); ++t) EXPECT_NEAR(ours[t].ssim, theirs[t], 0.06) << filter << " " << t;
    EXPECT_LT(ours[0].ssim, last - 0.01);
    last = ours[0].ssim;
  }
}

}  // namespace
}  // namespace app
