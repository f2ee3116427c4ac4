#pragma once

#include <string>

#include "pipeline/media/media.h"

namespace pipeline {

// WriteMedia for kVideo outputs.
void WriteVideo(const std::string& path, const FramesView& frames, const VideoOptions& options, Progress& progress);

}  // namespace pipeline
