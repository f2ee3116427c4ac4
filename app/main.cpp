#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <malloc.h>
#include <unistd.h>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/console/signals.h"

namespace {

// OpenMP's threads spin for milliseconds while they wait for each other. On a machine that does other work too, they
// take the processor from the thread that they wait for: beside two busy processes on two cores, a step of the demo
// model took 3.0 s, with short spins and then sleep 2.0 s; on an idle machine both take the same. libgomp reads its
// environment when it is loaded, hence the second start.
void RestartWithShortSpins(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (setenv("GOMP_SPINCOUNT", "10000", 1) == 0) execv("/proc/self/exe", argv);  // without /proc we go on as we are
}

// Every step frees and takes the same few hundred MB. Given back to the system in between, each page is cleared and
// mapped again: a tenth of the demo model's denoising.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the most that glibc takes
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + (argc > 0), argv + argc);
  if (!args.empty() && (args[0] == "generate" || args[0] == "attend" || args[0] == "bench" || args[0] == "worker"))
    RestartWithShortSpins(argv);
  KeepFreedMemory();
  app::InstallSignalHandlers();
  const int status = app::Guarded([&] { return app::RunProgram(args); });
  if (std::fflush(stdout) != 0 && status == app::kExitDone) return app::kExitFailed;
  return status;
}
