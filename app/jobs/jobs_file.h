#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/settings/layers.h"
#include "app/settings/yaml.h"

// A JOBS.yaml as read, before its axes are multiplied out.
namespace app {

// One value of an axis: of a setting, or for the axis `profile` the names of profiles as a list.
struct AxisValue {
  Value value;
  std::string where;
};

struct Axis {
  std::string key;  // of a setting, or "profile"
  std::vector<AxisValue> values;
};

// An entry of `exclude`: (axis, value) pairs that must all match.
using Exclusion = std::map<std::string, AxisValue>;

struct Profiles {
  std::vector<std::string> names;
  std::string where;
};

struct IncludedEntry {
  Layer settings;
  std::optional<Profiles> profiles;
};

struct CompareVariant {
  std::string name;
  std::string where;
  Layer settings;
  std::optional<Profiles> profiles;
};

struct JobDefinition {
  std::string name, where;
  Profiles profiles;
  Layer settings;
  std::optional<Axis> prompts;
  std::vector<Axis> zip, matrix;
  std::vector<Exclusion> exclude;
  std::vector<std::string> exclude_where;  // one each
  std::vector<IncludedEntry> include;
  int64_t repeat = 1;
  std::string repeat_where;
  std::vector<CompareVariant> variants;  // the reference first; empty: no comparison
  std::string noise_floor_where;         // empty: none is wanted
  bool model_failed = false;             // what says the model could not be read: its error is said
  bool failed = false;                   // something of it could not be read
};

struct JobsFile {
  Layer defaults;
  bool defaults_model_failed = false;
  std::map<std::string, Layer> profiles;
  std::vector<JobDefinition> jobs;
};

// Reads the file's content. What is wrong goes to the file, and so to `errors`, all of it; what is left is right in
// itself. Fills variables in.
JobsFile ReadJobsFile(YAMLFile& file, const ErrorList& errors);

}  // namespace app
