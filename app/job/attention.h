#pragma once

#include <map>
#include <string>
#include <vector>

#include "app/settings/layers.h"
#include "pipeline/attention_settings.h"
#include "pipeline/pipeline.h"

// A job's attention: from settings to what the pipeline takes.
namespace app {

// Whether a model's sparge.yaml says anything about attention: the model is tuned then.
bool SetsAttention(const Layer& model_settings);

// Makes the paths of `attention.` absolute, and clears mode, theta and lambda where nobody set them and a profile may:
// null is "as the profile says".
void ResolveAttentionFiles(EffectiveSettings& settings);

// For a model without a profile and without a sparge.yaml that sets attention: layer 0, and step 0 of 10 or more, run
// as dense_as, unless one of `layers` says which do. Notes that the model is untuned. Not in mode dense.
void StartUntuned(const std::vector<Layer>& layers, EffectiveSettings& settings, std::vector<std::string>& notices);

// The settings of `attention.` for the pipeline, held against the model: indices expanded, the profile and the block
// maps read. What is wrong goes to `errors`.
pipeline::AttentionSettings AttentionOf(const EffectiveSettings& settings, const pipeline::ModelInfo& model,
                                        ErrorList& errors);

// For JobHash: the settings of `attention.` that name a file, with the SHA-256 of what is in it. A file that cannot be
// read is left out.
std::map<std::string, std::string> FilesInHash(const EffectiveSettings& settings);

}  // namespace app
