#pragma once

#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace app {

enum class SettingType {
  kText,       // UTF-8, anything; a prompt
  kPath,       // one file or folder
  kPaths,      // one or more
  kInt,        // whole number
  kNumber,     // finite number
  kBool,       // on, off
  kEnum,       // one of `choices`
  kSeed,       // any int64, or `random`
  kIndexList,  // indices and ranges, negative from the end: "0-1,-1"
  kDevice,     // auto, cpu, cuda, cuda:N
  kMemory,     // auto, or a number of GiB
  kRules,      // a list of mappings
};

// One setting of the program. The command line, the YAML reader, configs/README.md, the help texts and the checks are
// all driven by this (docs/interfaces.md, "One table of settings").
struct Setting {
  std::string_view key;    // as in YAML: "attention.dense_steps"
  std::string_view group;  // a SettingGroup's name
  SettingType type;
  std::string_view help;  // one line
  std::string_view unit = "";
  std::string_view default_text = "";  // as it would be written; "" = none
  std::string_view default_note = "";  // what holds where there is no default
  std::string_view choices = "";       // kEnum: separated by spaces
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool above_min = false;  // `min` itself is not allowed
  // Not (fully) there yet: what is missing, for people. A value other than the default and those of `there` is an
  // error.
  std::string_view missing = "";
  std::string_view there = "";  // separated by spaces
  bool hashed = true;           // part of a job's `hash`
};

struct SettingGroup {
  std::string_view name;   // "attention"
  std::string_view title;  // for people
};

std::span<const Setting> Settings();
std::span<const SettingGroup> SettingGroups();

// Null where there is none.
const Setting* FindSetting(std::string_view key);
const Setting* FindSettingByFlag(std::string_view flag);  // with its dashes: "--dense-steps"

// "--dense-steps" for attention.dense_steps; "--attention" for attention.mode.
std::string FlagName(const Setting& setting);

// "whole number, 1 to 1000", "on or off", "dense, dense8, …": for help texts.
std::string DescribeType(const Setting& setting);

// The default for people: its text, else its note.
std::string DescribeDefault(const Setting& setting);

}  // namespace app
