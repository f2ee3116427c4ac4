#pragma once

#include <string>
#include <vector>

#include "app/compare/source.h"

namespace app {

// A setting that is not the same in all jobs.
struct DifferingSetting {
  std::string key;
  std::vector<std::string> values;  // one a source, as a person writes it; "" where its job is not known
};

// Those that change what is rendered, in the order of the settings table; none where fewer than two jobs are known.
std::vector<DifferingSetting> DifferingSettings(const std::vector<SourceInfo>& sources);

// What is burned into the pictures beside a source.
struct SourceLabel {
  std::string letter;   // "A"
  std::string title;    // what differs: "sparge, topk 0.3"; where nothing is known to, the file's name
  std::string details;  // "12.3 s, 54 % skipped"; "" where there is no sidecar
};

std::vector<SourceLabel> LabelsOf(const std::vector<SourceInfo>& sources);

// With a fixed number of digits behind the point; "inf" for infinity, "" for NaN.
std::string Fixed(double value, int digits);

// "PSNR 31.22 dB, SSIM 0.9531"
std::string MetricsText(double psnr, double ssim);

}  // namespace app
