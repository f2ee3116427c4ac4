#include "pipeline/tokenizers/html_entities.h"

#include <algorithm>
#include <array>
#include <span>

#include "pipeline/tokenizers/html5_entities.inc"

namespace pipeline {
namespace {

struct Entity {
  std::string_view name;  // without '&'
  char32_t value[3];      // padded with 0
};

constexpr Entity kHtml5[] = {SPARGE_HTML5};
constexpr Entity kCapitals[] = {SPARGE_HTML5_CAPS};
constexpr size_t kLongestNamed = 32;   // characters of a name that html.unescape looks at, without ';'
constexpr size_t kLongestStrict = 24;  // and ftfy

// What the standard puts for the references &#x80; to &#x9F;: windows-1252.
constexpr std::array<char32_t, 32> kWindows1252 = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                                   0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                                   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                   0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

bool IsAsciiDigit(char32_t c) { return c >= '0' && c <= '9'; }
bool IsAsciiAlnum(char32_t c) { return IsAsciiDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

int HexValue(char32_t c) {
  if (IsAsciiDigit(c)) return static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<int>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<int>(c - 'A') + 10;
  return -1;
}

const Entity* FindEntity(std::span<const Entity> table, std::u32string_view name) {
  std::string ascii;
  for (char32_t c : name) {
    if (c >= 0x80) return nullptr;
    ascii.push_back(static_cast<char>(c));
  }
  const auto found = std::lower_bound(table.begin(), table.end(), std::string_view(ascii),
                                      [](const Entity& e, std::string_view key) { return e.name < key; });
  return found != table.end() && found->name == ascii ? &*found : nullptr;
}

void AppendValue(const Entity& entity, std::u32string& out) {
  for (char32_t c : entity.value) {
    if (c != 0) out.push_back(c);
  }
}

// Code points that a numeric reference may not name: they vanish. (0x80..0x9F are replaced before this is asked.)
bool IsInvalidCodePoint(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || (c >= 0x7F && c <= 0x9F) ||
         (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

void AppendNumeric(char32_t number, std::u32string& out) {
  if (number == 0 || number > 0x10FFFF || (number >= 0xD800 && number <= 0xDFFF)) {
    out.push_back(0xFFFD);
  } else if (number >= 0x80 && number <= 0x9F) {
    out.push_back(kWindows1252[number - 0x80]);
  } else if (!IsInvalidCodePoint(number)) {
    out.push_back(number);
  }
}

// `at` is the position of '#'. Appends what the reference stands for and returns its end, or returns `at` when
// there is no number.
size_t ReadNumeric(std::u32string_view text, size_t at, std::u32string& out) {
  size_t i = at + 1;
  const bool hex = i < text.size() && (text[i] == 'x' || text[i] == 'X');
  if (hex) ++i;
  const size_t first = i;
  char32_t number = 0;
  for (; i < text.size(); ++i) {
    const int digit = HexValue(text[i]);
    if (digit < 0 || (!hex && digit > 9)) break;
    number = std::min<char32_t>(number * (hex ? 16 : 10) + digit, 0x110000);
  }
  if (i == first) return at;
  if (i < text.size() && text[i] == ';') ++i;
  AppendNumeric(number, out);
  return i;
}

bool EndsName(char32_t c) {
  return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' || c == ';';
}

// `at` is the position after '&'. Appends the longest name's value and what is left of the word.
size_t ReadNamed(std::u32string_view text, size_t at, std::u32string& out) {
  size_t end = at;
  while (end < text.size() && end - at < kLongestNamed && !EndsName(text[end])) ++end;
  if (end == at) return at;
  if (end < text.size() && text[end] == ';') ++end;
  const std::u32string_view word = text.substr(at, end - at);
  for (size_t length = word.size(); length >= 2; --length) {  // no name has one character
    if (const Entity* entity = FindEntity(kHtml5, word.substr(0, length))) {
      AppendValue(*entity, out);
      out.append(word.substr(length));
      return end;
    }
  }
  out.push_back('&');
  out.append(word);
  return end;
}

}  // namespace

std::u32string UnescapeHtml(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '&') {
      out.push_back(text[i++]);
      continue;
    }
    const size_t body = i + 1;
    const bool numeric = body < text.size() && text[body] == '#';
    const size_t end = numeric ? ReadNumeric(text, body, out) : ReadNamed(text, body, out);
    if (end == body) out.push_back('&');
    i = end;
  }
  return out;
}

std::u32string UnescapeHtmlStrictly(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    const bool numeric = text[i] == '&' && end < text.size() && text[end] == '#';
    if (numeric) ++end;
    const size_t name = end;
    while (text[i] == '&' && end < text.size() && end - name < kLongestStrict && IsAsciiAlnum(text[end])) ++end;
    if (text[i] != '&' || end == name || end == text.size() || text[end] != ';') {
      out.push_back(text[i++]);
      continue;
    }
    ++end;
    const std::u32string_view reference = text.substr(i, end - i);
    if (numeric) {
      const std::u32string value = UnescapeHtml(reference);
      // A semicolon that is left means that only a part was a number.
      out.append(value.find(U';') == std::u32string::npos ? std::u32string_view(value) : reference);
    } else if (const Entity* entity = FindEntity(kHtml5, reference.substr(1))) {
      AppendValue(*entity, out);
    } else if (const Entity* capital = FindEntity(kCapitals, reference.substr(1))) {
      AppendValue(*capital, out);
    } else {
      out.append(reference);
    }
    i = end;
  }
  return out;
}

}  // namespace pipeline
