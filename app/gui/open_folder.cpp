#include "app/gui/open_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "app/settings/text.h"
#include "attention/base/error.h"

extern char** environ;

namespace app {
namespace {

using base::ErrorCode;

constexpr const char* kProgram = "xdg-open";

std::string FindProgram() {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : Split(path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path, ':')) {
    const std::string file = folder + "/" + kProgram;
    if (!folder.empty() && access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

}  // namespace

// What still runs is the desktop's: nobody waits for it.
FolderOpener::~FolderOpener() { TakeErrors(); }

void FolderOpener::Open(const std::string& folder) {
  std::string program = FindProgram(), argument = folder;
  base::Check(!program.empty(), ErrorCode::kUnsupported, "no ", kProgram, " here to show the folder ", folder);
  char name[] = "xdg-open";
  char* const argv[] = {name, argument.data(), nullptr};
  int ends[2];
  base::Check(pipe2(ends, O_CLOEXEC) == 0, ErrorCode::kIo, kProgram, ": ", strerror(errno));
  const pid_t child = fork();
  if (child == 0) {
    setsid();  // it outlives the window
    const int null = open("/dev/null", O_RDWR);
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null, fd);
    execve(program.c_str(), argv, environ);
    const int error = errno;
    (void)!write(ends[1], &error, sizeof error);
    _exit(127);
  }
  const int fork_error = errno;
  close(ends[1]);
  int error = 0;
  const bool failed = child > 0 && read(ends[0], &error, sizeof error) == static_cast<ssize_t>(sizeof error);
  close(ends[0]);
  if (failed) waitpid(child, nullptr, 0);
  base::Check(child > 0 && !failed, ErrorCode::kIo, program,
              " cannot be started: ", strerror(child > 0 ? error : fork_error));
  children_.push_back({child, folder});
}

std::vector<std::string> FolderOpener::TakeErrors() {
  std::vector<std::string> errors;
  std::erase_if(children_, [&](const Child& child) {
    int status = 0;
    const pid_t ended = waitpid(child.pid, &status, WNOHANG);
    if (ended == 0) return false;
    const bool good = ended == child.pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!good) errors.push_back(std::string(kProgram) + " could not show the folder " + child.folder);
    return true;
  });
  return errors;
}

}  // namespace app
