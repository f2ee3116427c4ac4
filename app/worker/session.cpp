#include "app/worker/session.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "app/settings/text.h"
#include "app/worker/preview_files.h"
#include "attention/base/error.h"

extern char** environ;

namespace app {
namespace {

using base::ErrorCode;
using nlohmann::json;

constexpr size_t kLogBytes = 8 << 10;

void CloseFd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

void SetNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

struct Pipe {
  Pipe() { base::Check(pipe2(ends, O_CLOEXEC) == 0, ErrorCode::kIo, "no worker: ", strerror(errno)); }
  ~Pipe() {
    CloseFd(ends[0]);
    CloseFd(ends[1]);
  }
  int Take(int end) { return std::exchange(ends[end], -1); }
  int ends[2];
};

std::string LastLine(const std::string& text) {
  const std::vector<std::string> lines = Split(Trim(text), '\n');
  return Trim(lines.back());
}

}  // namespace

int64_t OutOfMemoryKills() {
  std::string folder = "/sys/fs/cgroup";
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.starts_with("0::") && line != "0::/") folder += line.substr(3);
  }
  for (const std::string& path : {folder, std::string("/sys/fs/cgroup")}) {
    std::ifstream events(path + "/memory.events");
    std::string key;
    for (int64_t value = 0; events >> key >> value;) {
      if (key == "oom_kill") return value;
    }
  }
  return 0;
}

Session::Session(SessionOptions options) : options_(std::move(options)) {}

Session::~Session() {
  if (pid_ <= 0) return;
  const bool idle = jobs_.empty() && unsent_.empty();
  if (idle) {
    CloseFd(in_);  // the end of its input
    constexpr int kPatienceMs = 3000;
    for (int waited = 0; waited < kPatienceMs; waited += 10) {
      ReadEvents();
      ReadLog();
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        break;
      }
      poll(nullptr, 0, 10);
    }
  }
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    kill(pid_, SIGCONT);
    waitpid(pid_, nullptr, 0);
    RemovePreviewsOf(pid_);
  }
  CloseFd(in_);
  CloseFd(out_);
  CloseFd(err_);
}

void Session::Start() {
  Pipe in, out, err;
  // Whatever allocates happens before the fork: other threads may hold the allocator's lock.
  const std::string alive = std::to_string(std::max(1, static_cast<int>(options_.alive_s)));
  std::vector<std::string> arguments = {"sparge", "worker", "--alive", alive};
  std::vector<std::string> added = options_.environment;
  // What main() would set and start again for.
  if (!std::getenv("OMP_WAIT_POLICY") && !std::getenv("GOMP_SPINCOUNT")) added.emplace_back("GOMP_SPINCOUNT=10000");
  std::vector<char*> argv, envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& variable : added) envp.push_back(variable.data());
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view name(*variable, strcspn(*variable, "="));
    const bool replaced = std::any_of(added.begin(), added.end(), [&](const std::string& other) {
      return std::string_view(other).substr(0, other.find('=')) == name;
    });
    if (!replaced) envp.push_back(*variable);
  }
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  oom_kills_ = OutOfMemoryKills();
  const pid_t parent = getpid();
  const pid_t child = fork();
  base::Check(child >= 0, ErrorCode::kIo, "no worker: ", strerror(errno));
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // without us it leaves a checkpoint and ends
    if (getppid() != parent) _exit(1);
    dup2(in.ends[0], STDIN_FILENO);
    dup2(out.ends[1], STDOUT_FILENO);
    dup2(err.ends[1], STDERR_FILENO);
    execve(options_.program.c_str(), argv.data(), envp.data());
    _exit(127);
  }
  pid_ = child;
  in_ = in.Take(1);
  out_ = out.Take(0);
  err_ = err.Take(0);
  for (int fd : {in_, out_, err_}) SetNonBlocking(fd);
  lines_ = LineSplitter(64 << 20);
  log_start_ = log_.size();
  silent_s_ = 0;
  end_cause_.clear();
  end_why_.clear();
}

void Session::Send(const json& command) {
  if (pid_ <= 0) Start();
  if (command.value("cmd", "") == "render") {
    const json& id = command.at("id");
    jobs_[id.dump()] = {id, nullptr, nullptr, nullptr};
  }
  unsent_ += command.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  Flush();
}

void Session::Flush() {
  while (in_ >= 0 && !unsent_.empty()) {
    const ssize_t bytes = write(in_, unsent_.data(), unsent_.size());
    if (bytes > 0) {
      unsent_.erase(0, static_cast<size_t>(bytes));
    } else if (bytes < 0 && errno == EINTR) {
      continue;
    } else {
      return;  // full: later; broken: its end will be seen
    }
  }
}

void Session::Take(const std::string& line) {
  json event = json::parse(line, nullptr, false);
  if (!event.is_object() || !event.contains("event")) return;  // nothing that a worker of ours says
  silent_s_ = 0;
  const json kind = event["event"];
  if (kind == "alive") return;
  const auto job = jobs_.find(event.value("id", json()).dump());
  if (job != jobs_.end()) {
    if (kind == "progress") {
      job->second.stage = event.value("stage", json());
      job->second.step = event.value("step", json());
      job->second.total = event.value("total", json());
    }
    if (kind == "done" || kind == "failed") jobs_.erase(job);
  }
  events_.push_back(std::move(event));
}

void Session::ReadEvents() {
  char buffer[65536];
  for (;;) {
    const ssize_t bytes = read(out_, buffer, sizeof buffer);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    lines_.Add(buffer, static_cast<size_t>(bytes));
    while (const auto line = lines_.Next()) Take(line->text);
  }
}

void Session::ReadLog() {
  char buffer[4096];
  for (;;) {
    const ssize_t bytes = read(err_, buffer, sizeof buffer);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) break;
    log_.append(buffer, static_cast<size_t>(bytes));
  }
  if (log_.size() > kLogBytes) {
    const size_t excess = log_.size() - kLogBytes;
    log_.erase(0, excess);
    log_start_ -= std::min(excess, log_start_);
  }
}

// Waits for something to read or to write, then reads and writes. False when a signal handler ran.
bool Session::Pump(int timeout_ms) {
  pollfd fds[3] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}, {in_, static_cast<short>(unsent_.empty() ? 0 : POLLOUT), 0}};
  const Clock::time_point before = Clock::now();
  const bool interrupted = poll(fds, 3, timeout_ms) < 0 && errno == EINTR;
  Flush();
  ReadEvents();
  ReadLog();
  int status = 0;
  rusage usage = {};
  if (wait4(pid_, &status, WNOHANG, &usage) == pid_) {
    ReadEvents();
    ReadLog();
    Died(status, static_cast<int64_t>(usage.ru_maxrss) * 1024);
    return !interrupted;
  }
  // If we were stopped ourselves, the time did not pass for the worker either.
  constexpr double kMostAtOnce = 1;
  Watch(std::min(std::chrono::duration<double>(Clock::now() - before).count(), kMostAtOnce));
  return !interrupted;
}

void Session::Watch(double seconds) {
  silent_s_ += seconds;
  if (silent_s_ < options_.silence_s) return;
  End("hang", base::StrCat("the worker did not say a word for ", options_.silence_s, " s"));
}

std::optional<json> Session::Next(double timeout_s) {
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_s));
  for (bool first = true;; first = false) {
    if (!events_.empty()) {
      json event = std::move(events_.front());
      events_.pop_front();
      return event;
    }
    const double left = std::chrono::duration<double>(deadline - Clock::now()).count();
    if (pid_ <= 0 || (!first && left <= 0)) {
      if (pid_ <= 0 && first && left > 0) poll(nullptr, 0, static_cast<int>(std::min(left, 0.1) * 1000));
      return std::nullopt;
    }
    const int wait_ms = static_cast<int>(std::clamp(left, 0.0, 0.5) * 1000);
    if (!Pump(wait_ms) && events_.empty()) return std::nullopt;
  }
}

void Session::End(const std::string& cause, const std::string& why) {
  if (pid_ <= 0) return;
  end_cause_ = cause;
  end_why_ = why;
  kill(pid_, SIGKILL);
  int status = 0;
  rusage usage = {};
  while (wait4(pid_, &status, 0, &usage) < 0 && errno == EINTR) {
  }
  ReadEvents();
  ReadLog();
  Died(status, static_cast<int64_t>(usage.ru_maxrss) * 1024);
}

json Session::DeathOf(int status) const {
  const std::string log = log_.substr(std::min(log_start_, log_.size()));
  const std::string said = Trim(log).empty() ? "" : "; it said: " + LastLine(log);
  if (!end_cause_.empty()) return {{"cause", end_cause_}, {"message", end_why_}};
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    const bool memory = signal == SIGKILL && OutOfMemoryKills() > oom_kills_;
    const std::string name = base::StrCat("signal ", signal, " (", strsignal(signal), ")");
    return {
        {"cause", memory ? "out_of_memory" : "signal"},
        {"signal", signal},
        {"message",
         (memory ? "the kernel killed the worker for want of memory: " + name : "the worker died of " + name) + said}};
  }
  // A weight file that breaks under its mapping ends the worker with its name on standard error.
  const bool file = log.find("sparge: error: ") != std::string::npos && log.find("became shorter") != std::string::npos;
  return {{"cause", file ? "io" : "exit"},
          {"exit_status", WEXITSTATUS(status)},
          {"message", base::StrCat("the worker ended with status ", WEXITSTATUS(status), said)}};
}

void Session::Died(int status, int64_t peak_memory_bytes) {
  RemovePreviewsOf(pid_);
  pid_ = -1;
  CloseFd(in_);
  CloseFd(out_);
  CloseFd(err_);
  unsent_.clear();
  json error = DeathOf(status);
  if (jobs_.empty()) {
    events_.push_back({{"id", nullptr}, {"event", "worker_died"}, {"error", error}});
    return;
  }
  for (const auto& [id, job] : jobs_) {
    error["stage"] = job.stage;
    error["step"] = job.step;
    error["total"] = job.total;
    json full = error;
    if (job.stage.is_string()) {
      std::string where = " (" + job.stage.get<std::string>();
      if (job.step.is_number() && job.total.is_number())
        where += base::StrCat(" ", job.step.dump(), "/", job.total.dump());
      full["message"] = full["message"].get<std::string>() + where + ")";
    }
    events_.push_back({{"id", job.id},
                       {"event", "failed"},
                       {"status", "failed"},
                       {"worker_died", true},
                       {"peak_memory_bytes", peak_memory_bytes},
                       {"error", full}});
  }
  jobs_.clear();
}

}  // namespace app
