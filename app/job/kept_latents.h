#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/job/job.h"
#include "pipeline/host_tensor.h"
#include "pipeline/pipeline.h"

namespace app {

// What the denoising of whole latents took and did; for the sidecar of who decodes them.
struct DenoisingRecord {
  pipeline::StageSeconds seconds;
  attention::StatsRecorder attention;
  std::vector<double> sigmas;
  std::vector<std::string> notices;
  std::vector<int64_t> redone_steps;
};

// STEM.latents.safetensors, or a .safetensors output: latents that an earlier render left, whole or after some of its
// steps (then the file is a checkpoint, with the scheduler's state).
struct KeptLatents {
  std::string path;
  pipeline::HostTensor latents;                      // [C, T, h, w]
  Layer job;                                         // what made them; empty where the file does not say
  std::string hash, model_hash;                      // of that job and its model; "" where the file does not say
  std::optional<pipeline::DenoiseState> checkpoint;  // none: the latents are whole
  int64_t steps = 0;                                 // of the job of a checkpoint
  std::optional<DenoisingRecord> record;             // none: not known
  std::vector<std::string> notices;
};

// Reads them. The file is hostile: of its job, where files go (`out`, `log`, `overwrite`, …) is left out. Throws
// base::Error{kInvalidInput}: no such file, no tensor `latents` [C, T, h, w], NaN or infinity in it, a job that is
// none, a checkpoint that is none.
KeptLatents ReadKeptLatents(const std::string& path);

// Writes whole latents with the job's record; whole or not at all. `record` may be null.
void WriteKeptLatents(const std::string& path, const pipeline::HostTensor& latents, const DenoisingRecord* record,
                      const Job& job);

// Writes a checkpoint, whole or not at all.
void WriteCheckpoint(const std::string& path, const pipeline::DenoiseState& state, const Job& job);

// What a file of this name holds of this job.
struct LatentsOnDisk {
  enum class Kind { kNone, kOther, kCheckpoint, kWhole };
  Kind kind = Kind::kNone;  // kOther: a file of another job, or not ours
  int64_t step = 0;         // of a checkpoint
};
LatentsOnDisk LookAtLatents(const std::string& path, const std::string& hash);  // Never throws for what the file holds

}  // namespace app
