#pragma once

#include <functional>
#include <string>

#include "app/settings/layers.h"
#include "app/settings/yaml.h"
#include "pipeline/pipeline.h"
#include "ui/view.h"

namespace app {

// A model folder as the window needs it. No weights are read.
struct ModelCard {
  pipeline::ModelInfo info;
  ModelNotes notes;

  // What holds where the user says nothing, and where each value is from.
  EffectiveSettings Defaults() const;
};

// Looks at a folder. Throws base::Error for what is no model, or none that can be used.
using LookAtModel = std::function<ModelCard(const std::string& folder)>;
ModelCard LookAtModelFolder(const std::string& folder);

// "WanPipeline · 8 layers × 4 heads of 64 · 9.1 M parameters".
std::string ModelSummary(const pipeline::ModelInfo& info);

}  // namespace app
