#include <cstdio>
#include <string>
#include <vector>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/console/signals.h"

int main(int argc, char** argv) {
  app::InstallSignalHandlers();
  const std::vector<std::string> args(argv + (argc > 0), argv + argc);
  const int status = app::Guarded([&] { return app::RunProgram(args); });
  if (std::fflush(stdout) != 0 && status == app::kExitDone) return app::kExitFailed;
  return status;
}
