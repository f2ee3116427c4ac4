#include "app/settings/help.h"

#include "app/settings/text.h"

namespace app {
namespace {

constexpr size_t kHelpColumn = 28;
constexpr size_t kLine = 110;

// "  --flag VALUE    text", the text wrapped.
std::string Entry(const std::string& flag, const std::string& text) {
  std::string entry = "  " + flag;
  size_t column = 2 + flag.size();
  const auto to_help_column = [&] {
    if (column >= kHelpColumn) {
      entry += "\n";
      column = 0;
    }
    entry.append(kHelpColumn - column, ' ');
    column = kHelpColumn;
  };
  to_help_column();
  for (const std::string& word : Split(text, ' ')) {
    if (column > kHelpColumn && column + 1 + word.size() > kLine) {
      entry += "\n";
      column = 0;
      to_help_column();
    } else if (column > kHelpColumn) {
      entry += ' ';
      ++column;
    }
    entry += word;
    column += word.size();
  }
  return entry + "\n";
}

std::string ValueWord(const Setting& setting) {
  switch (setting.type) {
    case SettingType::kText:
      return "TEXT";
    case SettingType::kPath:
    case SettingType::kPaths:
      return setting.key == "out" || setting.key == "log" ? "FILE" : "PATH";
    case SettingType::kInt:
    case SettingType::kNumber:
      return setting.unit == "px" ? "PX" : setting.unit == "GiB" ? "GIB" : "N";
    case SettingType::kBool:
      return "on|off";
    case SettingType::kEnum: {
      const std::string choices = Join(Split(setting.choices, ' '), "|");
      return choices.size() <= 16 ? choices : "NAME";
    }
    case SettingType::kSeed:
      return "N|random";
    case SettingType::kIndexList:
      return "LIST";
    case SettingType::kDevice:
      return "DEVICE";
    case SettingType::kMemory:
      return "auto|GIB";
    case SettingType::kRules:
      return "RULES";
  }
  return "";
}

// "not there yet: …" or "there is: …"; "" for what works in full.
std::string Availability(const Setting& setting) {
  if (setting.missing.empty()) return "";
  if (setting.there.empty()) return "not there yet: " + std::string(setting.missing);
  return "there is: " + Join(Split(setting.there, ' '), ", ");
}

std::string SettingHelp(const Setting& setting) {
  std::string text(setting.help);
  text += " (" + DescribeType(setting) + "; default: " + DescribeDefault(setting) + ")";
  if (setting.missing.empty()) return text;
  return text + (setting.there.empty() ? " [not there yet]" : " [" + Availability(setting) + "]");
}

}  // namespace

std::string CommandHelp(const std::string& usage, const std::string& what, std::span<const CommandFlag> command_flags,
                        bool settings) {
  std::string text = "usage: " + usage + "\n\n" + what + "\n\n";
  for (const CommandFlag& flag : command_flags) {
    std::string help(flag.help);
    if (!flag.choices.empty()) help += " (" + Join(Split(flag.choices, ' '), ", ") + ")";
    if (!flag.missing.empty()) help += " [not there yet]";
    text += Entry(std::string(flag.name) + (flag.value.empty() ? "" : " ") + std::string(flag.value), help);
  }
  text += Entry("--help", "this text");
  if (!settings) return text;
  for (const SettingGroup& group : SettingGroups()) {
    text += "\n" + std::string(group.title) + "\n";
    for (const Setting& setting : Settings()) {
      if (setting.group == group.name)
        text += Entry(FlagName(setting) + " " + ValueWord(setting), SettingHelp(setting));
    }
  }
  text += "\nOn/off settings also as --flag and --no-flag. `null` clears what the model's sparge.yaml sets.\n";
  return text;
}

std::string SettingsMarkdown() {
  std::string text =
      "# Settings\n\n"
      "Every setting, from the one table that also drives the command line (`app/settings/table.cpp`; a test keeps "
      "this page\n"
      "equal to it: `SPARGE_UPDATE=1` with the test `SettingsDocs.PageIsCurrent` writes it anew). The keys are those "
      "of\n"
      "`sparge.yaml` in a model folder; nested (`attention: {mode: dense}`) and dotted keys mean the same. `null` "
      "clears what a\n"
      "lower layer says. Layers, later ones win: the program's defaults, what the model's pipeline class uses, "
      "`sparge.yaml`,\n"
      "flags. `sparge.yaml` may also hold `vocabulary` (a list of words, or `{category: [word, …]}`) and `notes` (for "
      "people),\n"
      "and may not set `model`, `out`, `overwrite` and `log`.\n";
  const auto cell = [](std::string value) {
    for (size_t i = 0; (i = value.find('|', i)) != std::string::npos; i += 2) value.insert(i, "\\");
    return value;
  };
  for (const SettingGroup& group : SettingGroups()) {
    text += "\n## " + std::string(group.title) + "\n\n| key | flag | type | default | what |\n|---|---|---|---|---|\n";
    for (const Setting& setting : Settings()) {
      if (setting.group != group.name) continue;
      const std::string availability = Availability(setting);
      text += "| `" + std::string(setting.key) + "` | `" + FlagName(setting) + "` | " + cell(DescribeType(setting)) +
              " | " + cell(DescribeDefault(setting)) + " | " + cell(std::string(setting.help)) +
              (availability.empty() ? "" : " *(" + cell(availability) + ")*") + " |\n";
    }
  }
  return text;
}

}  // namespace app
