#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "app/job/job.h"
#include "app/job/run.h"

namespace app {

// A clip whose frames go into other files, encoded otherwise: nothing is rendered and no model is read.
struct Reencoding {
  Job job;             // its settings, files and notices; `from_clip` is the clip
  std::string frames;  // what the frames are read from: the clip, or the .safetensors output of the same render
  int64_t num_frames = 0;
  double fps = 0;
  nlohmann::json record;   // {"schema", "hash", "job", "model", "from"}; `job` is null for a clip without a job of ours
  nlohmann::json sidecar;  // of the clip; null where there is none
};

// Looks at the clip (what ProbeSource reads) and checks everything that can be known before it is decoded. Of `source`
// the layers, `outputs`, `existing_is_error` and the names count; layers may set `fps`, `encode.*` and what is about
// outputs. What they leave open is as the clip's own job says. Throws InputErrors and base::Error{kInvalidInput}.
Reencoding PrepareReencoding(const std::string& clip, const JobSource& source);

// Decodes and encodes; every file appears whole or not at all. Returns the sidecar, which is written where the job
// wants one: the clip's own, with what was made of it (docs/interfaces.md, "Output files").
nlohmann::json Reencode(const Reencoding& what, JobObserver& observer);

}  // namespace app
