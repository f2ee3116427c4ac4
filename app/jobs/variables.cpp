#include "app/jobs/variables.h"

#include <algorithm>
#include <cstdlib>

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;

constexpr int kMaxDepth = 16;

bool IsName(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && letter(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// Where the brace that opens just before `begin` is closed; npos: nowhere.
size_t Closing(std::string_view text, size_t begin) {
  int depth = 1;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i;
  }
  return std::string_view::npos;
}

std::string Expand(std::string_view text, int depth) {
  base::Check(depth <= kMaxDepth, ErrorCode::kInvalidInput, "variables nested too deeply");
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("$${")) {
      result += "${";
      i += 2;
      continue;
    }
    if (!text.substr(i).starts_with("${")) {
      result += text[i];
      continue;
    }
    const size_t end = Closing(text, i + 2);
    base::Check(end != std::string_view::npos, ErrorCode::kInvalidInput,
                "a ${ without its }; a ${ that stays is written $${");
    const std::string_view inside = text.substr(i + 2, end - i - 2);
    const size_t otherwise = inside.find(":-");
    const std::string name(inside.substr(0, otherwise));
    base::Check(IsName(name), ErrorCode::kInvalidInput, Quoted(name),
                " is no name of a variable; write ${VAR} or ${VAR:-default}");
    const char* value = std::getenv(name.c_str());
    const bool has_default = otherwise != std::string_view::npos;
    if (value != nullptr && (*value != '\0' || !has_default)) {
      base::Check(IsValidUTF8(value), ErrorCode::kInvalidInput, "the variable ", name, " is not valid UTF-8");
      result += value;
    } else {
      base::Check(has_default, ErrorCode::kInvalidInput, "the variable ", name, " is not set; set it, or write ${",
                  name, ":-default}");
      result += Expand(inside.substr(otherwise + 2), depth + 1);
    }
    i = end;
  }
  return result;
}

}  // namespace

std::string ExpandVariables(std::string_view text) { return Expand(text, 0); }

}  // namespace app
