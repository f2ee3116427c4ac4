#pragma once

#include <imgui.h>

#include <set>
#include <string_view>

// Letters of Chinese, Japanese and Korean: the bundled font has none, a system font tens of thousands, of which the
// window loads those that it shows.
namespace ui {

using Letters = std::set<ImWchar>;

// Adds those of a text in UTF-8; what is no UTF-8 has none.
void AddCJKLetters(std::string_view text, Letters& letters);

// With those that a person who writes these will write next: the common ones of the same script.
Letters WithCommonOnes(const Letters& letters);

}  // namespace ui
