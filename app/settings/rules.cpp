#include "app/settings/rules.h"

#include <algorithm>

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;

constexpr size_t kMaxRules = 1000;
constexpr size_t kMaxIndices = 10000;  // of a rule's list

// What a rule may set, and where it holds.
constexpr std::string_view kSets[] = {"mode", "topk", "cdf", "theta", "lambda", "sink", "dense_as", "kernel"};

const Setting* SettingOf(const std::string& key) {
  if (key == "steps" || key == "layers") return FindSetting("attention.dense_" + key);
  const bool sets = std::find(std::begin(kSets), std::end(kSets), key) != std::end(kSets);
  return sets ? FindSetting("attention." + key) : nullptr;
}

std::string UnknownKey(const std::string& key) {
  std::vector<std::string> known = {"steps", "layers"};
  for (std::string_view name : kSets) known.emplace_back(name);
  const bool whole_clip = key.find('.') == std::string::npos && FindSetting("attention." + key) != nullptr;
  if (whole_clip) return Quoted(key) + " holds for the whole clip; a rule has " + Join(known, ", ");
  return "unknown key " + Quoted(key) + DidYouMean(key, known) + "; a rule has " + Join(known, ", ");
}

// Lists of indices as text: [0, 1, "-1"] → "0,1,-1".
nlohmann::json Joined(const nlohmann::json& list) {
  std::string text;
  for (const auto& item : list) {
    base::Check(item.is_string() || item.is_number_integer(), ErrorCode::kInvalidInput,
                ": expected indices and ranges");
    text += (text.empty() ? "" : ",") + (item.is_string() ? item.get<std::string>() : item.dump());
  }
  return text;
}

Value ParseOne(const Setting& setting, const nlohmann::json& value) {
  return ParseTyped(setting, value.is_array() && setting.type == SettingType::kIndexList ? Joined(value) : value);
}

// YAML → JSON of the few shapes that rules have: a list of mappings of scalars and lists of scalars.
nlohmann::json ToJSON(const YAML::Node& node, int depth) {
  if (node.IsNull()) return nullptr;
  if (node.IsScalar()) return node.Scalar();
  base::Check(depth < 3, ErrorCode::kInvalidInput, "nested too deeply for a list of rules");
  if (node.IsSequence()) {
    base::Check(node.size() <= kMaxIndices, ErrorCode::kInvalidInput, "a list of ", node.size(), " items");
    nlohmann::json list = nlohmann::json::array();
    for (const auto& item : node) list.push_back(ToJSON(item, depth + 1));
    return list;
  }
  nlohmann::json map = nlohmann::json::object();
  for (const auto& item : node) {
    base::Check(item.first.IsScalar(), ErrorCode::kInvalidInput, "a key must be a word");
    const bool fresh = map.emplace(item.first.Scalar(), ToJSON(item.second, depth + 1)).second;
    base::Check(fresh, ErrorCode::kInvalidInput, "duplicate key ", Quoted(item.first.Scalar()));
  }
  return map;
}

// Runs `parse` with errors that become one line.
Value OneLine(const Setting& setting, const std::function<Value(const RuleErrors&)>& parse) {
  std::vector<std::string> wrong;
  Value rules = parse([&](size_t rule, const std::string& key, const std::string& message) {
    const bool of_rule = rule < kMaxRules;
    wrong.push_back((of_rule ? "rule " + std::to_string(rule + 1) + ": " : "") + (key.empty() ? "" : key + ": ") +
                    message);
  });
  base::Check(wrong.empty(), ErrorCode::kInvalidInput, setting.key, ": ", Join(wrong, "; "));
  return rules;
}

}  // namespace

Value ParseRules(const nlohmann::json& list, const RuleErrors& errors) {
  Value rules = Value::array();
  if (!list.is_array() || list.size() > kMaxRules) {
    errors(kMaxRules, "", list.is_array() ? "more than 1000 rules" : "expected a list of {steps, layers, settings}");
    return rules;
  }
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) {
      errors(i, "", "expected {steps, layers, settings}");
      continue;
    }
    Value rule = Value::object();
    bool sets = false;
    for (const auto& [key, value] : list[i].items()) {
      const Setting* setting = SettingOf(key);
      if (setting == nullptr) {
        errors(i, "", UnknownKey(key));
        sets = true;  // or was to
        continue;
      }
      sets |= key != "steps" && key != "layers";
      if (value.is_null()) continue;
      try {
        rule[key] = ParseOne(*setting, value);
      } catch (const base::Error& error) {
        const std::string what = error.what();
        const std::string prefix = std::string(setting->key) + ": ";
        errors(i, key, what.starts_with(prefix) ? what.substr(prefix.size()) : what);
      }
    }
    if (!sets) errors(i, "", "sets nothing");
    rules.push_back(std::move(rule));
  }
  return rules;
}

Value ParseRules(const YAML::Node& list, const RuleErrors& errors) {
  if (!list.IsSequence() || list.size() > kMaxRules) return ParseRules(nlohmann::json(nullptr), errors);
  nlohmann::json json = nlohmann::json::array();
  for (size_t i = 0; i < list.size(); ++i) {
    try {
      json.push_back(ToJSON(list[i], 1));
    } catch (const base::Error& error) {
      errors(i, "", error.what());
      json.push_back({{"sink", nullptr}});  // its error is said
    }
  }
  return ParseRules(json, errors);
}

Value ParseRulesText(const Setting& setting, std::string_view text) {
  return OneLine(setting, [&](const RuleErrors& errors) {
    try {
      return ParseRules(YAML::Load(std::string(text)), errors);
    } catch (const YAML::Exception& error) {
      errors(kMaxRules, "",
             "neither YAML nor JSON: " + std::string(ValidUTF8Prefix(error.msg)) + ", in " + Quoted(text));
      return Value(nullptr);
    }
  });
}

Value ParseRulesJSON(const Setting& setting, const nlohmann::json& list) {
  return OneLine(setting, [&](const RuleErrors& errors) { return ParseRules(list, errors); });
}

}  // namespace app
