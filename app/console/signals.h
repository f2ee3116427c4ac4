#pragma once

#include "pipeline/progress.h"

namespace app {

// Handles signals for the life of the process. SIGINT, SIGTERM, SIGUSR1 (and SIGHUP, unless ignored) cancel the job
// being watched; a second one, or one without a job, leaves at once with status 130, taking unfinished files along.
// SIGBUS (a mapped weight file that became shorter) says which file and leaves with status 1. SIGPIPE and SIGXFSZ are
// ignored: writes fail instead.
void InstallSignalHandlers();

// While it lives, the first signal cancels this job.
class CancelOnSignal {
 public:
  explicit CancelOnSignal(pipeline::Progress& progress);
  ~CancelOnSignal();
  CancelOnSignal(const CancelOnSignal&) = delete;
  CancelOnSignal& operator=(const CancelOnSignal&) = delete;
};

}  // namespace app
