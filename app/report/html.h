#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

// Text of any origin in HTML.
namespace app {

// As text or in an attribute's double quotes. Bytes that are no UTF-8 and control characters become U+FFFD, white space
// a blank; directions of writing that the text turns are left out.
std::string Escaped(std::string_view text);

// The same, at most about `max_bytes` of it, with "…".
std::string EscapedShort(std::string_view text, size_t max_bytes);

// A file as a link that is never a scheme: relative to `folder` where it lies below its parent, else file:///….
std::string LinkTo(const std::string& path, const std::string& folder);

std::string Base64(std::string_view bytes);
std::string DataURI(std::string_view type, std::string_view bytes);

// Numbers for people; "–" for none.
std::string SecondsText(std::optional<double> seconds);  // "0.34 s", "12.3 s", "4:32 min"
std::string PercentText(std::optional<double> share);    // 0.123: "12.3 %"
std::string FixedText(std::optional<double> value, int digits);
std::string CountText(int64_t count);  // "12,345"

using Sink = std::function<void(std::string_view text)>;

}  // namespace app
