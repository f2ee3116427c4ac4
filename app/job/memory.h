#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "app/job/placeholders.h"
#include "app/settings/layers.h"
#include "pipeline/memory_estimate.h"
#include "pipeline/pipeline.h"

// What memory a job takes, whether that is there, and what would fit.
namespace app {

// Settings that would make a job fit.
struct MemoryOffer {
  std::string text;   // for people: "33 frames instead of 81", "vae_tiling: on"
  Layer settings;     // to be set over the job's
  int64_t bytes = 0;  // that it would take then
};

struct JobMemory {
  // With all that stays loaded where there is room, and with nothing more than each stage needs (and in tiles, where
  // vae_tiling is not off). Neither counts what the system can take back.
  pipeline::MemoryEstimate estimate, least;
  bool on_device = false;  // what counts is the CUDA device's
  int64_t bytes = 0;       // that it will take: of `estimate` if that fits, else of `least`
  int64_t available = 0;   // for the whole job, the program included; 0: unknown
  bool fits = true;
  bool tiles = false;               // the VAE decodes in tiles
  std::vector<MemoryOffer> offers;  // where it does not fit, cheapest change first; may be empty
};

// `settings` gives every setting of the job, checked against the model; `machine` is pipeline::LookAtMachine, or a
// test's own. Pure.
JobMemory MemoryOf(const SettingLookup& settings, const pipeline::ModelInfo& model, const pipeline::Machine& machine,
                   bool from_latents = false);

// What memory is for, for people: "needs about 12.4 GB (decode), 8.1 GB are available: 33 frames instead of 81 would
// fit"; "" where it fits.
std::string MemoryText(const JobMemory& memory);

}  // namespace app
