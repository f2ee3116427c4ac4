#include "app/settings/table.h"
#include "app/settings/text.h"

namespace app {
namespace {

using enum SettingType;

std::string Range(const Setting& s) {
  const bool low = s.min > -std::numeric_limits<double>::infinity();
  const bool high = s.max < std::numeric_limits<double>::infinity();
  if (!low && !high) return "";
  if (!low) return ", up to " + ShortestNumber(s.max);
  if (!high) return (s.above_min ? ", above " : ", from ") + ShortestNumber(s.min);
  return (s.above_min ? ", above " : ", ") + ShortestNumber(s.min) + (s.above_min ? " and up to " : " to ") +
         ShortestNumber(s.max);
}

}  // namespace

std::string FlagName(const Setting& setting) {
  if (setting.key == "attention.mode") return "--attention";
  std::string flag = "--";
  const size_t dot = setting.key.rfind('.');
  for (char c : setting.key.substr(dot == std::string_view::npos ? 0 : dot + 1)) flag += c == '_' ? '-' : c;
  return flag;
}

std::string DescribeType(const Setting& s) {
  const std::string unit = s.unit.empty() ? "" : " " + std::string(s.unit);
  switch (s.type) {
    case kText:
      return "text";
    case kPath:
      return "path";
    case kPaths:
      return "path or list of paths";
    case kInt:
      return "whole number" + Range(s) + unit;
    case kNumber:
      return "number" + Range(s) + unit;
    case kBool:
      return "on or off";
    case kEnum:
      return Join(Split(s.choices, ' '), ", ");
    case kSeed:
      return "whole number (64 bits, signed) or random";
    case kIndexList:
      return "indices and ranges";
    case kDevice:
      return "auto, cpu, cuda, cuda:N";
    case kMemory:
      return "auto or a number" + Range(s) + unit;
    case kRules:
      return "list of mappings";
  }
  return "?";
}

std::string DescribeDefault(const Setting& s) {
  return std::string(!s.default_text.empty() ? s.default_text : !s.default_note.empty() ? s.default_note : "none");
}

}  // namespace app
