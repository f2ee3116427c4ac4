#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/jobs/jobs_file.h"

namespace app {

// Takes a profile's name as written at a place; says what is wrong with it.
using TakeProfile = std::function<bool(const std::string& name, const YAML::Mark& mark)>;

// Names of profiles: one or a list; null is none. Errors go to the file.
std::vector<std::string> ReadProfileNames(YAMLFile& file, const YAML::Node& node, const TakeProfile& take);

// The axes of a `matrix` or `zip`, in the file's order: a mapping of settings, or of `profile`, to a scalar, a list, a
// range or a list with ranges. Errors go to the file; what is wrong is left out.
std::vector<Axis> ReadAxes(YAMLFile& file, const YAML::Node& node, const std::string& label, const TakeProfile& take);

// The prompts of `prompts`, a text or a list of texts.
Axis ReadPrompts(YAMLFile& file, const YAML::Node& key, const YAML::Node& node);

// The prompts of the file that `prompt_file` names, relative to the YAML: UTF-8, one a line; a `#` at the start of a
// line comments, lines of white space are skipped.
Axis ReadPromptFile(YAMLFile& file, const YAML::Node& key, const YAML::Node& node);

}  // namespace app
