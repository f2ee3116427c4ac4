#pragma once

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings/table.h"

namespace app {

// A setting's value: null (none), boolean, int64, double, text, a list of texts (kPaths) or of mappings (kRules). Lists
// of indices are text in canonical form ("0-1,-1"); `random` and `auto` are text.
using Value = nlohmann::json;

// Reads one value as a person writes it, on the command line or as a YAML scalar. The whole text must be the value, in
// range; a unit may follow a number. Throws base::Error{kInvalidInput}; the message begins with the setting's key.
Value ParseText(const Setting& setting, std::string_view text);

// The same for a typed value, from JSON that we wrote ourselves or that somebody changed.
Value ParseTyped(const Setting& setting, const nlohmann::json& value);

// Throws base::Error{kUnsupported} where the value asks for something that is not there yet.
void CheckThere(const Setting& setting, const Value& value);

// The default of the program; null where there is none.
Value DefaultValue(const Setting& setting);

// For people and for placeholders: numbers in the shortest form, on/off, "none" for null.
std::string ToText(const Value& value);

// Indices of a list such as "0-1,-1" among `count`: sorted, each once. Throws kInvalidInput for one out of range.
std::vector<int64_t> ExpandIndices(std::string_view list, int64_t count, std::string_view what);

// JSON with sorted keys, no white space, whole numbers without a fraction and others in the shortest form that reads
// back: one value has one text. Throws kInternal for NaN and infinity.
std::string CanonicalJSON(const nlohmann::json& value);

// JSON for people: sorted keys, two spaces, what fits into a line in one line.
std::string PrettyJSON(const nlohmann::json& value);

}  // namespace app
