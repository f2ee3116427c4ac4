#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace app {

std::vector<std::string> Split(std::string_view text, char separator);
std::string Join(const std::vector<std::string>& parts, std::string_view separator);
std::string Trim(std::string_view text);  // ASCII white space at both ends
std::string LowerASCII(std::string_view text);

// The fewest digits that read back as the same number: "5", "100000", "0.1", "1e-05".
std::string ShortestNumber(double value);

bool IsValidUTF8(std::string_view text);

// The longest prefix that is valid UTF-8, for short text.
std::string_view ValidUTF8Prefix(std::string_view text);

// The longest prefix of at most `max_bytes` that does not cut a UTF-8 character.
std::string_view CutUTF8(std::string_view text, size_t max_bytes);

// Text for a message: control characters escaped, cut to about 60 characters, in single quotes.
std::string Quoted(std::string_view text);

// The word of `candidates` that `word` is most likely a slip of; "" where none is near.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

// " (did you mean 'x'?)", or "" where nothing is near.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

// "a", "a and b", "a, b and c".
std::string List(const std::vector<std::string>& words, std::string_view conjunction = "and");

}  // namespace app
