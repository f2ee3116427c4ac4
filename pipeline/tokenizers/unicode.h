#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pipeline {

// Decodes UTF-8. Throws Error{kInvalidInput} naming `what` and the byte offset of the first byte that is not
// well-formed UTF-8 (truncated, overlong, a surrogate, above U+10FFFF).
std::u32string DecodeUtf8(std::string_view bytes, std::string_view what);

// The same for a view that is known to be valid: the length of the character that starts with `lead`.
int Utf8Length(char lead);

// Offset of the first byte that is not well-formed UTF-8, or npos.
size_t FindInvalidUtf8(std::string_view bytes);

void AppendUtf8(char32_t code_point, std::string& out);
std::string EncodeUtf8(std::u32string_view text);

// Throws Error{kInvalidInput} when a text has grown beyond 32 MiB: rules from a file may multiply it.
void RequireModestSize(size_t bytes);

// Calls visit(code_point, begin, end) for each character of valid UTF-8, with byte offsets.
template <class Visit>
void ForEachCodePoint(std::string_view utf8, Visit visit);

bool IsWhiteSpace(char32_t c);     // Unicode White_Space: Rust's char::is_whitespace, `\s` of its regular expressions
bool IsPythonSpace(char32_t c);    // str.isspace and `\s` of Python: White_Space and U+001C..U+001F
bool IsWordCharacter(char32_t c);  // `\w` of UTS #18: alphabetic, marks, decimal digits, connectors, joiners
bool IsDecimalDigit(char32_t c);   // general category Nd
bool IsMark(char32_t c);           // general category Mn, Mc or Me

enum class NormalForm { kNFC, kNFD, kNFKC, kNFKD };
std::string Normalize(std::string_view utf8, NormalForm form);

// Unconditional full lower case without context (a final sigma stays σ), as Rust's char::to_lowercase.
void AppendLowerCase(char32_t c, std::string& out);

// Finds extended grapheme clusters (UAX #29) in a stream of code points.
class GraphemeBreaker {
 public:
  // True when a cluster ends between the previous code point given and this one. False for the first.
  bool BreaksBefore(char32_t c);

 private:
  bool first_ = true;
  char32_t previous_ = 0;
  int32_t state_ = 0;
};

inline int Utf8Length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

template <class Visit>
void ForEachCodePoint(std::string_view utf8, Visit visit) {
  for (size_t begin = 0; begin < utf8.size();) {
    const int length = Utf8Length(utf8[begin]);
    auto byte = [&](size_t i) { return static_cast<unsigned char>(utf8[begin + i]); };
    char32_t c = byte(0);
    if (length == 2) c = (c & 0x1F) << 6 | (byte(1) & 0x3F);
    if (length == 3) c = (c & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    if (length == 4) c = (c & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    visit(c, begin, begin + length);
    begin += length;
  }
}

}  // namespace pipeline
