#pragma once

#include <string>

#include "attention/base/atomic_file.h"

namespace pipeline {

// GIF comment extensions (GIF89a §24), which libavformat reads in part and does not write.

// Puts a comment into a finished GIF, before its first frame. Throws Error{kIo}.
void InsertGifComment(const std::string& comment, base::AtomicFile& file);

// All comments before the first picture, joined; "" for a file that is no GIF or is cut short.
std::string ReadGifComment(const std::string& path);

}  // namespace pipeline
