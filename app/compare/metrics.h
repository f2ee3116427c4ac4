#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "app/compare/picture.h"

// What docs/interfaces.md, "Metrics", says about two clips of one size.
namespace app {

// Of one frame of a clip against that of the reference.
struct FrameMetrics {
  double mse = 0;      // of 8-bit RGB values, over all pixels and channels
  double ssim = 1;     // of luma
  double flicker = 0;  // mean |(A_t − A_{t−1}) − (B_t − B_{t−1})| of luma in 0…1; NaN for the first frame
};

// 10 log10(255² / mse) in dB; infinity for 0.
double PSNROf(double mse);

// BT.709 luma, 0…1.
std::vector<float> LumaOf(const Picture& picture);

// The mean structural similarity of two lumas in 0…1 (Z. Wang et al., "Image quality assessment: from error visibility
// to structural similarity", 2004): 11 × 11 Gaussian window of σ 1.5 where it lies inside the picture, K1 0.01, K2
// 0.03. On a side shorter than 11 px the window goes over the border, where the last row or column goes on.
double SSIMOf(const std::vector<float>& a, const std::vector<float>& b, int64_t height_px, int64_t width_px);

// The same for every pixel, [height_px, width_px]: that of the window around it; where that would leave the picture, of
// the nearest that does not.
std::vector<float> SSIMMapOf(const std::vector<float>& a, const std::vector<float>& b, int64_t height_px,
                             int64_t width_px);

// Measures frame after frame; remembers the frame before.
class FrameMeter {
 public:
  // Both of one size, which stays. Throws Error{kInternal}.
  FrameMetrics Add(const Picture& a, const Picture& b);

  // How many pixels differ by 0…255 in the channel that differs most.
  const std::array<int64_t, 256>& differences() const { return differences_; }

 private:
  std::vector<float> luma_a_, luma_b_;  // of the frame before
  std::array<int64_t, 256> differences_{};
};

// Of a clip. PSNR in dB, infinity where every frame is identical.
struct MetricsSummary {
  double psnr = 0;                   // of the mean MSE
  double psnr_mean = 0;              // of the frames that differ
  double psnr_min = 0, psnr_p5 = 0;  // of all frames
  double ssim_mean = 1, ssim_min = 1, ssim_p5 = 1;
  double flicker_mean = 0, flicker_max = 0, flicker_p95 = 0;  // NaN for one frame
  int64_t identical_frames = 0;
};

MetricsSummary Summarise(const std::vector<FrameMetrics>& frames);

// The p-th percentile (0…100), between neighbours in a straight line; NaN of none.
double Percentile(std::vector<double> values, double p);

// A gain for difference pictures that shows most of this clip's differences: the greatest power of two up to 64 at
// which 99.5 % of the pixels that differ stay below white.
double GainFor(const std::array<int64_t, 256>& differences);

}  // namespace app
