#pragma once

#include <nlohmann/json.hpp>

#include "attention/stats.h"
#include "pipeline/pipeline.h"

namespace app {

// What attention did, as JSON that gives the same record back: every call of the DiT's self and joint attention, and of
// the others how many there were by kernel and mode.
nlohmann::json StatsJSON(const attention::StatsRecorder& stats);

// Throws base::Error{kInvalidInput} for what StatsJSON does not write.
attention::StatsRecorder StatsFromJSON(const nlohmann::json& json);

nlohmann::json SecondsJSON(const pipeline::StageSeconds& seconds);
pipeline::StageSeconds SecondsFromJSON(const nlohmann::json& json);  // Throws as StatsFromJSON

}  // namespace app
