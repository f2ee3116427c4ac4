#pragma once

#include <cstdint>
#include <vector>

namespace pipeline {

// numpy.linspace(start, stop, n) in float64: start + i·step, the last value exactly stop.
inline std::vector<double> Linspace(double start, double stop, int64_t n) {
  std::vector<double> out(static_cast<size_t>(n));
  const double step = n > 1 ? (stop - start) / static_cast<double>(n - 1) : 0.0;
  for (int64_t i = 0; i < n; ++i) out[static_cast<size_t>(i)] = static_cast<double>(i) * step + start;
  if (n > 1) out.back() = stop;
  return out;
}

// The static time shift of flow matching: s·σ / (1 + (s − 1)·σ).
inline double ShiftSigma(double shift, double sigma) { return shift * sigma / (1.0 + (shift - 1.0) * sigma); }

}  // namespace pipeline
