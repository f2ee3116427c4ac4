#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/report/batch_data.h"

namespace app {

struct MeanInterval {
  int64_t n = 0;
  double mean = 0;
  std::optional<double> low, high;  // 95 %; none of fewer than two values
};

// Mean and its 95 % percentile bootstrap interval (B. Efron, "Bootstrap methods: another look at the jackknife", 1979)
// of 2000 resamples (400 of more than 1000 values). The same values give the same interval: the seed is fixed.
MeanInterval BootstrapMean(const std::vector<double>& values);

// A number that jobs have.
struct Measure {
  const char *title, *unit;
  int digits;
  bool more_is_worse;
  std::optional<double> (*of)(const ReportJob& job);
};
const std::vector<Measure>& Measures();

// What jobs differ in.
struct ReportAxis {
  std::string title;
  std::vector<std::string> values;  // in order of their first job
  std::vector<size_t> of_job;       // index into values, one a job of the list it was made for
};

// `keys`: "job" (the name), "variant", or of settings.
ReportAxis AxisOf(const std::vector<const ReportJob*>& jobs, const std::string& key);

// How the clips of a job are laid out: along what differs among them.
struct ClipGrid {
  std::vector<std::string> columns;                  // headers; empty: a row of clips that wraps
  std::vector<std::vector<std::string>> rows;        // of each what it stands for, one text an axis
  std::vector<std::vector<const ReportJob*>> cells;  // [rows][columns]; null: there is none
  // Where there are no columns, and jobs whose place is taken: caption and job.
  std::vector<std::pair<std::string, const ReportJob*>> flow;
};
ClipGrid LayOut(const std::vector<const ReportJob*>& jobs, const std::vector<std::string>& varying);

}  // namespace app
