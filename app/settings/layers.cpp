#include "app/settings/layers.h"

#include "app/settings/sha256.h"
#include "app/settings/text.h"

namespace app {
namespace {

using base::ErrorCode;

std::string JoinItems(const std::vector<InputErrors::Item>& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : "\n") + item.text;
  return text;
}

}  // namespace

InputErrors::InputErrors(std::vector<Item> items)
    : base::Error(ErrorCode::kInvalidInput, JoinItems(items)), items_(std::move(items)) {}

void ErrorList::Add(const base::Error& error) {
  if (const auto* several = dynamic_cast<const InputErrors*>(&error)) {
    items_.insert(items_.end(), several->items().begin(), several->items().end());
  } else {
    Add(error.what());
  }
}

bool ErrorList::Try(const std::function<void()>& body) {
  try {
    body();
    return true;
  } catch (const base::Error& error) {
    if (error.code() != ErrorCode::kInvalidInput && error.code() != ErrorCode::kUnsupported) throw;
    Add(error);
    return false;
  }
}

void ErrorList::ThrowIfAny() const {
  if (!items_.empty()) throw InputErrors(items_);
}

EffectiveSettings::EffectiveSettings() {
  for (const Setting& setting : Settings()) values_[std::string(setting.key)] = {DefaultValue(setting), "default"};
}

EffectiveSettings EffectiveSettings::Resolve(const std::vector<Layer>& base, const std::vector<Layer>& layers) {
  EffectiveSettings floor;
  for (const Layer& layer : base) {
    for (const auto& [key, assignment] : layer) floor.Set(key, assignment.value, assignment.where);
  }
  EffectiveSettings settings = floor;
  for (const Layer& layer : layers) {
    for (const auto& [key, assignment] : layer) {
      const bool clears = assignment.value.is_null();
      settings.Set(key, clears ? floor.at(key) : assignment.value, clears ? floor.where(key) : assignment.where);
    }
  }
  return settings;
}

const Assignment& EffectiveSettings::assignment(std::string_view key) const {
  const auto it = values_.find(key);
  if (it == values_.end()) base::Fail(ErrorCode::kInternal, "no setting ", key);
  return it->second;
}

const Value& EffectiveSettings::at(std::string_view key) const { return assignment(key).value; }
const std::string& EffectiveSettings::where(std::string_view key) const { return assignment(key).where; }

void EffectiveSettings::Set(std::string_view key, Value value, std::string where) {
  base::Check(FindSetting(key) != nullptr, ErrorCode::kInternal, "no setting ", key);
  values_[std::string(key)] = {std::move(value), std::move(where)};
}

int64_t EffectiveSettings::Int(std::string_view key) const {
  const Value& value = at(key);
  base::Check(value.is_number_integer(), ErrorCode::kInternal, key, " has no whole number");
  return value.get<int64_t>();
}

double EffectiveSettings::Number(std::string_view key) const {
  const Value& value = at(key);
  base::Check(value.is_number(), ErrorCode::kInternal, key, " has no number");
  return value.get<double>();
}

bool EffectiveSettings::On(std::string_view key) const {
  const Value& value = at(key);
  base::Check(value.is_boolean(), ErrorCode::kInternal, key, " is neither on nor off");
  return value.get<bool>();
}

std::string EffectiveSettings::Text(std::string_view key) const {
  const Value& value = at(key);
  base::Check(value.is_string(), ErrorCode::kInternal, key, " has no text");
  return value.get<std::string>();
}

std::string EffectiveSettings::TextOr(std::string_view key, std::string_view fallback) const {
  return IsSet(key) ? Text(key) : std::string(fallback);
}

std::vector<std::string> EffectiveSettings::Paths(std::string_view key) const {
  std::vector<std::string> paths;
  for (const Value& path : at(key)) paths.push_back(path.get<std::string>());
  return paths;
}

nlohmann::json EffectiveSettings::ToJSON() const {
  nlohmann::json job = nlohmann::json::object();
  for (const auto& [key, assignment] : values_) job[key] = assignment.value;
  return job;
}

namespace {

void Flatten(const nlohmann::json& job, const std::string& prefix, int depth,
             std::map<std::string, const nlohmann::json*>& flat) {
  for (const auto& [key, value] : job.items()) {
    const std::string full = prefix.empty() ? key : prefix + "." + key;
    if (value.is_object() && depth < 2 && FindSetting(full) == nullptr) {
      Flatten(value, full, depth + 1, flat);
    } else {
      flat[full] = &value;
    }
  }
}

}  // namespace

Layer LayerFromJSON(const nlohmann::json& job, const std::string& where, std::vector<std::string>* unknown) {
  base::Check(job.is_object(), ErrorCode::kInvalidInput, where, ": the job is not a JSON object");
  std::map<std::string, const nlohmann::json*> flat;
  Flatten(job, "", 0, flat);
  Layer layer;
  ErrorList errors;
  for (const auto& [key, value] : flat) {
    const Setting* setting = FindSetting(key);
    if (setting == nullptr) {
      if (unknown != nullptr) unknown->push_back(key);
      continue;
    }
    try {
      layer[key] = {ParseTyped(*setting, *value), where};
    } catch (const base::Error& error) {
      errors.Add(where + ": " + error.what());
    }
  }
  errors.ThrowIfAny();
  return layer;
}

std::string JobHash(const EffectiveSettings& settings, const std::string& model_hash,
                    const std::map<std::string, std::string>& files) {
  nlohmann::json job = settings.ToJSON();
  for (const Setting& setting : Settings()) {
    if (!setting.hashed) job.erase(std::string(setting.key));
  }
  job["model"] = model_hash;
  for (const auto& [key, hash] : files) job[key] = hash;
  return SHA256Hex(CanonicalJSON(job));
}

}  // namespace app
