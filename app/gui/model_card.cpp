#include "app/gui/model_card.h"

#include <cstdio>

#include "app/job/job.h"
#include "attention/base/error.h"

namespace app {

EffectiveSettings ModelCard::Defaults() const {
  return EffectiveSettings::Resolve({FamilyLayer(info)}, {notes.settings});
}

ModelCard LookAtModelFolder(const std::string& folder) {
  ModelCard card;
  card.info = pipeline::Inspect(folder);
  ErrorList errors;
  card.notes = ReadModelNotes(folder, errors);
  errors.ThrowIfAny();
  return card;
}

std::string ModelSummary(const pipeline::ModelInfo& info) {
  double parameters = 0;
  for (const pipeline::ComponentInfo& component : info.components)
    parameters += static_cast<double>(component.parameters);
  char text[160];
  const bool billions = parameters >= 1e9;
  std::snprintf(text, sizeof text, " · %lld layers × %lld heads of %lld · %.1f %s parameters",
                static_cast<long long>(info.num_layers), static_cast<long long>(info.num_heads),
                static_cast<long long>(info.head_dim), parameters / (billions ? 1e9 : 1e6), billions ? "G" : "M");
  return info.pipeline_class + text;
}

}  // namespace app
