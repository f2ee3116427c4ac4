#pragma once

#include <string>
#include <vector>

#include "pipeline/pipeline.h"

namespace app {

// The folder that `model` means: a folder (relative to `folder`, "": the working directory), else a name under SPARGE_MODELS
// (folders separated by ':'), else one of the models that come with the program. Absolute, without a trailing slash.
// Throws base::Error{kInvalidInput} with where it looked and what is there; kUnsupported for a .safetensors or .gguf
// file.
std::string FindModel(const std::string& model, const std::string& folder = "");

// Names that FindModel knows, sorted.
std::vector<std::string> ModelNames();

// SHA-256 of what a model is: the bytes of its configs and, of each weight file, header, size and 64 evenly spaced
// samples of 64 KiB; not where it lies. 64 hex digits. Throws base::Error{kIo} when a file cannot be read.
std::string ModelHash(const pipeline::ModelInfo& model);

}  // namespace app
