#pragma once

#include <string>
#include <vector>

#include "app/compare/compare.h"

namespace app {

// metrics.csv: a line a frame and other clip. PSNR of identical frames is `inf`, the first frame's flicker is empty.
std::string MetricsCSV(const CompareResult& result);

// metrics.json (docs/interfaces.md, "Metrics"). JSON has no infinity: the PSNR of what is identical is null.
std::string MetricsJSON(const CompareResult& result);

// The table that the command prints.
std::string MetricsTable(const CompareResult& result);

// report.html, whole in itself but for the videos that it links to: `names` of the files beside it. `sheet_png`: bytes.
std::string ReportHTML(const CompareResult& result, const std::string& sheet_png,
                       const std::vector<std::string>& names);

}  // namespace app
