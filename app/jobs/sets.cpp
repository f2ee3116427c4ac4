#include "app/jobs/sets.h"

#include <filesystem>

#include "app/settings/text.h"

namespace app {
namespace {

Value Absolute(const Value& path) {
  return std::filesystem::absolute(path.get<std::string>()).lexically_normal().string();
}

Value ValueOf(const Setting& setting, const std::string& text) {
  if (text == "null" && setting.type != SettingType::kText) return nullptr;
  Value value = ParseText(setting, text);
  CheckThere(setting, value);
  if (setting.type == SettingType::kPath && setting.key != "model") value = Absolute(value);
  if (setting.type == SettingType::kPaths) {
    for (Value& path : value) path = Absolute(path);
  }
  return value;
}

}  // namespace

Layer LayerOfSets(const SetFlags& sets, ErrorList& errors) {
  Layer layer;
  for (const auto& [key, text] : sets) {
    const std::string where = "--set " + key + "=" + std::string(CutUTF8(text, 60));
    const Setting* setting = FindSetting(key);
    if (setting == nullptr) {
      std::vector<std::string> known;
      std::string nested;
      for (const Setting& one : Settings()) {
        known.emplace_back(one.key);
        if (one.key.ends_with("." + key)) nested = one.key;
      }
      errors.Add(where + ": unknown setting " + Quoted(key) +
                 (nested.empty() ? DidYouMean(key, known) : " (did you mean '" + nested + "'?)"));
      continue;
    }
    try {
      Value value = ValueOf(*setting, text);
      const auto it = layer.find(key);
      if (setting->type == SettingType::kPaths && it != layer.end() && it->second.value.is_array() &&
          value.is_array()) {
        for (const Value& path : value) it->second.value.push_back(path);
      } else {
        layer[key] = {std::move(value), where};
      }
    } catch (const base::Error& error) {
      errors.Add(where + ": " + error.what());
    }
  }
  return layer;
}

}  // namespace app
