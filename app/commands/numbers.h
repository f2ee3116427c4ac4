#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/settings/flags.h"
#include "app/settings/text.h"
#include "attention/base/error.h"

// Numbers in the flags of a command, and in its tables.
namespace app {

// All of the text as a number of type T; nothing where it is none.
template <class T>
std::optional<T> ParseWhole(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

inline const std::string* FlagText(const ParsedFlags& flags, const char* name) {
  const auto found = flags.flags.find(name);
  return found == flags.flags.end() ? nullptr : &found->second;
}

inline int64_t IntOf(const std::string& name, const std::string& text, int64_t min, int64_t max) {
  const std::optional<int64_t> value = ParseWhole<int64_t>(text);
  base::Check(value && *value >= min && *value <= max, base::ErrorCode::kInvalidInput, name, " ", Quoted(text),
              ": expected a whole number from ", min, " to ", max);
  return *value;
}

inline int64_t IntFlag(const ParsedFlags& flags, const char* name, int64_t fallback, int64_t min, int64_t max) {
  const std::string* text = FlagText(flags, name);
  return text ? IntOf(name, *text, min, max) : fallback;
}

// "1,2,3"
inline std::vector<int64_t> IntListFlag(const ParsedFlags& flags, const char* name, std::vector<int64_t> fallback,
                                        int64_t min, int64_t max) {
  const std::string* text = FlagText(flags, name);
  if (!text) return fallback;
  std::vector<int64_t> values;
  for (const std::string& part : Split(*text, ',')) values.push_back(IntOf(name, part, min, max));
  return values;
}

inline std::optional<double> NumberFlag(const ParsedFlags& flags, const char* name) {
  const std::string* text = FlagText(flags, name);
  if (!text) return std::nullopt;
  const std::optional<double> value = ParseWhole<double>(*text);
  base::Check(value && std::isfinite(*value), base::ErrorCode::kInvalidInput, name, " ", Quoted(*text),
              ": expected a finite number");
  return value;
}

inline double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

inline double Least(const std::vector<double>& values) { return *std::min_element(values.begin(), values.end()); }

}  // namespace app
