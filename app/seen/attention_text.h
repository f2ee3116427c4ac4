#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace app {

// A sidecar's `attention` record for people: sparsity in all, by step and by layer as bars, kernels, fall-backs with
// reasons, share of the time and what that allows. "" where nothing is recorded. The record may come from any file.
std::string AttentionText(const nlohmann::json& attention);

// A sidecar's `audit` record for people: mean errors a layer, split into skipping and 8 bits. "" where there is none.
std::string AuditText(const nlohmann::json& audit);

}  // namespace app
