#include "pipeline/tokenizers/prompt_clean.h"

#include <algorithm>
#include <utility>

#include "pipeline/tokenizers/html_entities.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

constexpr size_t kLongestSegment = 1000000;  // characters that ftfy repairs at once

// windows-1252 for U+0080..U+009F; the five bytes that it leaves undefined stay.
constexpr char32_t kC1[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021, 0x2C6,  0x2030, 0x160,
                              0x2039, 0x152,  0x8D,   0x17D,  0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
                              0x2013, 0x2014, 0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};

std::u32string FixC1Controls(std::u32string_view text) {
  std::u32string out(text);
  for (char32_t& c : out) {
    if (c >= 0x80 && c <= 0x9F) c = kC1[c - 0x80];
  }
  return out;
}

std::u32string_view LatinLigature(char32_t c) {
  switch (c) {
    case 0x132:
      return U"IJ";
    case 0x133:
      return U"ij";
    case 0x149:
      return U"\u02BCn";
    case 0x1F1:
      return U"DZ";
    case 0x1F2:
      return U"Dz";
    case 0x1F3:
      return U"dz";
    case 0x1C4:
      return U"D\u017D";
    case 0x1C5:
      return U"D\u017E";
    case 0x1C6:
      return U"d\u017E";
    case 0x1C7:
      return U"LJ";
    case 0x1C8:
      return U"Lj";
    case 0x1C9:
      return U"lj";
    case 0x1CA:
      return U"NJ";
    case 0x1CB:
      return U"Nj";
    case 0x1CC:
      return U"nj";
    case 0xFB00:
      return U"ff";
    case 0xFB01:
      return U"fi";
    case 0xFB02:
      return U"fl";
    case 0xFB03:
      return U"ffi";
    case 0xFB04:
      return U"ffl";
    case 0xFB05:
      return U"\u017Ft";
    case 0xFB06:
      return U"st";
    default:
      return {};
  }
}

std::u32string FixLatinLigatures(std::u32string_view text) {
  std::u32string out;
  for (char32_t c : text) {
    const auto letters = LatinLigature(c);
    letters.empty() ? out.push_back(c) : void(out.append(letters));
  }
  return out;
}

// Half-width and full-width forms (U+FF01..U+FFEF) to what NFKC makes of each alone; the ideographic space to a space.
std::u32string FixCharacterWidth(std::u32string_view text) {
  std::u32string out;
  for (char32_t c : text) {
    if (c == 0x3000) {
      out.push_back(' ');
    } else if (c >= 0xFF01 && c <= 0xFFEF) {
      out += DecodeUtf8(Normalize(EncodeUtf8({&c, 1}), NormalForm::kNFKC), "a character");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::u32string StraightenQuotes(std::u32string_view text) {
  std::u32string out(text);
  for (char32_t& c : out) {
    if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) c = '\'';
    if (c >= 0x201C && c <= 0x201F) c = '"';
  }
  return out;
}

std::u32string FixLineBreaks(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out.push_back(c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85 ? U'\n' : c);
  }
  return out;
}

// Removes ESC [ digits-and-semicolons letter.
std::u32string RemoveTerminalEscapes(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 0x1B && i + 1 < text.size() && text[i + 1] == '[') {
      size_t end = i + 2;
      while (end < text.size() && (text[end] == ';' || IsDecimalDigit(text[end]))) ++end;
      const char32_t last = end < text.size() ? text[end] | 0x20 : 0;
      if (last >= 'a' && last <= 'z') {
        i = end;
        continue;
      }
    }
    out.push_back(text[i]);
  }
  return out;
}

std::u32string RemoveControls(std::u32string_view text) {
  auto is_control = [](char32_t c) {
    return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
           c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
  };
  std::u32string out;
  for (char32_t c : text) {
    if (!is_control(c)) out.push_back(c);
  }
  return out;
}

std::u32string ComposeNFC(std::u32string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; });
  if (plain) return std::u32string(text);
  return DecodeUtf8(Normalize(EncodeUtf8(text), NormalForm::kNFC), "normalised text");
}

std::u32string CollapseWhiteSpace(std::u32string_view text) {
  std::u32string out;
  for (char32_t c : text) {
    if (!IsPythonSpace(c)) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

class Cleaner {
 public:
  std::u32string Run(std::u32string_view text) {
    std::u32string repaired;
    bool unescape = true;
    for (size_t begin = 0; begin < text.size();) {
      const size_t newline = text.find(U'\n', begin);
      size_t end = newline == std::u32string_view::npos ? text.size() : newline + 1;
      end = std::min(end, begin + kLongestSegment);
      const auto segment = text.substr(begin, end - begin);
      // A literal '<' means real markup: entities stay, here and in every later line.
      unescape = unescape && segment.find(U'<') == std::u32string_view::npos;
      repaired += RepairSegment(std::u32string(segment), unescape);
      begin = end;
    }
    for (int i = 0; i < 2; ++i) Apply("HTML entities", UnescapeHtml, repaired);
    Apply("white space", CollapseWhiteSpace, repaired);
    return repaired;
  }

  std::vector<std::string> steps() && { return std::move(steps_); }

 private:
  std::u32string RepairSegment(std::u32string text, bool unescape) {
    std::u32string before;
    do {
      before = text;
      if (unescape) Apply("HTML entities", UnescapeHtmlStrictly, text);
      Apply("C1 controls", FixC1Controls, text);
      Apply("ligatures", FixLatinLigatures, text);
      Apply("character width", FixCharacterWidth, text);
      Apply("quotes", StraightenQuotes, text);
      Apply("line breaks", FixLineBreaks, text);
      Apply("terminal escapes", RemoveTerminalEscapes, text);
      Apply("control characters", RemoveControls, text);
      Apply("NFC", ComposeNFC, text);
    } while (text != before);
    return text;
  }

  template <class Step>
  void Apply(const char* name, Step step, std::u32string& text) {
    std::u32string result = step(text);
    if (result == text) return;
    text = std::move(result);
    if (std::find(steps_.begin(), steps_.end(), name) == steps_.end()) steps_.emplace_back(name);
  }

  std::vector<std::string> steps_;
};

}  // namespace

CleanedPrompt CleanPrompt(std::string_view utf8) {
  const std::u32string text = DecodeUtf8(utf8, "the prompt");
  Cleaner cleaner;
  CleanedPrompt result;
  result.text = EncodeUtf8(cleaner.Run(text));
  result.steps = std::move(cleaner).steps();
  return result;
}

}  // namespace pipeline
