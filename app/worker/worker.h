#pragma once

namespace app {

struct WorkerOptions {
  int in_fd = 0, out_fd = 1;
  double alive_s = 0;  // seconds between `alive` events; 0: none
};

// The loop of `sparge worker` (docs/worker.md): commands in, events out, one job after another; the files of one are
// written while the next renders. Returns the exit status: 0 at `quit` and at the end of its input, when what was
// asked for is done; 130 after a signal; 1 when nobody reads its events any more.
int ServeWorker(const WorkerOptions& options);

}  // namespace app
