#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

// Reading what came from a worker or a file of any origin: a key that is absent or of another type is nothing.
namespace app {

inline std::string TextIn(const nlohmann::json& object, const char* key) {
  return object.is_object() && object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : "";
}

inline std::optional<double> NumberIn(const nlohmann::json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_number()) return std::nullopt;
  const auto value = object[key].get<double>();
  return value - value == 0 ? std::optional<double>(value) : std::nullopt;  // finite
}

// Whether a file of this name would be a clip or an image.
bool IsMedia(const std::string& path);

}  // namespace app
