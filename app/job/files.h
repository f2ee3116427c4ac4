#pragma once

#include <string>
#include <vector>

#include "app/job/job.h"
#include "pipeline/media/media.h"

namespace app {

// Settings `encode.*`, `fps` and `metadata` for the media writer.
pipeline::VideoOptions VideoOptionsOf(const Job& job);

// What `out` means where it is not set: a pattern, relative.
std::string DefaultOut(int64_t num_frames);

// Fills in and checks a job's outputs, sidecar and kept latents; needs its settings and hash. Creates nothing. Throws
// InputErrors with all that is wrong; with `existing_is_error` also files that exist, without `overwrite`. `outputs`:
// absolute, in place of those that the setting `out` says.
JobFiles PlanFiles(const Job& job, bool existing_is_error = true, const std::vector<std::string>& outputs = {});

// The hash of the job that a .safetensors file records; "" where there is none or the file is not ours.
std::string RecordedHash(const std::string& safetensors_path);

}  // namespace app
