#pragma once

#include <cstdint>

namespace pipeline {

// Memory that this process may still take without swapping: MemAvailable, and what its cgroups (v2) and RLIMIT_AS
// leave. 0 where unknown.
int64_t AvailableMemoryBytes();

// That it has now.
int64_t ResidentMemoryBytes();

}  // namespace pipeline
