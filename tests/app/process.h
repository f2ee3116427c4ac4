#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

namespace app {

struct ProcessResult {
  int status = -1;  // exit status; 128 + signal if a signal ended it
  std::string out, err;
};

struct ProcessOptions {
  std::string folder;                                           // working directory; empty: this one
  std::vector<std::string> environment;                         // "NAME=value", besides ours
  std::function<void(pid_t, const std::string& line)> on_line;  // of standard output, while it runs
  rlim_t max_file_bytes = RLIM_INFINITY;
  rlim_t max_memory_bytes = RLIM_INFINITY;  // of address space
  int patience_s = 300;                     // a busy machine is slow
};

// Runs the built program with `args` until it ends; kills it after `patience_s`.
inline ProcessResult RunSparge(const std::vector<std::string>& args, const ProcessOptions& options = {}) {
  const std::string program = std::string(SPARGE_BINARY_DIR) + "/bin/sparge";
  int out[2], err[2];
  if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) return {};
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(127);
    for (const std::string& variable : options.environment) putenv(const_cast<char*>(variable.c_str()));
    if (options.max_file_bytes != RLIM_INFINITY) {
      const rlimit limit = {options.max_file_bytes, options.max_file_bytes};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    if (options.max_memory_bytes != RLIM_INFINITY) {
      const rlimit limit = {options.max_memory_bytes, options.max_memory_bytes};
      setrlimit(RLIMIT_AS, &limit);
    }
    std::vector<char*> argv = {const_cast<char*>("sparge")};
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  close(out[1]);
  close(err[1]);
  ProcessResult result;
  std::string line;
  pollfd fds[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  const time_t deadline = time(nullptr) + options.patience_s;
  bool killed = false;
  for (int open = 2; open > 0;) {
    if (poll(fds, 2, 1000) < 0 && errno != EINTR) break;
    if (!killed && time(nullptr) > deadline) {
      kill(pid, SIGKILL);
      killed = true;
      ADD_FAILURE() << "the program did not end within " << options.patience_s << " s";
    }
    for (pollfd& fd : fds) {
      if (fd.fd < 0 || (fd.revents & (POLLIN | POLLHUP)) == 0) continue;
      char buffer[4096];
      const ssize_t bytes = read(fd.fd, buffer, sizeof buffer);
      if (bytes <= 0) {
        fd.fd = -1;
        --open;
        continue;
      }
      std::string& text = &fd == &fds[0] ? result.out : result.err;
      text.append(buffer, static_cast<size_t>(bytes));
      if (&fd != &fds[0] || !options.on_line) continue;
      for (ssize_t i = 0; i < bytes; ++i) {
        if (buffer[i] != '\n') {
          line += buffer[i];
        } else {
          options.on_line(pid, line);
          line.clear();
        }
      }
    }
  }
  close(out[0]);
  close(err[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace app
