#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "app/settings/layers.h"

namespace app {

// What output paths may name besides settings (docs/interfaces.md, "Names").
struct JobNames {
  std::string name = "clip";
  std::string variant = "main";
  std::string model;  // the folder's name
  int64_t index = 0;
};

// Fills `{name} {variant} {model} {seed} {index} {hash8}` and any setting into an output path; `{{` and `}}` are
// braces, as is a `}` that closes nothing. Characters of a value that do not belong into a file name become `_`. Throws
// base::Error{kInvalidInput} for an unknown placeholder or a `{` without its `}`.
std::string FillPlaceholders(const std::string& pattern, const JobNames& names, const EffectiveSettings& settings,
                             const std::string& hash);

// The same with settings from elsewhere.
using SettingLookup = std::function<const Value&(std::string_view key)>;
std::string FillPlaceholders(const std::string& pattern, const JobNames& names, const SettingLookup& settings,
                             const std::string& hash);

// The part of a file name that a value becomes: letters and digits of any script, '.', '_' and '-' stay, the rest
// becomes '_', as does a leading '.'; cut to 80 bytes.
std::string FileNamePart(const std::string& value);

}  // namespace app
