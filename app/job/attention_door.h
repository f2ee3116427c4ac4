#pragma once

#include <string>
#include <vector>

namespace app {

// attention/attention.h without libtorch's headers.

// The kernels of this build; those that compute `mode`.
std::vector<std::string> KernelNames();
std::vector<std::string> KernelNames(const std::string& mode);

// The CPU's features that kernels choose by: "avx2,avx512,…", "none".
std::string AttentionCPUFeatures();

// Throws base::Error{kUnsupported} unless this build has the kernel and it computes `mode`.
void CheckKernel(const std::string& mode, const std::string& kernel);

}  // namespace app
