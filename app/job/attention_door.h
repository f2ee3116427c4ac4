#pragma once

#include <string>
#include <vector>

namespace app {

// attention/attention.h without libtorch's headers.

// The kernels of this build.
std::vector<std::string> KernelNames();

// Throws base::Error{kUnsupported} unless this build has such a mode and kernel.
void CheckAttention(const std::string& mode, const std::string& kernel);

}  // namespace app
