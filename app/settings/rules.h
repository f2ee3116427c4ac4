#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <string>
#include <string_view>

#include "app/settings/value.h"

namespace app {

// Says what is wrong with a rule (counted from 0) and with which of its keys; "": with the rule or the list as such.
using RuleErrors = std::function<void(size_t rule, const std::string& key, const std::string& message)>;

// Reads `attention.schedule`, a list of {steps, layers, settings of attention by their last name}: checks every rule
// and returns it in canonical form, null values left out. Values may be typed or as a person writes them. What is wrong
// goes to `errors`, all of it.
Value ParseRules(const nlohmann::json& list, const RuleErrors& errors);

// The same from a YAML node.
Value ParseRules(const YAML::Node& list, const RuleErrors& errors);

// The same from YAML or JSON text, a flag's value. Throws base::Error{kInvalidInput} with everything that is wrong in
// one line that begins with the setting's key.
Value ParseRulesText(const Setting& setting, std::string_view text);

// The same from JSON. Throws as ParseRulesText.
Value ParseRulesJSON(const Setting& setting, const nlohmann::json& list);

}  // namespace app
