#pragma once

#include <span>
#include <string>

#include "app/settings/flags.h"

namespace app {

// The help text of a command that takes `command_flags` and, if `settings`, every setting as a flag.
std::string CommandHelp(const std::string& usage, const std::string& what, std::span<const CommandFlag> command_flags,
                        bool settings);

// configs/README.md: every setting, with type, range, default and help.
std::string SettingsMarkdown();

}  // namespace app
