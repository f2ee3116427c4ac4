#pragma once

#include <string>

#include "app/job/job.h"
#include "pipeline/media/media.h"

namespace app {

// Settings `encode.*`, `fps` and `metadata` for the media writer.
pipeline::VideoOptions VideoOptionsOf(const Job& job);

// Fills in and checks a job's outputs, sidecar and kept latents; needs its settings and hash. Creates nothing. Throws
// InputErrors with all that is wrong.
JobFiles PlanFiles(const Job& job);

// The hash of the job that a .safetensors file records; "" where there is none or the file is not ours.
std::string RecordedHash(const std::string& safetensors_path);

}  // namespace app
