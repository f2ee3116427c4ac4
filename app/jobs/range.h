#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace app {

// The numbers of a range as text, `1..10` or `0.2..0.8 step 0.2`: the first, then a step further each up to the last.
// Exact in decimals. Nothing where the text has no `..`. Throws base::Error{kInvalidInput} for what is no range, a step
// that is not above 0, an empty range, more than `max_values` values.
std::optional<std::vector<std::string>> ExpandRange(std::string_view text, int64_t max_values);

}  // namespace app
