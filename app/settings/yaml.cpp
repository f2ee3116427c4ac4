#include "app/settings/yaml.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "app/settings/rules.h"
#include "app/settings/text.h"

namespace app {
namespace {

constexpr int64_t kMaxBytes = 1 << 20;
constexpr int64_t kMaxNodes = 100000;
constexpr int kMaxDepth = 64;

std::string ReadWhole(const std::string& path) {
  std::error_code error;
  base::Check(std::filesystem::is_regular_file(path, error), base::ErrorCode::kInvalidInput, path, ": no such file");
  std::ifstream in(path, std::ios::binary);
  base::Check(in.good(), base::ErrorCode::kInvalidInput, path, ": cannot be read");
  std::string text(kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  base::Check(text.size() <= kMaxBytes, base::ErrorCode::kInvalidInput, path,
              ": larger than 1 MiB: not a file of settings");
  return text;
}

size_t CountCharacters(std::string_view bytes) {
  return static_cast<size_t>(std::count_if(bytes.begin(), bytes.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

YAMLFile::YAMLFile(const std::string& path, ErrorList& errors) : YAMLFile(path, ReadWhole(path), errors) {}

YAMLFile::YAMLFile(const std::string& path, std::string text, ErrorList& errors)
    : path_(path), text_(std::move(text)), errors_(errors) {
  if (text_.starts_with("\xEF\xBB\xBF")) text_.erase(0, 3);
  std::erase(text_, '\r');
  lines_ = Split(text_, '\n');
  Parse();
}

void YAMLFile::Parse() {
  root_.reset(YAML::Node());
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (!IsValidUTF8(lines_[i])) {
      errors_.Add(path_ + ":" + std::to_string(i + 1) + ":1: not valid UTF-8", true);
      return;
    }
  }
  if (text_.find('\0') != std::string::npos) return errors_.Add(path_ + ":1:1: the file holds a zero byte", true);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text_);
    if (documents.size() > 1) return Error(documents[1].Mark(), "a second document; one a file");
    if (documents.empty()) return;
    int64_t count = 0;
    CountNodes(documents[0], 0, count);
    if (count <= kMaxNodes) root_.reset(documents[0]);
  } catch (const YAML::Exception& error) {
    Error(error.mark, error.msg);
  }
}

void YAMLFile::CountNodes(const YAML::Node& node, int depth, int64_t& count) {
  if (count > kMaxNodes) return;
  if (++count > kMaxNodes || depth > kMaxDepth) {
    count = kMaxNodes + 1;
    return Error(node.Mark(), depth > kMaxDepth ? "nested too deeply" : "more than 100000 nodes");
  }
  if (node.IsSequence()) {
    for (const auto& item : node) CountNodes(item, depth + 1, count);
  } else if (node.IsMap()) {
    for (const auto& item : node) {
      CountNodes(item.first, depth + 1, count);
      CountNodes(item.second, depth + 1, count);
    }
  }
}

std::string YAMLFile::Where(const YAML::Mark& mark) const {
  const size_t line = mark.is_null() ? 0 : static_cast<size_t>(mark.line);
  const std::string_view text = line < lines_.size() ? std::string_view(lines_[line]) : std::string_view();
  const size_t byte = mark.is_null() ? 0 : std::min<size_t>(static_cast<size_t>(mark.column), text.size());
  return path_ + ":" + std::to_string(line + 1) + ":" + std::to_string(CountCharacters(text.substr(0, byte)) + 1);
}

void YAMLFile::Error(const YAML::Mark& mark, const std::string& message) {
  const size_t line = mark.is_null() ? 0 : static_cast<size_t>(mark.line);
  std::string text = Where(mark) + ": " + message;
  if (line < lines_.size()) {
    const std::string& source = lines_[line];
    const size_t byte = mark.is_null() ? 0 : std::min<size_t>(static_cast<size_t>(mark.column), source.size());
    constexpr size_t kMaxColumns = 200;
    std::string caret;
    for (size_t i = 0; i < byte; ++i) {
      if ((source[i] & 0xC0) != 0x80) caret += source[i] == '\t' ? '\t' : ' ';
    }
    if (byte < kMaxColumns) {
      text += "\n" + std::string(CutUTF8(source, kMaxColumns)) + "\n" + caret + "^";
    }
  }
  errors_.Add(text, true);
}

namespace {

// Walks a mapping of settings.
class SettingsReader {
 public:
  SettingsReader(YAMLFile& file, const std::vector<std::string>& others, const std::vector<std::string>& refused,
                 Layer& layer)
      : file_(file), others_(others), refused_(refused), layer_(layer) {}

  void Map(const YAML::Node& node, const std::string& prefix) {
    std::set<std::string> seen;
    for (const auto& item : node) {
      if (!item.first.IsScalar()) {
        file_.Error(item.first.Mark(), "a key must be a word");
        continue;
      }
      const std::string name = item.first.Scalar();
      const std::string key = prefix.empty() ? name : prefix + "." + name;
      if (name == "<<") {
        file_.Error(item.first.Mark(), "merge keys are not supported; write the settings out");
      } else if (!seen.insert(key).second || (FindSetting(key) != nullptr && layer_.count(key) > 0)) {
        file_.Error(item.first.Mark(), "duplicate key " + Quoted(key));
      } else if (prefix.empty() && std::find(others_.begin(), others_.end(), name) != others_.end()) {
        continue;
      } else {
        Entry(item.first, item.second, key);
      }
    }
  }

 private:
  void Entry(const YAML::Node& key_node, const YAML::Node& value, const std::string& key) {
    if (std::find(refused_.begin(), refused_.end(), key) != refused_.end()) {
      return file_.Error(key_node.Mark(), key + " does not belong into this file");
    }
    if (const Setting* setting = FindSetting(key)) {
      layer_[key] = {nullptr, file_.Where(value.Mark())};
      return Read(*setting, value);
    }
    if (IsPrefix(key)) {
      if (value.IsMap()) return Map(value, key);
      if (value.IsNull()) return;
      return file_.Error(value.Mark(), key + ": expected a mapping of settings" +
                                           (key == "attention" ? "; the mode is attention.mode" : ""));
    }
    file_.Error(key_node.Mark(), "unknown key " + Quoted(key) + Suggestion(key));
  }

  static bool IsPrefix(const std::string& key) {
    const auto settings = Settings();
    return std::any_of(settings.begin(), settings.end(),
                       [&](const Setting& s) { return s.key.starts_with(key + "."); });
  }

  std::string Suggestion(const std::string& key) const {
    std::vector<std::string> known = others_;
    for (const Setting& setting : Settings()) {
      known.emplace_back(setting.key);
      if (setting.key.ends_with("." + key)) return " (did you mean '" + std::string(setting.key) + "'?)";
    }
    return DidYouMean(key, known);
  }

  void Read(const Setting& setting, const YAML::Node& node) {
    if (node.IsNull()) return;
    try {
      Value& value = layer_[std::string(setting.key)].value;
      if (node.IsScalar()) {
        value = ParseText(setting, node.Scalar());
      } else if (node.IsSequence() &&
                 (setting.type == SettingType::kPaths || setting.type == SettingType::kIndexList)) {
        value = Sequence(setting, node);
      } else if (setting.type == SettingType::kRules && setting.missing.empty()) {
        value = Rules(setting, node);
      } else if (setting.type == SettingType::kRules) {
        value = YAML::Dump(node);
      } else {
        return file_.Error(node.Mark(), std::string(setting.key) + ": expected " + DescribeType(setting) + ", got a " +
                                            (node.IsMap() ? "mapping" : "list"));
      }
      CheckThere(setting, value);
      if (setting.type == SettingType::kPath && setting.group == "attention") value = FromHere(value);
    } catch (const base::Error& error) {
      file_.Error(node.Mark(), error.what());
    }
  }

  // A path as written in the file: relative to it.
  Value FromHere(const Value& path) const {
    const std::filesystem::path folder = std::filesystem::path(file_.path()).parent_path();
    return std::filesystem::absolute(folder / path.get<std::string>()).lexically_normal().string();
  }

  Value Rules(const Setting& setting, const YAML::Node& list) {
    return ParseRules(list, [&](size_t rule, const std::string& key, const std::string& message) {
      YAML::Mark mark = list.Mark();
      if (list.IsSequence() && rule < list.size()) mark = list[rule].Mark();
      if (!key.empty()) mark = list[rule][key].Mark();
      file_.Error(mark, std::string(setting.key) + ": " + (key.empty() ? "" : key + ": ") + message);
    });
  }

  static Value Sequence(const Setting& setting, const YAML::Node& node) {
    std::vector<std::string> items;
    for (const auto& item : node) {
      base::Check(item.IsScalar(), base::ErrorCode::kInvalidInput, setting.key, ": expected ", DescribeType(setting),
                  ", got a list within the list");
      items.push_back(item.Scalar());
    }
    base::Check(!items.empty(), base::ErrorCode::kInvalidInput, setting.key, ": the list is empty");
    if (setting.type == SettingType::kIndexList) return ParseText(setting, Join(items, ","));
    Value paths = Value::array();
    for (const std::string& item : items) paths.push_back(ParseText(setting, item)[0]);
    return paths;
  }

  YAMLFile& file_;
  const std::vector<std::string>& others_;
  const std::vector<std::string>& refused_;
  Layer& layer_;
};

}  // namespace

void ReadSettings(YAMLFile& file, const YAML::Node& node, const std::vector<std::string>& others,
                  const std::vector<std::string>& refused, Layer& layer) {
  SettingsReader(file, others, refused, layer).Map(node, "");
}

}  // namespace app
