#pragma once

#include <cstddef>

// What ASan has to be told when a host thread changes its stack. Nothing without it.
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_emulation {

struct FiberAnnotation {
  const void* bottom = nullptr;  // of the stack
  size_t bytes = 0;
  void* fake_stack = nullptr;
};

// Before leaving `from` for `to`. `for_good`: `from` ends.
inline void AnnotateLeave([[maybe_unused]] FiberAnnotation& from, [[maybe_unused]] FiberAnnotation& to,
                          [[maybe_unused]] bool for_good) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_stack, to.bottom, to.bytes);
#endif
}

// First thing on `here`, come from `from`.
inline void AnnotateArrival([[maybe_unused]] FiberAnnotation& here, [[maybe_unused]] FiberAnnotation& from) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(here.fake_stack, &from.bottom, &from.bytes);
  here.fake_stack = nullptr;
#endif
}

}  // namespace cuda_emulation
