#include "app/settings/yaml.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <yaml-cpp/eventhandler.h>

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

namespace {

struct TooManyNodes {
  YAML::Mark mark;
};

// Counts what a parser says, before a tree, which takes much more room, is made of it.
class NodeCounter : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override { document_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { Count(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { Count(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string&) override {
    Count(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    Count(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    Count(mark);
  }
  void OnMapEnd() override {}

  const YAML::Mark& document() const { return document_; }  // where the last one begins

 private:
  void Count(const YAML::Mark& mark) {
    if (++count_ > kMaxNodes) throw TooManyNodes{mark};
  }
  YAML::Mark document_;
  int64_t count_ = 0;
};

}  // namespace

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
    // Not LoadAll: a `,` at the beginning is an endless row of documents to it.
    std::istringstream in(text_);
    YAML::Parser parser(in);
    NodeCounter counter;
    if (!parser.HandleNextDocument(counter)) return;
    if (parser.HandleNextDocument(counter)) {
      const auto at = static_cast<size_t>(counter.document().pos);
      const bool marked = text_.compare(std::min(at, text_.size()), 3, "---") == 0 || text_.find("\n...") < at;
      return Error(counter.document(),
                   marked ? "a second document; one a file" : "this does not belong to what stands before it");
    }
    const YAML::Node document = YAML::Load(text_);
    int64_t count = 0;
    CountNodes(document, 0, count);
    if (count > kMaxNodes) return;
    std::set<int> seen;
    if (CheckScalars(document, seen)) root_.reset(document);
  } catch (const YAML::Exception& error) {
    const size_t quote = OpenQuote();
    // yaml-cpp quotes single bytes.
    if (quote == std::string::npos) return Error(error.mark, std::string(ValidUTF8Prefix(error.msg)));
    YAML::Mark mark;
    mark.pos = static_cast<int>(quote);
    mark.line = static_cast<int>(std::count(text_.begin(), text_.begin() + mark.pos, '\n'));
    mark.column = mark.pos - static_cast<int>(mark.line == 0 ? 0 : text_.rfind('\n', quote) + 1);
    Error(mark, std::string("this quote (") + text_[quote] + ") is never closed");
  } catch (const TooManyNodes& error) {
    Error(error.mark, "more than 100000 nodes");
  }
}

namespace {

// Where the quoted text that begins at `begin` ends: its closing quote, or npos.
size_t ClosingQuote(const std::string& text, size_t begin) {
  const char quote = text[begin];
  for (size_t i = begin + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\') {
      ++i;
    } else if (text[i] == quote) {
      if (quote == '"' || i + 1 >= text.size() || text[i + 1] != quote) return i;
      ++i;
    }
  }
  return std::string::npos;
}

}  // namespace

// In text that is no YAML: where a quote opens that is never closed; npos: nowhere. Quotes open where a value can
// begin.
size_t YAMLFile::OpenQuote() const {
  char before = '\n';  // the last character that is no space
  for (size_t i = 0; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '#' && (i == 0 || text_[i - 1] == ' ' || text_[i - 1] == '\n')) {
      i = text_.find('\n', i);
      if (i == std::string::npos) break;
      before = '\n';
      continue;
    }
    const bool begins = std::string_view("\n[{,:-?").find(before) != std::string_view::npos;
    if ((c == '"' || c == '\'') && begins) {
      const size_t end = ClosingQuote(text_, i);
      if (end == std::string::npos) return i;
      i = end;
    }
    if (c != ' ') before = c;
  }
  return std::string::npos;
}

// What the parser lets through: it takes the end of the file for the end of a quoted text, and makes bytes that are no
// UTF-8. False: there is such a thing.
bool YAMLFile::CheckScalars(const YAML::Node& node, std::set<int>& seen) {
  const YAML::Mark mark = node.Mark();
  if (node.IsSequence() || node.IsMap()) {
    if (!mark.is_null() && node.size() > 0 && !seen.insert(mark.pos).second) return true;  // an alias
    for (const auto& item : node) {
      const bool good = node.IsSequence() ? CheckScalars(item, seen)
                                          : CheckScalars(item.first, seen) && CheckScalars(item.second, seen);
      if (!good) return false;
    }
    return true;
  }
  if (!node.IsScalar() || mark.is_null()) return true;
  if (!IsValidUTF8(node.Scalar())) {  // the parser makes single bytes of these
    Error(mark, "the escapes \\_ and \\N are not taken here; write the characters themselves");
    return false;
  }
  size_t at = static_cast<size_t>(mark.pos);
  while (at < text_.size() && (text_[at] == '&' || text_[at] == '!' || text_[at] == ' ' || text_[at] == '\n')) {
    const bool property = text_[at] == '&' || text_[at] == '!';
    at = property ? text_.find_first_of(" \n", at) : at + 1;
  }
  if (at >= text_.size() || (text_[at] != '"' && text_[at] != '\'')) return true;
  if (ClosingQuote(text_, at) != std::string::npos) return true;
  Error(mark, std::string("this quote (") + text_[at] + ") is never closed");
  return false;
}

bool YAMLFile::IsWrittenNull(const YAML::Node& node) const {
  const YAML::Mark mark = node.Mark();
  if (!node.IsNull() || mark.is_null() || static_cast<size_t>(mark.pos) >= text_.size()) return false;
  return std::string_view("~nN&!").find(text_[static_cast<size_t>(mark.pos)]) != std::string_view::npos;
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
  return path_ + ":" + std::to_string(line + 1) + ":" + std::to_string(Column(line, byte));
}

// From 1, in characters. `byte` is within the line.
size_t YAMLFile::Column(size_t line, size_t byte) const {
  if (line >= lines_.size()) return 1;
  if (line != counted_line_ || byte < counted_byte_) counted_byte_ = counted_characters_ = 0;
  counted_characters_ += CountCharacters(std::string_view(lines_[line]).substr(counted_byte_, byte - counted_byte_));
  counted_line_ = line;
  counted_byte_ = byte;
  return counted_characters_ + 1;
}

void YAMLFile::Error(const YAML::Mark& mark, const std::string& message) {
  if (!mark.is_null() && silent_.count(mark.pos) > 0) return;
  Add(mark.is_null() ? 0 : static_cast<size_t>(mark.line), mark.is_null() ? 0 : static_cast<size_t>(mark.column),
      message);
}

bool YAMLFile::ErrorAt(const std::string& where, const std::string& message) {
  if (!where.starts_with(path_ + ":")) return false;
  size_t line = 0, column = 0;
  const char* at = where.c_str() + path_.size() + 1;
  const char* const end = where.c_str() + where.size();
  const auto first = std::from_chars(at, end, line);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return false;
  if (std::from_chars(first.ptr + 1, end, column).ec != std::errc() || line < 1 || column < 1) return false;
  const std::string_view source = line <= lines_.size() ? std::string_view(lines_[line - 1]) : std::string_view();
  size_t byte = 0;
  for (size_t characters = 1; characters < column && byte < source.size(); ++characters) {
    do ++byte;
    while (byte < source.size() && (source[byte] & 0xC0) == 0x80);
  }
  Add(line - 1, byte, message);
  return true;
}

void YAMLFile::Add(size_t line, size_t byte, const std::string& message) {
  const std::string_view source = line < lines_.size() ? std::string_view(lines_[line]) : std::string_view();
  byte = std::min(byte, source.size());
  std::string text = path_ + ":" + std::to_string(line + 1) + ":" + std::to_string(Column(line, byte)) + ": " + message;
  constexpr size_t kMaxColumns = 200;
  if (line < lines_.size() && byte < kMaxColumns) {
    std::string caret;
    for (size_t i = 0; i < byte; ++i) {
      if ((source[i] & 0xC0) != 0x80) caret += source[i] == '\t' ? '\t' : ' ';
    }
    text += "\n" + std::string(CutUTF8(source, kMaxColumns)) + "\n" + caret + "^";
  }
  errors_.Add(text, true);
}

namespace {

using FoundSetting = std::function<void(const Setting&, const YAML::Node& key, const YAML::Node& value)>;

class SettingsWalk {
 public:
  SettingsWalk(YAMLFile& file, const SettingsStyle& style, const FoundSetting& found)
      : file_(file), style_(style), found_(found) {}

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
      } else if (!seen.insert(key).second || (FindSetting(key) != nullptr && !settings_.insert(key).second)) {
        file_.Error(item.first.Mark(), "duplicate key " + Quoted(key));
      } else if (prefix.empty() && Has(style_.others, name)) {
        continue;
      } else {
        Entry(item.first, item.second, key);
      }
    }
  }

 private:
  static bool Has(const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
  }

  void Entry(const YAML::Node& key_node, const YAML::Node& value, const std::string& key) {
    if (Has(style_.refused, key)) return file_.Error(key_node.Mark(), key + " does not belong into this file");
    if (const Setting* setting = FindSetting(key)) return found_(*setting, key_node, value);
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
    std::vector<std::string> known = style_.others;
    for (const Setting& setting : Settings()) {
      known.emplace_back(setting.key);
      const size_t dot = setting.key.find('.');
      if (dot != std::string_view::npos) known.emplace_back(setting.key.substr(0, dot));
      if (setting.key.ends_with("." + key)) return " (did you mean '" + std::string(setting.key) + "'?)";
    }
    return DidYouMean(key, known);
  }

  YAMLFile& file_;
  const SettingsStyle& style_;
  const FoundSetting& found_;
  std::set<std::string> settings_;
};

// A path as written in the file: relative to it.
Value FromHere(const YAMLFile& file, const Value& path) {
  const std::filesystem::path folder = std::filesystem::path(file.path()).parent_path();
  return std::filesystem::absolute(folder / path.get<std::string>()).lexically_normal().string();
}

Value ReadRules(YAMLFile& file, const Setting& setting, const YAML::Node& list, bool& failed) {
  return ParseRules(list, [&](size_t rule, const std::string& key, const std::string& message) {
    YAML::Mark mark = list.Mark();
    if (list.IsSequence() && rule < list.size()) mark = list[rule].Mark();
    if (!key.empty()) mark = list[rule][key].Mark();
    file.Error(mark, std::string(setting.key) + ": " + (key.empty() ? "" : key + ": ") + message);
    failed = true;
  });
}

Value ReadSequence(const Setting& setting, const YAML::Node& node) {
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

}  // namespace

void WalkSettings(YAMLFile& file, const YAML::Node& node, const SettingsStyle& style, const FoundSetting& found) {
  SettingsWalk(file, style, found).Map(node, "");
}

std::optional<Value> ReadSetting(YAMLFile& file, const Setting& setting, const YAML::Node& node,
                                 const SettingsStyle& style) {
  if (node.IsNull()) return Value(nullptr);
  try {
    Value value;
    bool failed = false;
    if (node.IsScalar()) {
      value = ParseText(setting, node.Scalar());
    } else if (node.IsSequence() && (setting.type == SettingType::kPaths || setting.type == SettingType::kIndexList)) {
      value = ReadSequence(setting, node);
    } else if (setting.type == SettingType::kRules && setting.missing.empty()) {
      value = ReadRules(file, setting, node, failed);
    } else if (setting.type == SettingType::kRules) {
      value = YAML::Dump(node);
    } else {
      base::Fail(base::ErrorCode::kInvalidInput, setting.key, ": expected ", DescribeType(setting), ", got a ",
                 node.IsMap() ? "mapping" : "list");
    }
    CheckThere(setting, value);
    const bool here = style.paths_from_here || setting.group == "attention";
    if (here && setting.type == SettingType::kPath && setting.key != "model") value = FromHere(file, value);
    if (here && setting.type == SettingType::kPaths) {
      for (Value& path : value) path = FromHere(file, path);
    }
    if (failed) return std::nullopt;
    return value;
  } catch (const base::Error& error) {
    file.Error(node.Mark(), error.what());
    return std::nullopt;
  }
}

void ReadSettings(YAMLFile& file, const YAML::Node& node, const SettingsStyle& style, Layer& layer) {
  WalkSettings(file, node, style, [&](const Setting& setting, const YAML::Node&, const YAML::Node& value_node) {
    std::optional<Value> value = ReadSetting(file, setting, value_node, style);
    if (!value) return;
    const std::string where = file.Where(value_node.Mark()) + (style.label.empty() ? "" : " (" + style.label + ")");
    layer[std::string(setting.key)] = {std::move(*value), where};
  });
}

void ReadSettings(YAMLFile& file, const YAML::Node& node, const std::vector<std::string>& others,
                  const std::vector<std::string>& refused, Layer& layer) {
  ReadSettings(file, node, {.others = others, .refused = refused}, layer);
}

}  // namespace app
