#include "app/settings/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "app/settings/rules.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;
using enum SettingType;

[[noreturn]] void FailValue(const Setting& setting, std::string_view text) {
  base::Fail(ErrorCode::kInvalidInput, setting.key, ": expected ", DescribeType(setting), ", got ", Quoted(text));
}

template <class Number>
bool ReadNumber(std::string_view text, Number& number) {
  if (!text.empty() && text[0] == '+' && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

std::string_view WithoutUnit(const Setting& setting, std::string_view text) {
  if (!setting.unit.empty() && text.size() > setting.unit.size() && text.ends_with(setting.unit)) {
    text.remove_suffix(setting.unit.size());
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  }
  return text;
}

bool InRange(const Setting& setting, double number) {
  return std::isfinite(number) && (setting.above_min ? number > setting.min : number >= setting.min) &&
         number <= setting.max;
}

Value ParseInt(const Setting& setting, std::string_view text) {
  int64_t number = 0;
  if (!ReadNumber(WithoutUnit(setting, text), number) || !InRange(setting, static_cast<double>(number))) {
    FailValue(setting, text);
  }
  return number;
}

Value ParseNumber(const Setting& setting, std::string_view text) {
  double number = 0;
  const std::string_view digits = WithoutUnit(setting, text);
  // from_chars would take "inf", "nan" and "infinity"
  if (digits.find_first_of("0123456789") == std::string_view::npos || !ReadNumber(digits, number) ||
      !InRange(setting, number)) {
    FailValue(setting, text);
  }
  return number;
}

Value ParseBool(const Setting& setting, std::string_view text) {
  const std::string lower = LowerASCII(text);
  if (lower == "on" || lower == "true" || lower == "yes") return true;
  if (lower == "off" || lower == "false" || lower == "no") return false;
  FailValue(setting, text);
}

Value ParseEnum(const Setting& setting, std::string_view text) {
  const std::vector<std::string> choices = Split(setting.choices, ' ');
  if (std::find(choices.begin(), choices.end(), text) != choices.end()) return std::string(text);
  base::Fail(ErrorCode::kInvalidInput, setting.key, ": ", Quoted(text), " is not one of ", Join(choices, ", "),
             DidYouMean(text, choices));
}

Value ParseDevice(const Setting& setting, std::string_view text) {
  if (text == "auto" || text == "cpu" || text == "cuda") return std::string(text);
  int64_t index = 0;
  if (text.starts_with("cuda:") && text.size() > 5 && text[5] >= '0' && text[5] <= '9' &&
      ReadNumber(text.substr(5), index) && index < 1024) {
    return "cuda:" + std::to_string(index);
  }
  FailValue(setting, text);
}

struct IndexRange {
  int64_t first, last;
};

// "3", "0-1", "-1", "-3--1".
bool ReadIndexRange(std::string_view text, IndexRange& range) {
  constexpr int64_t kLimit = 1000000;
  const size_t dash = text.find('-', 1);
  const std::string_view first = text.substr(0, dash);
  const std::string_view last = dash == std::string_view::npos ? first : text.substr(dash + 1);
  if (first.empty() || last.empty() || !ReadNumber(first, range.first) || !ReadNumber(last, range.last)) return false;
  if (std::abs(range.first) > kLimit || std::abs(range.last) > kLimit) return false;
  return (range.first < 0) != (range.last < 0) || range.first <= range.last;  // mixed signs: known with the count only
}

std::vector<IndexRange> ReadIndexList(std::string_view list) {
  std::vector<IndexRange> ranges;
  for (const std::string& part : Split(list, ',')) {
    IndexRange range;
    if (!ReadIndexRange(Trim(part), range)) return {};
    ranges.push_back(range);
  }
  return ranges;
}

Value ParseIndexList(const Setting& setting, std::string_view text) {
  const std::vector<IndexRange> ranges = ReadIndexList(text);
  if (ranges.empty()) FailValue(setting, text);
  std::string list;
  for (const IndexRange& range : ranges) {
    if (!list.empty()) list += ',';
    list += std::to_string(range.first);
    if (range.last != range.first) list += "-" + std::to_string(range.last);
  }
  return list;
}

std::string CheckedText(const Setting& setting, std::string_view text) {
  base::Check(IsValidUTF8(text), ErrorCode::kInvalidInput, setting.key, ": the text is not valid UTF-8");
  base::Check(text.find('\0') == std::string_view::npos, ErrorCode::kInvalidInput, setting.key,
              ": the text holds a zero byte");
  return std::string(text);
}

std::string CheckedPath(const Setting& setting, std::string_view text) {
  base::Check(!text.empty(), ErrorCode::kInvalidInput, setting.key, ": the path is empty");
  base::Check(text.size() < 4096, ErrorCode::kInvalidInput, setting.key, ": the path has ", text.size(),
              " bytes, 4095 at most");
  return CheckedText(setting, text);
}

}  // namespace

Value ParseText(const Setting& setting, std::string_view text) {
  switch (setting.type) {
    case kText:
      return CheckedText(setting, text);
    case kPath:
      return CheckedPath(setting, text);
    case kPaths:
      return Value::array({CheckedPath(setting, text)});
    case kInt:
      return ParseInt(setting, text);
    case kNumber:
      return ParseNumber(setting, text);
    case kBool:
      return ParseBool(setting, text);
    case kEnum:
      return ParseEnum(setting, text);
    case kSeed:
      return text == "random" ? Value("random") : ParseInt(setting, text);
    case kIndexList:
      return ParseIndexList(setting, text);
    case kDevice:
      return ParseDevice(setting, text);
    case kMemory:
      return text == "auto" ? Value("auto") : ParseNumber(setting, text);
    case kRules:
      if (setting.missing.empty()) return ParseRulesText(setting, CheckedText(setting, text));
      return CheckedText(setting, text);
  }
  base::Fail(ErrorCode::kInternal, setting.key, ": a type without a reader");
}

Value ParseTyped(const Setting& setting, const nlohmann::json& value) {
  if (value.is_null()) return nullptr;
  if (value.is_string()) return ParseText(setting, value.get_ref<const std::string&>());
  const bool number = setting.type == kNumber || setting.type == kMemory;
  if (value.is_boolean() && setting.type == kBool) return value;
  if (value.is_number_integer() && (setting.type == kInt || setting.type == kSeed || number)) {
    return ParseText(setting, value.dump());
  }
  if (value.is_number_float() && number) return ParseText(setting, ShortestNumber(value.get<double>()));
  if (value.is_array() && setting.type == kPaths) {
    Value paths = Value::array();
    for (const auto& path : value) {
      base::Check(path.is_string(), ErrorCode::kInvalidInput, setting.key, ": expected a list of paths");
      paths.push_back(CheckedPath(setting, path.get_ref<const std::string&>()));
    }
    return paths;
  }
  if (value.is_array() && setting.type == kRules) {
    return setting.missing.empty() ? ParseRulesJSON(setting, value) : value;
  }
  FailValue(setting, value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void CheckThere(const Setting& setting, const Value& value) {
  if (setting.missing.empty() || value.is_null() || value == DefaultValue(setting)) return;
  const std::string text = ToText(value);
  if (setting.there.empty()) {
    base::Fail(ErrorCode::kUnsupported, setting.key, " is not there yet: ", setting.missing);
  }
  const std::vector<std::string> there = Split(setting.there, ' ');
  if (std::find(there.begin(), there.end(), text) != there.end()) return;
  base::Fail(ErrorCode::kUnsupported, setting.key, ": ", text, " is not there yet; there is: ", Join(there, ", "), " (",
             setting.missing, ")");
}

Value DefaultValue(const Setting& setting) {
  return setting.default_text.empty() ? Value(nullptr) : ParseText(setting, setting.default_text);
}

std::string ToText(const Value& value) {
  if (value.is_null()) return "none";
  if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
  if (value.is_number_float()) return ShortestNumber(value.get<double>());
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) {
    std::vector<std::string> parts;
    for (const Value& item : value) parts.push_back(ToText(item));
    return Join(parts, ", ");
  }
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<int64_t> ExpandIndices(std::string_view list, int64_t count, std::string_view what) {
  std::set<int64_t> indices;
  for (const IndexRange& range : ReadIndexList(list)) {
    for (int64_t bound : {range.first, range.last}) {
      base::Check(bound >= -count && bound < count, ErrorCode::kInvalidInput, what, ": ", bound,
                  " is out of range: ", -count, " to ", count - 1);
    }
    const int64_t first = range.first < 0 ? range.first + count : range.first;
    const int64_t last = range.last < 0 ? range.last + count : range.last;
    base::Check(first <= last, ErrorCode::kInvalidInput, what, ": ", range.first, " to ", range.last,
                " runs backwards");
    for (int64_t i = first; i <= last; ++i) indices.insert(i);
  }
  return {indices.begin(), indices.end()};
}

std::string CanonicalJSON(const nlohmann::json& value) {
  switch (value.type()) {
    case nlohmann::json::value_t::object: {
      std::string text = "{";
      for (const auto& [key, item] : value.items()) {  // nlohmann::json keeps keys sorted by byte
        if (text.size() > 1) text += ',';
        text += nlohmann::json(key).dump() + ":" + CanonicalJSON(item);
      }
      return text + "}";
    }
    case nlohmann::json::value_t::array: {
      std::string text = "[";
      for (const auto& item : value) {
        if (text.size() > 1) text += ',';
        text += CanonicalJSON(item);
      }
      return text + "]";
    }
    case nlohmann::json::value_t::number_float:
      base::Check(std::isfinite(value.get<double>()), ErrorCode::kInternal, "JSON cannot hold ", value.get<double>());
      return ShortestNumber(value.get<double>());
    default:
      return value.dump();
  }
}

namespace {

std::string Pretty(const nlohmann::json& value, size_t indent) {
  constexpr size_t kLine = 116;
  std::string line = CanonicalJSON(value);
  const bool nested_object = value.is_object() && indent == 0;
  if (!value.is_structured() || value.empty() || (line.size() + indent <= kLine && !nested_object)) return line;
  const std::string inner(indent + 2, ' ');
  std::string text = value.is_object() ? "{" : "[";
  bool first = true;
  const bool numbers =
      value.is_array() && std::all_of(value.begin(), value.end(), [](const auto& v) { return v.is_number(); });
  if (numbers) return line;  // a long row of numbers stays a row
  for (const auto& [key, item] : value.items()) {
    text += first ? "\n" : ",\n";
    first = false;
    text += inner;
    if (value.is_object()) text += nlohmann::json(key).dump() + ": ";
    text += Pretty(item, indent + 2);
  }
  return text + "\n" + std::string(indent, ' ') + (value.is_object() ? "}" : "]");
}

}  // namespace

std::string PrettyJSON(const nlohmann::json& value) { return Pretty(value, 0) + "\n"; }

}  // namespace app
