#pragma once

#include <string>
#include <vector>

#include "pipeline/progress.h"

namespace app {

struct ReportFiles {
  std::string html, csv;  // absolute
  std::vector<std::string> notices;
  int64_t done = 0, failed = 0, left = 0;
};

// Writes report.html and report.csv of a batch (docs/interfaces.md, "Report") into the folder that `target` is or lies
// in. `target`: a manifest folder, one of its files, a JOBS.yaml or a plan whose manifest folder stands beside it, or a
// folder with manifest folders or, where it has none, with sidecars. Progress: Stage::kMeasure in jobs. Throws
// base::Error{kInvalidInput} for a target that is none and for files in the way that are no reports; kIo; kCancelled.
ReportFiles WriteReport(const std::string& target, pipeline::Progress& progress);

}  // namespace app
