#include "app/jobs/axes.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "app/jobs/plan.h"
#include "app/jobs/range.h"
#include "app/settings/text.h"

namespace app {
namespace {

using base::ErrorCode;

constexpr int64_t kMaxPromptFileBytes = 64 << 20;

bool IsNumeric(const Setting& setting) {
  return setting.type == SettingType::kInt || setting.type == SettingType::kNumber ||
         setting.type == SettingType::kSeed || setting.type == SettingType::kMemory;
}

class AxisReader {
 public:
  AxisReader(YAMLFile& file, const std::string& label, const TakeProfile& take)
      : file_(file), label_(label), take_(take) {
    style_.label = label;
    style_.paths_from_here = true;
  }

  Axis Setting(const app::Setting& setting, const YAML::Node& key, const YAML::Node& node) {
    Axis axis{std::string(setting.key), {}};
    const bool list_setting = setting.type == SettingType::kRules;
    if (node.IsMap() || (node.IsNull() && !file_.IsWrittenNull(node))) {
      file_.Error(file_.Place(key, node),
                  label_ + ": " + axis.key + (node.IsMap() ? ": expected values, got a mapping" : " has no values"));
    } else if (!node.IsSequence()) {
      Add(setting, node, axis);
    } else if (node.size() == 0) {
      file_.Error(node.Mark(), label_ + ": " + axis.key + " has no values");
    } else {
      for (const auto& item : node) {
        if (list_setting && item.IsMap()) {
          file_.Error(item.Mark(), axis.key + ": one value of this axis is a list of rules: [[{…}, {…}], [{…}]]");
        } else {
          Add(setting, item, axis);
        }
      }
    }
    return axis;
  }

  Axis Profile(const YAML::Node& key, const YAML::Node& node) {
    Axis axis{"profile", {}};
    const auto add = [&](const YAML::Node& item) {
      const std::vector<std::string> names = ReadProfileNames(file_, item, take_);
      axis.values.push_back({Value(names), Where(item)});
    };
    if (node.IsScalar() || file_.IsWrittenNull(node)) {
      add(node);
    } else if (!node.IsSequence() || node.size() == 0) {
      file_.Error(file_.Place(key, node), label_ + ": profile has no values");
    } else {
      for (const auto& item : node) add(item);
    }
    return axis;
  }

 private:
  std::string Where(const YAML::Node& node) const { return file_.Where(node.Mark()) + " (" + label_ + ")"; }

  void Add(const app::Setting& setting, const YAML::Node& node, Axis& axis) {
    if (node.IsNull() && !file_.IsWrittenNull(node)) {
      return file_.Error(node.Mark(), label_ + ": " + axis.key + ": an item without a value; write null for none");
    }
    if (node.IsNull() && setting.key == "prompt") {
      return file_.Error(node.Mark(), "prompt: a null is no prompt; the word is written \"null\"");
    }
    if (!node.IsScalar() || !IsNumeric(setting)) return One(setting, node, axis);
    try {
      const auto values = ExpandRange(node.Scalar(), kMaxPlanEntries);
      if (!values) return One(setting, node, axis);
      std::vector<AxisValue> range;
      for (const std::string& text : *values) {
        Value value = ParseText(setting, text);
        CheckThere(setting, value);
        range.push_back({std::move(value), Where(node)});
      }
      axis.values.insert(axis.values.end(), range.begin(), range.end());
    } catch (const base::Error& error) {
      const std::string what = error.what();
      file_.Error(node.Mark(), what.starts_with(axis.key) ? what : axis.key + ": " + what);
    }
  }

  void One(const app::Setting& setting, const YAML::Node& node, Axis& axis) {
    if (std::optional<Value> value = ReadSetting(file_, setting, node, style_)) {
      axis.values.push_back({std::move(*value), Where(node)});
    }
  }

  YAMLFile& file_;
  const std::string& label_;
  const TakeProfile& take_;
  SettingsStyle style_;
};

std::string ReadTextFile(const std::string& path) {
  std::error_code error;
  base::Check(std::filesystem::is_regular_file(path, error), ErrorCode::kInvalidInput, "prompt_file: no file ", path);
  std::ifstream in(path, std::ios::binary);
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(path, error));
  base::Check(in.good() && !error, ErrorCode::kInvalidInput, "prompt_file: ", path, " cannot be read");
  base::Check(bytes <= kMaxPromptFileBytes, ErrorCode::kInvalidInput, "prompt_file: ", path,
              " is larger than 64 MiB: not a file of prompts");
  std::string text(static_cast<size_t>(bytes), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  base::Check(in.gcount() == bytes, ErrorCode::kInvalidInput, "prompt_file: ", path, " cannot be read");
  return text;
}

}  // namespace

std::vector<std::string> ReadProfileNames(YAMLFile& file, const YAML::Node& node, const TakeProfile& take) {
  std::vector<std::string> names;
  const auto add = [&](const YAML::Node& item) {
    if (!item.IsScalar()) return file.Error(item.Mark(), "profile: expected the name of a profile");
    if (take(item.Scalar(), item.Mark())) names.push_back(item.Scalar());
  };
  if (node.IsSequence()) {
    for (const auto& item : node) add(item);
  } else if (!node.IsNull()) {
    add(node);
  }
  return names;
}

std::vector<Axis> ReadAxes(YAMLFile& file, const YAML::Node& node, const std::string& label, const TakeProfile& take) {
  std::vector<Axis> axes;
  if (node.IsNull()) return axes;
  if (!node.IsMap()) {
    file.Error(node.Mark(), label + ": expected a mapping of settings to their values");
    return axes;
  }
  AxisReader reader(file, label, take);
  // WalkSettings leaves `profile` to us; an axis stands where its key stands.
  std::map<int, Axis> found;
  WalkSettings(file, node, {.others = {"profile"}, .refused = {}, .label = label},
               [&](const Setting& setting, const YAML::Node& key, const YAML::Node& value) {
                 found[key.Mark().pos] = reader.Setting(setting, key, value);
               });
  bool profile = false;
  for (const auto& item : node) {
    if (profile || !item.first.IsScalar() || item.first.Scalar() != "profile") continue;
    found[item.first.Mark().pos] = reader.Profile(item.first, item.second);
    profile = true;
  }
  for (auto& [pos, axis] : found) axes.push_back(std::move(axis));
  return axes;
}

Axis ReadPrompts(YAMLFile& file, const YAML::Node& key, const YAML::Node& node) {
  const TakeProfile none = [](const std::string&, const YAML::Mark&) { return false; };
  const std::string label = "prompts";
  if (node.IsNull()) {
    file.Error(file.Place(key, node), "prompts: expected a list of texts");
    return {"prompt", {}};
  }
  return AxisReader(file, label, none).Setting(*FindSetting("prompt"), key, node);
}

Axis ReadPromptFile(YAMLFile& file, const YAML::Node& key, const YAML::Node& node) {
  Axis axis{"prompt", {}};
  try {
    base::Check(node.IsScalar() && !node.Scalar().empty(), ErrorCode::kInvalidInput,
                "prompt_file: expected the path of a file");
    const std::filesystem::path folder = std::filesystem::path(file.path()).parent_path();
    const std::string path = (folder / node.Scalar()).lexically_normal().string();
    std::string text = ReadTextFile(path);
    if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
    size_t number = 0;
    for (std::string line : Split(text, '\n')) {
      ++number;
      if (line.ends_with('\r')) line.pop_back();
      if (line.starts_with('#') || Trim(line).empty()) continue;
      const std::string where = path + ":" + std::to_string(number);
      base::Check(IsValidUTF8(line), ErrorCode::kInvalidInput, "prompt_file: ", where, ": not valid UTF-8");
      base::Check(line.find('\0') == std::string::npos, ErrorCode::kInvalidInput, "prompt_file: ", where,
                  ": a zero byte");
      axis.values.push_back({line, where});
    }
    base::Check(!axis.values.empty(), ErrorCode::kInvalidInput, "prompt_file: ", path, " holds no prompt");
  } catch (const base::Error& error) {
    axis.values.clear();
    file.Error(file.Place(key, node), error.what());
  }
  return axis;
}

}  // namespace app
