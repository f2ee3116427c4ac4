#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/compare/compare.h"
#include "app/compare/compose.h"

namespace app {

// Writes the files of a comparison.
class OutputWriter {
 public:
  // Plans and checks: names, folder, sizes, what exists. Creates nothing. `request` and `prepared` must outlive it.
  OutputWriter(const CompareRequest& request, const CompareResult& prepared);

  // Writes everything and notes it in `result.files`. Progress: Stage::kWrite in frames.
  void Write(CompareResult& result, pipeline::Progress& progress);

 private:
  std::string PathOf(const std::string& name) const { return folder_ + name; }
  std::vector<Panel> Panels(const CompareResult& result, const std::vector<Canvas>& frames, int64_t t) const;
  Canvas WipeFrame(const std::vector<Panel>& panels, size_t other, const CompareResult& result, int64_t t) const;
  Canvas DifferenceFrame(const std::vector<Panel>& panels, size_t other, const CompareResult& result) const;
  Canvas Difference(const Canvas& a, const Canvas& b, double gain) const;
  double GainOf(const CompareResult& result, size_t other) const;

  const PictureOptions options_;
  const Wanted wanted_;
  std::string folder_;  // ends in '/'
  Composer composer_;
  std::vector<std::string> wipes_, differences_;  // names of files, one an other
  std::vector<std::string> names_;                // of all files, in the order in which they are told
};

}  // namespace app
