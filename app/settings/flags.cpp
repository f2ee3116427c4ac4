#include "app/settings/flags.h"

#include <algorithm>
#include <optional>

#include "app/settings/text.h"

namespace app {
namespace {

bool IsBoolWord(std::string_view text) {
  const std::string lower = LowerASCII(text);
  return lower == "on" || lower == "off" || lower == "true" || lower == "false" || lower == "yes" || lower == "no" ||
         lower == "null";
}

// Takes a command line apart, argument by argument.
class Parser {
 public:
  Parser(const std::vector<std::string>& args, std::span<const CommandFlag> command_flags, bool settings,
         ErrorList& errors)
      : args_(args), command_flags_(command_flags), settings_(settings), errors_(errors) {}

  ParsedFlags Run() {
    bool only_positionals = false;
    for (next_ = 0; next_ < args_.size();) {
      const std::string& arg = args_[next_++];
      if (only_positionals || arg.empty() || arg[0] != '-' || arg == "-") {
        parsed_.positionals.push_back(arg);
      } else if (arg == "--") {
        only_positionals = true;
      } else if (arg == "--help" || arg == "-h") {
        parsed_.help = true;
      } else {
        Flag(arg);
      }
    }
    return std::move(parsed_);
  }

 private:
  void Flag(const std::string& arg) {
    const size_t equals = arg.find('=');
    const std::string name = arg.substr(0, equals);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = arg.substr(equals + 1);

    for (const CommandFlag& flag : command_flags_) {
      if (flag.name == name) return TakeCommandFlag(flag, value);
    }
    if (settings_) {
      if (const Setting* setting = FindSettingByFlag(name)) return TakeSetting(*setting, name, value);
      if (name.starts_with("--no-")) {
        const Setting* setting = FindSettingByFlag("--" + name.substr(5));
        if (setting != nullptr && setting->type == SettingType::kBool) {
          if (value) return errors_.Add(name + " takes no value; write --" + name.substr(5) + " on or off");
          parsed_.settings[std::string(setting->key)] = {false, name};
          return;
        }
      }
    }
    Unknown(name);
  }

  void Unknown(const std::string& name) {
    std::vector<std::string> known = {"--help"};
    for (const CommandFlag& flag : command_flags_) known.emplace_back(flag.name);
    if (settings_) {
      for (const Setting& setting : Settings()) {
        known.push_back(FlagName(setting));
        if (name == "--" + std::string(setting.key)) {  // the YAML key: attention.topk
          return errors_.Add("unknown flag " + Quoted(name) + " (did you mean '" + FlagName(setting) + "'?)");
        }
      }
    }
    const std::string nearest = Nearest(name, known);
    errors_.Add("unknown flag " + Quoted(name) +
                (nearest.empty() ? "; see --help" : " (did you mean '" + nearest + "'?)"));
    // What follows may be its value: it is no news that it is unexpected.
    if (next_ < args_.size() && !args_[next_].starts_with("-")) ++next_;
  }

  std::optional<std::string> NextValue(const std::string& name, std::string_view what) {
    if (next_ >= args_.size() || args_[next_].starts_with("--")) {
      errors_.Add(name + " needs a value: " + std::string(what) +
                  (next_ < args_.size() ? "; for one that begins with -- write " + name + "=…" : ""));
      return std::nullopt;
    }
    return args_[next_++];
  }

  void TakeCommandFlag(const CommandFlag& flag, std::optional<std::string> value) {
    const std::string name(flag.name);
    if (flag.value.empty()) {
      if (value) return errors_.Add(name + " takes no value");
      value = "";
    } else if (!value) {
      value = NextValue(name, flag.value);
      if (!value) return;
    }
    if (!flag.missing.empty()) return errors_.Add(name + " is not there yet: " + std::string(flag.missing));
    const std::vector<std::string> choices = Split(flag.choices, ' ');
    if (!flag.choices.empty() && std::find(choices.begin(), choices.end(), *value) == choices.end()) {
      return errors_.Add(name + ": " + Quoted(*value) + " is not one of " + Join(choices, ", ") +
                         DidYouMean(*value, choices));
    }
    if (!flag.value.empty() && value->empty()) return errors_.Add(name + ": the value is empty");
    parsed_.flags[name] = *value;
    parsed_.given.emplace_back(name, *value);
  }

  void TakeSetting(const Setting& setting, const std::string& name, std::optional<std::string> value) {
    if (!value && setting.type == SettingType::kBool) {
      value = next_ < args_.size() && IsBoolWord(args_[next_]) ? args_[next_++] : "on";
    }
    const std::string key(setting.key);
    if (!value) value = NextValue(name, DescribeType(setting));
    if (!value) {
      parsed_.failed.insert(key);
      return;
    }
    const bool clears = *value == "null" && setting.type != SettingType::kText;
    const bool ok = errors_.Try([&] {
      Value parsed = clears ? Value(nullptr) : ParseFlagText(setting, name, *value);
      if (setting.type == SettingType::kPaths && !clears && parsed_.settings.count(key) > 0 &&
          parsed_.settings[key].value.is_array()) {
        parsed_.settings[key].value.push_back(parsed[0]);
      } else {
        parsed_.settings[key] = {std::move(parsed), name};
      }
    });
    if (!ok) parsed_.failed.insert(key);
  }

  // ParseText, with the flag's name in place of the key in the message.
  static Value ParseFlagText(const Setting& setting, const std::string& name, const std::string& text) {
    try {
      Value value = ParseText(setting, text);
      CheckThere(setting, value);
      return value;
    } catch (const base::Error& error) {
      throw base::Error(error.code(), name + std::string(error.what()).substr(setting.key.size()));
    }
  }

  const std::vector<std::string>& args_;
  std::span<const CommandFlag> command_flags_;
  bool settings_;
  ErrorList& errors_;
  size_t next_ = 0;
  ParsedFlags parsed_;
};

}  // namespace

ParsedFlags ParseFlags(const std::vector<std::string>& args, std::span<const CommandFlag> command_flags, bool settings,
                       ErrorList& errors) {
  return Parser(args, command_flags, settings, errors).Run();
}

}  // namespace app
