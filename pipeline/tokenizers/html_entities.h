#pragma once

#include <string>
#include <string_view>

namespace pipeline {

// Python's html.unescape: the character references of HTML 5, named ones with and without their semicolon (the
// longest name that is a prefix of what follows '&'), numeric ones with the standard's replacements.
std::u32string UnescapeHtml(std::u32string_view text);

// ftfy's stricter reading: only references that end in ';', and names in capitals ("&EACUTE;" is É).
std::u32string UnescapeHtmlStrictly(std::u32string_view text);

}  // namespace pipeline
