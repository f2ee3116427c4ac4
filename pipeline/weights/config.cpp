#include "pipeline/weights/config.h"

#include <cmath>

#include "attention/base/error.h"
#include "pipeline/weights/safetensors.h"

namespace pipeline {

using base::Check;
using base::ErrorCode;

nlohmann::json ReadJsonFile(const std::string& path, int64_t max_bytes) {
  const auto file = MappedFile::Open(path);
  Check(static_cast<int64_t>(file->size()) <= max_bytes, ErrorCode::kInvalidInput, path, ": has ", file->size(),
        " bytes, expected a JSON file of at most ", max_bytes);
  const char* text = reinterpret_cast<const char*>(file->data());
  int deepest = 0;
  auto limit_depth = [&](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
    deepest = std::max(deepest, depth);
    Check(depth <= 64, ErrorCode::kInvalidInput, path, ": is nested too deeply");
    return true;
  };
  try {
    return nlohmann::json::parse(text, text + file->size(), limit_depth);
  } catch (const nlohmann::json::exception& e) {
    base::Fail(ErrorCode::kInvalidInput, path, ": is not valid JSON (", e.what(), ")");
  }
}

Config Config::Read(const std::string& path) {
  Config config;
  config.path_ = path;
  config.json_ = ReadJsonFile(path);
  Check(config.json_.is_object(), ErrorCode::kInvalidInput, path, ": expected a JSON object");
  return config;
}

void Config::Fail(const std::string& key, const std::string& what) const {
  base::Fail(ErrorCode::kInvalidInput, path_, ": key '", key, "' ", what, ", got ",
             json_.contains(key) ? json_.at(key).dump() : "nothing");
}

const nlohmann::json* Config::Find(const std::string& key) {
  known_.insert(key);
  auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

bool Config::Has(const std::string& key) const {
  auto found = json_.find(key);
  return found != json_.end() && !found->is_null();
}

int64_t Config::Int(const std::string& key, int64_t fallback, int64_t min, int64_t max) {
  const nlohmann::json* value = Find(key);
  if (!value) return fallback;
  const bool integer =
      value->is_number_integer() && !(value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX);
  if (!integer || value->get<int64_t>() < min || value->get<int64_t>() > max)
    Fail(key, base::StrCat("is no integer from ", min, " to ", max));
  return value->get<int64_t>();
}

double Config::Number(const std::string& key, double fallback) {
  const nlohmann::json* value = Find(key);
  if (!value) return fallback;
  if (!value->is_number() || !std::isfinite(value->get<double>())) Fail(key, "is no finite number");
  return value->get<double>();
}

bool Config::Bool(const std::string& key, bool fallback) {
  const nlohmann::json* value = Find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) Fail(key, "is neither true nor false");
  return value->get<bool>();
}

std::string Config::String(const std::string& key, const std::string& fallback) {
  const nlohmann::json* value = Find(key);
  if (!value) return fallback;
  if (!value->is_string()) Fail(key, "is no string");
  return value->get<std::string>();
}

std::vector<int64_t> Config::Ints(const std::string& key, std::vector<int64_t> fallback, int64_t min, int64_t max) {
  const nlohmann::json* value = Find(key);
  if (!value) return fallback;
  std::vector<int64_t> out;
  bool ok = value->is_array() && value->size() <= 1024;
  for (size_t i = 0; ok && i < value->size(); ++i) {
    const nlohmann::json& item = (*value)[i];
    ok = item.is_number_integer() && !(item.is_number_unsigned() && item.get<uint64_t>() > INT64_MAX) &&
         item.get<int64_t>() >= min && item.get<int64_t>() <= max;
    if (ok) out.push_back(item.get<int64_t>());
  }
  if (!ok) Fail(key, base::StrCat("is no list of integers from ", min, " to ", max));
  return out;
}

std::vector<double> Config::Numbers(const std::string& key, std::vector<double> fallback) {
  const nlohmann::json* value = Find(key);
  if (!value) return fallback;
  std::vector<double> out;
  bool ok = value->is_array() && value->size() <= 65536;
  for (size_t i = 0; ok && i < value->size(); ++i) {
    ok = (*value)[i].is_number() && std::isfinite((*value)[i].get<double>());
    if (ok) out.push_back((*value)[i].get<double>());
  }
  if (!ok) Fail(key, "is no list of finite numbers");
  return out;
}

std::vector<bool> Config::Bools(const std::string& key, std::vector<bool> fallback) {
  const nlohmann::json* value = Find(key);
  if (!value) return fallback;
  std::vector<bool> out;
  bool ok = value->is_array() && value->size() <= 1024;
  for (size_t i = 0; ok && i < value->size(); ++i) {
    ok = (*value)[i].is_boolean();
    if (ok) out.push_back((*value)[i].get<bool>());
  }
  if (!ok) Fail(key, "is no list of true and false");
  return out;
}

void Config::RequireJson(const std::string& key, const nlohmann::json& supported, const std::string& why) {
  const nlohmann::json* value = Find(key);
  if (!value || *value == supported) return;
  base::Fail(ErrorCode::kUnsupported, path_, ": '", key, "': ", value->dump(), " is not supported: ", why);
}

void Config::Ignore(std::initializer_list<const char*> keys) {
  for (const char* key : keys) known_.insert(key);
}

std::vector<std::string> Config::UnknownKeys() const {
  std::vector<std::string> out;
  for (const auto& [key, value] : json_.items())
    if (!known_.count(key) && !key.empty() && key[0] != '_') out.push_back(key);
  return out;
}

}  // namespace pipeline
