#pragma once

#include <nlohmann/json.hpp>
#include <optional>

#include "app/job/run.h"
#include "pipeline/attention_looks.h"
#include "pipeline/pipeline.h"

namespace app {

struct RunTimes {
  double write = 0, total = 0;  // s
};

// The sidecar of a finished job (docs/interfaces.md, "Output files").
nlohmann::json MakeSidecar(const Rendered& rendered, const RunTimes& times);

// Its part `attention`: kernels, fallbacks, sparsity, share of time, and every self and joint call of the DiT by step.
// `sigmas`: one a step; `seconds` of the stages that attention is a part of.
nlohmann::json AttentionRecord(const attention::StatsRecorder& stats, const std::vector<double>& sigmas,
                               double seconds);

// Its part `fallbacks`; of one step, or all.
nlohmann::json FallbacksJSON(const attention::StatsRecorder& stats, std::optional<int64_t> step = std::nullopt);

// One call of it.
nlohmann::json CallJSON(const attention::CallRecord& call);

// Its part `audit`: every audited call with its errors a head, and their means.
nlohmann::json AuditRecord(const std::vector<pipeline::AuditedCall>& calls);

}  // namespace app
