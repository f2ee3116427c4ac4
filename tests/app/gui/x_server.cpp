#include "tests/app/gui/x_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace app {

XServer::XServer(const std::string& screen) {
  int ends[2];
  if (pipe(ends) != 0) return;
  const std::string fd = std::to_string(ends[1]);
  pid_ = fork();
  if (pid_ == 0) {
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execlp("Xvfb", "Xvfb", "-displayfd", fd.c_str(), "-screen", "0", screen.c_str(), "-nolisten", "tcp", nullptr);
    _exit(127);
  }
  close(ends[1]);
  char digits[16] = {};
  for (size_t at = 0; at + 1 < sizeof digits && read(ends[0], digits + at, 1) == 1 && digits[at] != '\n'; ++at) {
  }
  close(ends[0]);
  if (digits[0] != 0) display_ = ":" + std::to_string(std::atoi(digits));
}

XServer::~XServer() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

}  // namespace app
