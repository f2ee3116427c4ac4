#pragma once

#include <string>
#include <vector>

namespace app {

// The kinds of `sparge bench`. `args` are those after the kind.
int RunBenchAttention(const std::vector<std::string>& args);
int RunBenchPipeline(const std::vector<std::string>& args);

}  // namespace app
