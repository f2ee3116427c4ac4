#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/settings/layers.h"

namespace app {

// A flag of one command that is no setting: "--from-latents FILE".
struct CommandFlag {
  std::string_view name;   // with its dashes
  std::string_view value;  // what it takes, for the help text: "FILE"; "" = nothing
  std::string_view help;
  std::string_view choices = "";  // separated by spaces; "" = anything
  std::string_view missing = "";  // not there yet: what is missing
};

struct ParsedFlags {
  Layer settings;
  std::map<std::string, std::string, std::less<>> flags;  // command flags by name; "" for those without a value
  std::vector<std::pair<std::string, std::string>> given;  // the same in order, each as often as it was given
  std::set<std::string, std::less<>> failed;              // keys of settings whose flag was wrong
  std::vector<std::string> positionals;
  bool help = false;  // --help or -h
};

// Reads a command's arguments. Settings are taken as `--key value` or `--key=value`; on/off settings also as `--key`
// and
// `--no-key`; `null` clears (a prompt is always text). Of a flag given twice the last counts; `--out` adds up.
// With `settings` false only the command's own flags are taken. What is wrong goes to `errors`, all of it.
ParsedFlags ParseFlags(const std::vector<std::string>& args, std::span<const CommandFlag> command_flags, bool settings,
                       ErrorList& errors);

}  // namespace app
