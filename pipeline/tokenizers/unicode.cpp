#include "pipeline/tokenizers/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "attention/base/error.h"

namespace pipeline {

size_t FindInvalidUtf8(std::string_view bytes) {
  auto continues = [&](size_t i) { return i < bytes.size() && (static_cast<unsigned char>(bytes[i]) & 0xC0) == 0x80; };
  for (size_t i = 0; i < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const int length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (length == 0) return i;
    for (int k = 1; k < length; ++k) {
      if (!continues(i + k)) return i;
    }
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second >= 0xA0;
    const bool too_large = lead == 0xF4 && second >= 0x90;
    if (overlong || surrogate || too_large) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::u32string DecodeUtf8(std::string_view bytes, std::string_view what) {
  const size_t bad = FindInvalidUtf8(bytes);
  if (bad != std::string_view::npos) {
    base::Fail(base::ErrorCode::kInvalidInput, what, " is not valid UTF-8: byte ",
               static_cast<int>(static_cast<unsigned char>(bytes[bad])), " at offset ", bad,
               " starts no character; save the text as UTF-8");
  }
  std::u32string text;
  text.reserve(bytes.size());
  ForEachCodePoint(bytes, [&](char32_t c, size_t, size_t) { text.push_back(c); });
  return text;
}

void AppendUtf8(char32_t c, std::string& out) {
  auto tail = [&](int shift) { out.push_back(static_cast<char>(0x80 | ((c >> shift) & 0x3F))); };
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
    tail(0);
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | (c >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string EncodeUtf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (char32_t c : text) AppendUtf8(c, out);
  return out;
}

void RequireModestSize(size_t bytes) {
  constexpr size_t kLargestText = size_t{1} << 25;
  if (bytes > kLargestText) {
    base::Fail(base::ErrorCode::kInvalidInput, "the tokenizer's normaliser makes a text of more than ", kLargestText,
               " bytes; its rules are damaged");
  }
}

bool IsWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsPythonSpace(char32_t c) { return IsWhiteSpace(c) || (c >= 0x1C && c <= 0x1F); }

namespace {

utf8proc_category_t Category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

// The marks of Unicode 16 and 17 that join the character before them; utf8proc 2.8 knows Unicode 15.
constexpr struct {
  char32_t first, last;
} kNewerMarks[] = {{0x897, 0x897},     {0x1ACF, 0x1ADD},   {0x1AE0, 0x1AEB},   {0x10D69, 0x10D6D}, {0x10EFA, 0x10EFC},
                   {0x113B8, 0x113C0}, {0x113C2, 0x113C2}, {0x113C5, 0x113C5}, {0x113C7, 0x113CA}, {0x113CC, 0x113D0},
                   {0x113D2, 0x113D2}, {0x113E1, 0x113E2}, {0x11B60, 0x11B67}, {0x11F5A, 0x11F5A}, {0x1611E, 0x1612F},
                   {0x1E5EE, 0x1E5EF}, {0x1E6E3, 0x1E6E3}, {0x1E6E6, 0x1E6E6}, {0x1E6EE, 0x1E6EF}, {0x1E6F5, 0x1E6F5}};

bool IsNewerMark(char32_t c) {
  return std::any_of(std::begin(kNewerMarks), std::end(kNewerMarks),
                     [c](const auto& range) { return c >= range.first && c <= range.last; });
}

}  // namespace

bool IsDecimalDigit(char32_t c) { return Category(c) == UTF8PROC_CATEGORY_ND; }

bool IsMark(char32_t c) {
  const auto category = Category(c);
  return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

bool IsWordCharacter(char32_t c) {
  const auto category = Category(c);
  if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) return true;  // letters, marks, Nd, Nl
  if (category == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D || IsNewerMark(c)) return true;
  // The symbols with the property Other_Alphabetic: circled and squared letters.
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) ||
         (c >= 0x1F170 && c <= 0x1F189);
}

std::string Normalize(std::string_view utf8, NormalForm form) {
  int options = UTF8PROC_STABLE;
  options |= form == NormalForm::kNFC || form == NormalForm::kNFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == NormalForm::kNFKC || form == NormalForm::kNFKD) options |= UTF8PROC_COMPAT;
  utf8proc_uint8_t* result = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(utf8.data()), static_cast<utf8proc_ssize_t>(utf8.size()),
                   &result, static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
  if (length < 0) {
    base::Fail(length == UTF8PROC_ERROR_NOMEM ? base::ErrorCode::kOutOfMemory : base::ErrorCode::kInternal,
               "Unicode normalisation of ", utf8.size(), " bytes failed: ", utf8proc_errmsg(length));
  }
  return std::string(reinterpret_cast<const char*>(result), static_cast<size_t>(length));
}

void AppendLowerCase(char32_t c, std::string& out) {
  if (c == 0x130) {  // İ is the only character whose lower case is more than one character
    out += "i\xCC\x87";
    return;
  }
  AppendUtf8(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

bool GraphemeBreaker::BreaksBefore(char32_t c) {
  if (c >= kNewerMarks[0].first && IsNewerMark(c)) c = 0x300;  // any mark that extends a cluster
  const bool breaks = !first_ && utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(previous_),
                                                                  static_cast<utf8proc_int32_t>(c), &state_);
  first_ = false;
  previous_ = c;
  return breaks;
}

}  // namespace pipeline
