#pragma once

#include <string>
#include <vector>

#include "tests/quality/clip.h"

namespace quality {

struct SheetRow {
  std::string label;
  Clip clip;
};

// A picture with a row for each clip: its label, then every `every`-th frame from the first, `frame_px` high. Rows are
// laid out in `columns` columns, top to bottom first.
cv::Mat ContactSheet(const std::vector<SheetRow>& rows, int every, int frame_px, int columns);

// Writes a PNG aside and renames it; throws Error{kIo}.
void WritePng(const std::string& path, const cv::Mat& picture);

}  // namespace quality
