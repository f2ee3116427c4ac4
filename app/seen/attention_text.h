#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace app {

// A sidecar's `attention` record for people: sparsity in all, by step and by layer as bars, kernels, fall-backs with
// reasons, share of the time and what that allows. "" where nothing is recorded. The record may come from any file.
std::string AttentionText(const nlohmann::json& attention);

}  // namespace app
