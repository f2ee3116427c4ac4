#pragma once

#include <string>

#include "app/jobs/plan.h"

namespace app {

// Whether `path` is to be taken for a clip, an image, frames of a folder or pattern, or a .safetensors file.
bool IsClip(const std::string& path);

// Whether a .json file holds the record of one job (a sidecar) rather than a plan.
bool IsJobRecordFile(const std::string& path);

// A plan of one entry: the job that a clip, its sidecar, a .safetensors file or a sidecar itself records. The file is
// hostile: of its job, where files go (`out`, `log`, `overwrite`, …) is left out; files go to the default `out` in the
// working directory unless `sets` say otherwise. The entry's name is the file's, its variant `main`.
Plan ReadClipJob(const std::string& path, const SetFlags& sets, const InspectModelFolder& inspect);

}  // namespace app
