#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace app {

// What `sparge info` says about one thing, as JSON: {"kind": "model" | "media" | "tensors", …}. Throw base::Error.
nlohmann::json DescribeModel(const std::string& folder);
nlohmann::json DescribeMedia(const std::string& path);
nlohmann::json DescribeTensors(const std::string& path);

// The same for people, as text of several lines.
std::string FormatInfo(const nlohmann::json& info);

}  // namespace app
