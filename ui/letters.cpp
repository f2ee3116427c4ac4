#include "ui/letters.h"

#include <algorithm>
#include <iterator>

namespace ui {
namespace {

struct Range {
  unsigned first, last;
};
constexpr Range kKana = {0x3000, 0x31FF};  // with punctuation and Hangul's letters
constexpr Range kHan[] = {{0x2E80, 0x2FFF}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}};
constexpr Range kHangul = {0xAC00, 0xD7A3};
constexpr Range kOthers[] = {{0x3200, 0x33FF}, {0xFE30, 0xFE4F}, {0xFF00, 0xFFEF}};  // signs, forms of width

bool In(const Range& range, unsigned letter) { return letter >= range.first && letter <= range.last; }
bool IsHan(unsigned letter) {
  return std::any_of(std::begin(kHan), std::end(kHan), [&](const Range& range) { return In(range, letter); });
}
bool IsCJK(unsigned letter) {
  return In(kKana, letter) || In(kHangul, letter) || IsHan(letter) ||
         std::any_of(std::begin(kOthers), std::end(kOthers), [&](const Range& range) { return In(range, letter); });
}

void Add(const ImWchar* ranges, bool (*wanted)(unsigned), Letters& letters) {
  for (; ranges[0] != 0; ranges += 2) {
    for (unsigned letter = ranges[0]; letter <= ranges[1]; ++letter) {
      if (wanted(letter)) letters.insert(static_cast<ImWchar>(letter));
    }
  }
}

}  // namespace

void AddCJKLetters(std::string_view text, Letters& letters) {
  for (size_t at = 0; at + 2 < text.size(); ++at) {
    const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
    // They are all of three bytes, the first of which no other letter's byte looks like.
    if (byte(0) < 0xE2 || byte(0) > 0xEF || (byte(1) & 0xC0) != 0x80 || (byte(2) & 0xC0) != 0x80) continue;
    const unsigned letter = (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (IsCJK(letter)) letters.insert(static_cast<ImWchar>(letter));
  }
}

Letters WithCommonOnes(const Letters& letters) {
  Letters all = letters;
  ImFontAtlas& atlas = *ImGui::GetIO().Fonts;
  const auto any = [&](auto is) { return std::any_of(letters.begin(), letters.end(), is); };
  if (any(IsHan) || any([](unsigned letter) { return In(kKana, letter); })) {
    Add(atlas.GetGlyphRangesJapanese(), IsCJK, all);
    Add(atlas.GetGlyphRangesChineseSimplifiedCommon(), IsCJK, all);
  }
  if (any([](unsigned letter) { return In(kHangul, letter); })) Add(atlas.GetGlyphRangesKorean(), IsCJK, all);
  return all;
}

}  // namespace ui
