#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/worker/protocol.h"

namespace app {

struct SessionOptions {
  std::string program = "/proc/self/exe";
  std::vector<std::string> environment;  // "NAME=value", besides ours
  double alive_s = 5;                    // how often a worker says that it lives
  double silence_s = 60;                 // after so long without a word it counts as hung
};

// A client of `sparge worker`: the batch's and the window's. Starts one, passes commands, gives its events, and starts
// a fresh one when it died. One thread uses it, and outlives the worker: a worker ends with the thread that started it.
//
// What was under way in a worker that died gets an event as if the worker had sent it:
// {"id", "event": "failed", "status": "failed", "worker_died": true, "peak_memory_bytes",
//  "error": {"cause": "signal" | "exit" | "hang" | "out_of_memory" | END'S, "signal", "exit_status", "stage", "step",
//            "total", "message"}}.
// A worker that dies with nothing to do gives {"id": null, "event": "worker_died", "error": {…}}.
class Session {
 public:
  explicit Session(SessionOptions options = {});
  ~Session();  // lets an idle worker quit, else kills it
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Sends a command; starts a worker where none lives. Does not wait. Throws base::Error{kIo} where none can be
  // started.
  void Send(const nlohmann::json& command);

  // The next event, or none within `timeout_s`, or when a signal handler ran.
  std::optional<nlohmann::json> Next(double timeout_s);

  // Kills the worker; what was under way fails with this cause.
  void End(const std::string& cause, const std::string& why);

  bool alive() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // Readable when there is something for Next(0); −1 without a worker. For event loops.
  int fd() const { return out_; }
  // The last of what workers wrote to standard error, at most 8 KiB.
  const std::string& log_tail() const { return log_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Job {
    nlohmann::json id, stage, step, total;
  };

  void Start();
  void Flush();
  bool Pump(int timeout_ms);
  void ReadEvents();
  void ReadLog();
  void Take(const std::string& line);
  void Watch(double seconds);
  void Died(int status, int64_t peak_memory_bytes);
  nlohmann::json DeathOf(int status) const;

  const SessionOptions options_;
  pid_t pid_ = -1;
  int in_ = -1, out_ = -1, err_ = -1;  // ours: commands, events, log
  std::string unsent_, log_;
  size_t log_start_ = 0;  // of this worker, in log_
  LineSplitter lines_{64 << 20};
  std::map<std::string, Job> jobs_;  // under way, by the id's text
  std::deque<nlohmann::json> events_;
  std::string end_cause_, end_why_;
  double silent_s_ = 0;
  int64_t oom_kills_ = 0;
};

// Processes that the kernel killed for want of memory in this process's cgroup so far; 0 where unknown.
int64_t OutOfMemoryKills();

}  // namespace app
