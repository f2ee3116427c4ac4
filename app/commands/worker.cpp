#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "app/commands/commands.h"
#include "app/commands/numbers.h"
#include "app/console/errors.h"
#include "app/settings/help.h"
#include "app/worker/worker.h"

namespace app {
namespace {

constexpr CommandFlag kFlags[] = {
    {"--alive", "SECONDS", "send an event `alive` so often, for who supervises the worker (none)"},
};

}  // namespace

int RunWorker(const std::vector<std::string>& args) {
  ErrorList errors;
  const ParsedFlags flags = ParseFlags(args, kFlags, false, errors);
  if (flags.help) {
    std::fputs(CommandHelp("sparge worker [--alive SECONDS]",
                           "Reads commands from standard input, writes events to standard output, a JSON object a "
                           "line each:\n{\"id\": 1, \"cmd\": \"render\", \"settings\": {\"model\": \"toybox\", "
                           "\"prompt\": \"…\", \"out\": \"a.mp4\"}} → started, progress, stats, notice, output,\n"
                           "done or failed. Further commands: set, pause, resume, cancel, quit. See docs/worker.md.",
                           kFlags, false)
                   .c_str(),
               stdout);
    return kExitDone;
  }
  for (const std::string& argument : flags.positionals) errors.Add("unexpected argument " + Quoted(argument));
  WorkerOptions options;
  errors.Try([&] { options.alive_s = static_cast<double>(IntFlag(flags, "--alive", 0, 1, 3600)); });
  errors.ThrowIfAny();
  // Only events go to standard output, whatever a library prints.
  options.out_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  base::Check(options.out_fd >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0, base::ErrorCode::kIo,
              "standard output is not open");
  return ServeWorker(options);
}

}  // namespace app
