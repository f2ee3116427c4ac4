#pragma once

#include <string>

#include "app/job/job.h"
#include "pipeline/host_tensor.h"

namespace app {

// Latents that an earlier render left: STEM.latents.safetensors, or a .safetensors output.
struct KeptLatents {
  std::string path;
  pipeline::HostTensor latents;  // [C, T, h, w]
  Layer job;                     // what made them; empty where the file does not say
  std::string model_hash;        // of the model that made them; "" where the file does not say
  std::vector<std::string> notices;
};

// Reads them. The file is hostile: of its job, where files go (`out`, `log`, `overwrite`, …) is left out. Throws
// base::Error{kInvalidInput}: no such file, no tensor `latents` [C, T, h, w], NaN or infinity in it, a job that is
// none.
KeptLatents ReadKeptLatents(const std::string& path);

// Writes latents and the job's record; whole or not at all.
void WriteKeptLatents(const std::string& path, const pipeline::HostTensor& latents, const Job& job);

}  // namespace app
