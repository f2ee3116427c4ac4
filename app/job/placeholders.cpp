#include "app/job/placeholders.h"

#include <utf8proc.h>

#include "app/settings/text.h"

namespace app {
namespace {

std::string ValueOf(const std::string& placeholder, const std::string& pattern, const JobNames& names,
                    const SettingLookup& settings, const std::string& hash) {
  if (placeholder == "name") return names.name;
  if (placeholder == "variant") return names.variant;
  if (placeholder == "model") return names.model;
  if (placeholder == "index") return std::to_string(names.index);
  if (placeholder == "hash8") return hash.substr(0, 8);
  if (FindSetting(placeholder) != nullptr && placeholder != "out") return ToText(settings(placeholder));
  std::vector<std::string> known = {"name", "variant", "model", "index", "hash8"};
  for (const Setting& setting : Settings()) known.emplace_back(setting.key);
  base::Fail(base::ErrorCode::kInvalidInput, "out: ", Quoted(pattern), ": unknown placeholder ",
             Quoted("{" + placeholder + "}"), DidYouMean(placeholder, known), "; a brace is written {{");
}

}  // namespace

std::string FileNamePart(const std::string& value) {
  std::string part;
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(value.data());
  for (size_t i = 0; i < value.size();) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t bytes = utf8proc_iterate(at + i, static_cast<utf8proc_ssize_t>(value.size() - i), &code);
    const int category = bytes > 0 ? utf8proc_category(code) : 0;
    const bool letter = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
    const bool stays = letter || category == UTF8PROC_CATEGORY_ND || code == '.' || code == '_' || code == '-';
    const size_t length = bytes > 0 ? static_cast<size_t>(bytes) : 1;
    part += bytes > 0 && stays ? value.substr(i, length) : "_";
    i += length;
  }
  if (part.starts_with(".")) part[0] = '_';
  return std::string(CutUTF8(part, 80));
}

std::string FillPlaceholders(const std::string& pattern, const JobNames& names, const SettingLookup& settings,
                             const std::string& hash) {
  std::string path;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if ((c == '{' || c == '}') && i + 1 < pattern.size() && pattern[i + 1] == c) {
      path += c;
      ++i;
    } else if (c == '{') {
      const size_t end = pattern.find('}', i);
      base::Check(end != std::string::npos, base::ErrorCode::kInvalidInput, "out: ", Quoted(pattern),
                  ": a { without its }; a brace is written {{");
      path += FileNamePart(ValueOf(pattern.substr(i + 1, end - i - 1), pattern, names, settings, hash));
      i = end;
    } else {
      path += c;
    }
  }
  return path;
}

std::string FillPlaceholders(const std::string& pattern, const JobNames& names, const EffectiveSettings& settings,
                             const std::string& hash) {
  return FillPlaceholders(
      pattern, names, [&](std::string_view key) -> const Value& { return settings.at(key); }, hash);
}

}  // namespace app
