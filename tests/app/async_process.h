#pragma once

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace app {

// The built program in the background. Its output goes to files, or to /dev/null.
class AsyncProcess {
 public:
  AsyncProcess(const std::vector<std::string>& args, const std::string& folder, const std::string& err_file = "") {
    const std::string program = std::string(SPARGE_BINARY_DIR) + "/bin/sparge";
    const std::string err = err_file.empty() ? "/dev/null" : err_file;
    std::vector<char*> argv = {const_cast<char*>("sparge")};
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    const int out = open("/dev/null", O_WRONLY), log = open(err.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(out, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (chdir(folder.c_str()) == 0) execv(program.c_str(), argv.data());
    _exit(127);
  }
  ~AsyncProcess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    Wait();
  }
  AsyncProcess(const AsyncProcess&) = delete;
  AsyncProcess& operator=(const AsyncProcess&) = delete;

  pid_t pid() const { return pid_; }
  void Kill(int signal) { kill(pid_, signal); }

  // Its exit status; 128 + signal if a signal ended it.
  int Wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  bool Ended() {
    siginfo_t info = {};
    return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
  }

 private:
  pid_t pid_ = -1;
};

// Processes whose parent is `pid`.
inline std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  const std::string path = "/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children";
  if (FILE* file = fopen(path.c_str(), "re")) {
    for (int child = 0; fscanf(file, "%d", &child) == 1;) children.push_back(child);
    fclose(file);
  }
  return children;
}

// The most address space that a process had so far, in bytes.
inline long PeakAddressSpace(pid_t pid) {
  long kib = 0;
  if (FILE* file = fopen(("/proc/" + std::to_string(pid) + "/status").c_str(), "re")) {
    char line[256];
    while (fgets(line, sizeof line, file) != nullptr && sscanf(line, "VmPeak: %ld", &kib) != 1) {
    }
    fclose(file);
  }
  return kib * 1024;
}

}  // namespace app
