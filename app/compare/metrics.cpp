#include "app/compare/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "attention/base/error.h"

namespace app {
namespace {

constexpr int kWindow = 11, kReach = kWindow / 2;
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::array<double, kWindow> GaussianWeights() {
  constexpr double kSigma = 1.5;
  std::array<double, kWindow> weights{};
  double sum = 0;
  for (int i = 0; i < kWindow; ++i) {
    weights[static_cast<size_t>(i)] = std::exp(-(i - kReach) * (i - kReach) / (2 * kSigma * kSigma));
    sum += weights[static_cast<size_t>(i)];
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

// One axis of a picture: how many windows, and where the values under one lie.
struct Axis {
  int64_t size, first, count;
  explicit Axis(int64_t n) : size(n), first(n >= kWindow ? kReach : 0), count(n >= kWindow ? n - kWindow + 1 : n) {}
  int64_t At(int64_t window, int tap) const { return std::clamp<int64_t>(window + first + tap - kReach, 0, size - 1); }
};

// The Gaussian mean of values [height, width] under every window. In double: variances are differences of nearly equal
// numbers.
class Blur {
 public:
  Blur(int64_t height, int64_t width) : rows_(height), columns_(width), weights_(GaussianWeights()) {}

  int64_t count() const { return rows_.count * columns_.count; }

  void operator()(const std::vector<double>& values, std::vector<double>& out) {
    wide_.resize(static_cast<size_t>(rows_.size * columns_.count));
    for (int64_t y = 0; y < rows_.size; ++y) {
      const double* from = &values[static_cast<size_t>(y * columns_.size)];
      double* to = &wide_[static_cast<size_t>(y * columns_.count)];
      std::fill_n(to, columns_.count, 0.0);
      for (int k = 0; k < kWindow; ++k) {
        const double weight = weights_[static_cast<size_t>(k)];
        if (columns_.first > 0) {
          for (int64_t x = 0; x < columns_.count; ++x) to[x] += weight * from[x + k];
        } else {
          for (int64_t x = 0; x < columns_.count; ++x) to[x] += weight * from[columns_.At(x, k)];
        }
      }
    }
    out.assign(static_cast<size_t>(count()), 0.0);
    for (int64_t y = 0; y < rows_.count; ++y) {
      double* to = &out[static_cast<size_t>(y * columns_.count)];
      for (int k = 0; k < kWindow; ++k) {
        const double weight = weights_[static_cast<size_t>(k)];
        const double* from = &wide_[static_cast<size_t>(rows_.At(y, k) * columns_.count)];
        for (int64_t x = 0; x < columns_.count; ++x) to[x] += weight * from[x];
      }
    }
  }

 private:
  Axis rows_, columns_;
  std::array<double, kWindow> weights_;
  std::vector<double> wide_;
};

std::vector<double> Products(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<double> out(a.size());
  for (size_t i = 0; i < a.size(); ++i) out[i] = static_cast<double>(a[i]) * b[i];
  return out;
}

double Mean(const std::vector<double>& values) {
  return values.empty() ? kNaN
                        : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

double PSNROf(double mse) { return mse > 0 ? 10 * std::log10(255.0 * 255.0 / mse) : kInfinity; }

std::vector<float> LumaOf(const Picture& picture) {
  std::vector<float> luma(picture.rgb.size() / 3);
  for (size_t i = 0; i < luma.size(); ++i) {
    luma[i] = 0.2126f * picture.rgb[3 * i] + 0.7152f * picture.rgb[3 * i + 1] + 0.0722f * picture.rgb[3 * i + 2];
  }
  return luma;
}

namespace {

// The similarity under every window, row after row.
std::vector<double> SSIMWindows(const std::vector<float>& a, const std::vector<float>& b, Blur& blur) {
  constexpr double kC1 = 0.01 * 0.01, kC2 = 0.03 * 0.03;
  std::vector<double> mean_a, mean_b, square_a, square_b, product;
  blur({a.begin(), a.end()}, mean_a);
  blur({b.begin(), b.end()}, mean_b);
  blur(Products(a, a), square_a);
  blur(Products(b, b), square_b);
  blur(Products(a, b), product);
  for (size_t i = 0; i < product.size(); ++i) {
    const double aa = mean_a[i] * mean_a[i], bb = mean_b[i] * mean_b[i], ab = mean_a[i] * mean_b[i];
    const double variances = (square_a[i] - aa) + (square_b[i] - bb), covariance = product[i] - ab;
    product[i] = (2 * ab + kC1) * (2 * covariance + kC2) / ((aa + bb + kC1) * (variances + kC2));
  }
  return product;
}

}  // namespace

double SSIMOf(const std::vector<float>& a, const std::vector<float>& b, int64_t height_px, int64_t width_px) {
  Blur blur(height_px, width_px);
  const std::vector<double> windows = SSIMWindows(a, b, blur);
  const double sum = std::accumulate(windows.begin(), windows.end(), 0.0);
  return std::min(1.0, sum / static_cast<double>(blur.count()));  // rounding may say a little more
}

std::vector<float> SSIMMapOf(const std::vector<float>& a, const std::vector<float>& b, int64_t height_px,
                             int64_t width_px) {
  Blur blur(height_px, width_px);
  const std::vector<double> windows = SSIMWindows(a, b, blur);
  const Axis rows(height_px), columns(width_px);
  std::vector<float> map(static_cast<size_t>(height_px * width_px));
  for (int64_t y = 0; y < height_px; ++y) {
    const int64_t row = std::clamp<int64_t>(y - rows.first, 0, rows.count - 1);
    for (int64_t x = 0; x < width_px; ++x) {
      const int64_t column = std::clamp<int64_t>(x - columns.first, 0, columns.count - 1);
      map[static_cast<size_t>(y * width_px + x)] =
          static_cast<float>(std::min(1.0, windows[static_cast<size_t>(row * columns.count + column)]));
    }
  }
  return map;
}

FrameMetrics FrameMeter::Add(const Picture& a, const Picture& b) {
  base::Check(a.height_px == b.height_px && a.width_px == b.width_px, base::ErrorCode::kInternal,
              "frames of different sizes are measured");
  FrameMetrics metrics;
  const Canvas bytes_a = ToCanvas(a), bytes_b = ToCanvas(b);
  int64_t squares = 0;
  for (size_t i = 0; i < bytes_a.rgb.size(); i += 3) {
    int most = 0;
    for (size_t c = i; c < i + 3; ++c) {
      const int difference = std::abs(bytes_a.rgb[c] - bytes_b.rgb[c]);
      squares += difference * difference;
      most = std::max(most, difference);
    }
    ++differences_[static_cast<size_t>(most)];
  }
  metrics.mse = static_cast<double>(squares) / static_cast<double>(bytes_a.rgb.size());
  std::vector<float> luma_a = LumaOf(a), luma_b = LumaOf(b);
  metrics.ssim = SSIMOf(luma_a, luma_b, a.height_px, a.width_px);
  metrics.flicker = kNaN;
  if (!luma_a_.empty()) {
    base::Check(luma_a_.size() == luma_a.size(), base::ErrorCode::kInternal, "the frames change their size");
    double sum = 0;
    for (size_t i = 0; i < luma_a.size(); ++i) {
      sum += std::fabs((luma_a[i] - luma_a_[i]) - (luma_b[i] - luma_b_[i]));
    }
    metrics.flicker = sum / static_cast<double>(luma_a.size());
  }
  luma_a_ = std::move(luma_a);
  luma_b_ = std::move(luma_b);
  return metrics;
}

double Percentile(std::vector<double> values, double p) {
  if (values.empty()) return kNaN;
  std::sort(values.begin(), values.end());
  const double place = p / 100 * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(place);
  const double share = place - static_cast<double>(below);
  if (share == 0) return values[below];
  if (values[below] == values[below + 1]) return values[below];  // also: both infinite
  return values[below] + share * (values[below + 1] - values[below]);
}

MetricsSummary Summarise(const std::vector<FrameMetrics>& frames) {
  MetricsSummary summary;
  std::vector<double> mse, psnr, psnr_differing, ssim, flicker;
  for (const FrameMetrics& frame : frames) {
    mse.push_back(frame.mse);
    psnr.push_back(PSNROf(frame.mse));
    if (frame.mse > 0) psnr_differing.push_back(psnr.back());
    ssim.push_back(frame.ssim);
    if (!std::isnan(frame.flicker)) flicker.push_back(frame.flicker);
  }
  base::Check(!frames.empty(), base::ErrorCode::kInternal, "metrics of no frames");
  summary.psnr = PSNROf(Mean(mse));
  summary.psnr_mean = psnr_differing.empty() ? kInfinity : Mean(psnr_differing);
  summary.psnr_min = *std::min_element(psnr.begin(), psnr.end());
  summary.psnr_p5 = Percentile(psnr, 5);
  summary.ssim_mean = Mean(ssim);
  summary.ssim_min = *std::min_element(ssim.begin(), ssim.end());
  summary.ssim_p5 = Percentile(ssim, 5);
  summary.flicker_mean = Mean(flicker);
  summary.flicker_max = flicker.empty() ? kNaN : *std::max_element(flicker.begin(), flicker.end());
  summary.flicker_p95 = Percentile(flicker, 95);
  summary.identical_frames = static_cast<int64_t>(frames.size() - psnr_differing.size());
  return summary;
}

double GainFor(const std::array<int64_t, 256>& differences) {
  constexpr double kMost = 64, kShare = 0.995;
  const int64_t differing = std::accumulate(differences.begin() + 1, differences.end(), int64_t{0});
  if (differing == 0) return 1;
  int64_t seen = 0;
  int level = 1;
  for (; level < 255; ++level) {
    seen += differences[static_cast<size_t>(level)];
    if (static_cast<double>(seen) >= kShare * static_cast<double>(differing)) break;
  }
  double gain = 1;
  while (gain < kMost && 2 * gain * level <= 255) gain *= 2;
  return gain;
}

}  // namespace app
