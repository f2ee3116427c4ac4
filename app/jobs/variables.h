#pragma once

#include <string>
#include <string_view>

namespace app {

// Fills `${VAR}` and `${VAR:-default}` from the environment into a text of a JOBS.yaml. The default holds where the
// variable is not set or empty; it runs to the brace that closes it, and may hold further braces and variables. `$${`
// is a `${` that stays. Throws base::Error{kInvalidInput} for a variable that is not set and has no default, for a name
// that is none, for a brace that is never closed, and for a value that is not UTF-8.
std::string ExpandVariables(std::string_view text);

}  // namespace app
