#include "app/jobs/range.h"

#include <algorithm>

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

using base::ErrorCode;
using Wide = __int128;

// digits · 10^-places
struct Decimal {
  Wide digits = 0;
  int places = 0;
};

constexpr int kMaxDigits = 30;  // of a number that is brought to another's places; 38 fit

[[noreturn]] void FailRange(std::string_view text, const std::string& why) {
  base::Fail(ErrorCode::kInvalidInput, Quoted(text), why, "; a range is 1..10 or 0.2..0.8 step 0.2");
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads a number at the beginning of `rest` and takes it off: -1, 0.25, .5, 1e-3.
bool TakeDecimal(std::string_view& rest, Decimal& number) {
  size_t i = 0;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) ++i;
  number = {};
  int count = 0, significant = 0;
  const auto take = [&](char c) {
    number.digits = number.digits * 10 + (c - '0');
    ++count;
    if (number.digits != 0) ++significant;
  };
  while (i < rest.size() && IsDigit(rest[i]) && significant <= kMaxDigits) take(rest[i++]);
  if (i + 1 < rest.size() && rest[i] == '.' && IsDigit(rest[i + 1])) {
    for (++i; i < rest.size() && IsDigit(rest[i]) && significant <= kMaxDigits; ++number.places) take(rest[i++]);
  }
  if (count == 0 || significant > kMaxDigits) return false;
  if (i + 1 < rest.size() && (rest[i] == 'e' || rest[i] == 'E')) {
    size_t k = i + 1;
    const bool down = rest[k] == '-';
    if (rest[k] == '-' || rest[k] == '+') ++k;
    int exponent = 0;
    const size_t first = k;
    while (k < rest.size() && IsDigit(rest[k]) && exponent < 1000) exponent = exponent * 10 + (rest[k++] - '0');
    if (k == first || exponent > kMaxDigits) return false;
    number.places += down ? exponent : -exponent;
    i = k;
  }
  if (negative) number.digits = -number.digits;
  rest.remove_prefix(i);
  return true;
}

void SkipSpace(std::string_view& rest) {
  while (!rest.empty() && (rest[0] == ' ' || rest[0] == '\t')) rest.remove_prefix(1);
}

Wide WithPlaces(const Decimal& number, int places, std::string_view text) {
  Wide digits = number.digits;
  constexpr Wide kLimit = Wide{1000000000000000000} * 1000000000000000000;  // 10^36
  for (int i = number.places; i < places; ++i) {
    if (digits > kLimit / 10 || digits < -kLimit / 10) FailRange(text, ": numbers too far apart");
    digits *= 10;
  }
  return digits;
}

std::string ToText(Wide digits, int places) {
  const bool negative = digits < 0;
  if (negative) digits = -digits;
  std::string text;
  for (; digits != 0 || static_cast<int>(text.size()) <= places; digits /= 10) {
    text += static_cast<char>('0' + static_cast<int>(digits % 10));
  }
  std::reverse(text.begin(), text.end());
  if (places > 0) {
    text.insert(text.size() - static_cast<size_t>(places), ".");
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return negative && text != "0" ? "-" + text : text;
}

}  // namespace

std::optional<std::vector<std::string>> ExpandRange(std::string_view text, int64_t max_values) {
  if (text.find("..") == std::string_view::npos) return std::nullopt;
  Decimal first, last, step{1, 0};
  std::string_view rest = text;
  SkipSpace(rest);
  bool good = TakeDecimal(rest, first);
  SkipSpace(rest);
  good = good && rest.starts_with("..");
  if (good) rest.remove_prefix(2);
  SkipSpace(rest);
  good = good && TakeDecimal(rest, last);
  if (good && !rest.empty()) {
    const size_t before = rest.size();
    SkipSpace(rest);
    if (!rest.empty()) {
      good = rest.size() < before && rest.starts_with("step") && rest.size() > 4 && (rest[4] == ' ' || rest[4] == '\t');
      if (good) rest.remove_prefix(4);
      SkipSpace(rest);
      good = good && TakeDecimal(rest, step);
      SkipSpace(rest);
    }
  }
  if (!good || !rest.empty()) FailRange(text, " is no range");
  const int places = std::max({first.places, last.places, step.places, 0});
  const Wide from = WithPlaces(first, places, text), to = WithPlaces(last, places, text),
             by = WithPlaces(step, places, text);
  if (by <= 0) FailRange(text, ": the step must be above 0");
  if (from > to) FailRange(text, " is empty: it begins above its end");
  if ((to - from) / by >= max_values) FailRange(text, " has more than " + std::to_string(max_values) + " values");
  std::vector<std::string> values;
  for (Wide value = from; value <= to; value += by) values.push_back(ToText(value, places));
  return values;
}

}  // namespace app
