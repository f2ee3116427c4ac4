#pragma once

#include <cstdint>
#include <string>

#include "pipeline/media/media.h"

namespace pipeline {

// WriteMedia for kPngImage and kPngFrames outputs.
void WritePng(const std::string& path, const FramesView& frames, const std::string& comment, Progress& progress);

// A PNG file (W3C PNG, 8-bit RGB, not interlaced) of [height, width, 3]; a comment that is not empty becomes an iTXt
// chunk with keyword `sparge`, not compressed, before the pixels.
std::string EncodePng(const uint8_t* rgb, int64_t height_px, int64_t width_px, const std::string& comment);

// The text of the first iTXt chunk `sparge`; empty if there is none. Throws Error{kInvalidInput} for a file that is no
// PNG, is cut short or has a damaged chunk.
std::string ReadPngComment(const std::string& path);

}  // namespace pipeline
