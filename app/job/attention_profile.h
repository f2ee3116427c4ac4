#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "app/settings/layers.h"
#include "pipeline/attention_settings.h"
#include "pipeline/pipeline.h"

namespace app {

// Reads a profile (docs/interfaces.md, "One table of settings"): version 1, `model` {class, layers, heads, head_dim},
// `tuned_on` (for people), `layers`: {L: {mode, topk, cdf, theta, lambda: a number or one per head}}. `class` is the
// DiT's or the pipeline's. What is wrong, the model included, goes to `errors` with its place. Throws
// base::Error{kInvalidInput} when the file cannot be read.
std::map<int64_t, pipeline::LayerProfile> ReadAttentionProfile(const std::string& path,
                                                               const pipeline::ModelInfo& model, ErrorList& errors);

}  // namespace app
