#pragma once

#include <string>
#include <vector>

#include "ui/library/view.h"

namespace app {

// What is known about a clip, with what each number means; and what re-encoding needs to know.
struct ClipFacts {
  ui::LibraryFacts shown;
  int64_t width_px = 0, height_px = 0, num_frames = 0;
  std::string hash;   // of its job
  std::string model;  // that its job names
};

// Reads the file (no frame is decoded) and its sidecar. Never throws: errors are in it.
ClipFacts FactsOf(const std::string& path);

// Definitions of the numbers on a card (docs/interfaces.md, "Output files").
const char* SecondsDefinition();
const char* SkippedDefinition();

}  // namespace app
