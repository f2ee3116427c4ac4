#include "app/gui/low_priority.h"

#include <sys/resource.h>
#include <unistd.h>

namespace app {

// On Linux a thread has a niceness of its own.
void LowerThreadPriority() { setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), 10); }

}  // namespace app
