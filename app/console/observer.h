#pragma once

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "app/console/event_observer.h"
#include "app/job/run.h"
#include "attention/stats.h"

namespace app {

enum class ProgressStyle {
  kBar,    // a line that is drawn over: for terminals
  kPlain,  // a line now and then
  kJSON,   // events on standard output (docs/interfaces.md, "The worker"); notices on standard error too
  kOff,    // notices and errors only
};

// "auto" (a bar if standard error is a terminal, else plain lines), "bar", "plain", "json", "off".
ProgressStyle ProgressStyleOf(const std::string& name);

// A file that messages are appended to, each with the time (UTC).
class LogFile {
 public:
  explicit LogFile(const std::string& path);  // Throws base::Error{kInvalidInput} when it cannot be opened
  void Line(const std::string& text);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

// Shows a job to a person or a program.
class ConsoleObserver : public JobObserver {
 public:
  // `log` may be null.
  ConsoleObserver(ProgressStyle style, LogFile* log);
  ~ConsoleObserver() override;

  // From when they are known: sparsity so far, in the bar and in events; times in events.
  void set_stats(const attention::StatsRecorder* stats, const pipeline::StageSeconds* seconds) {
    stats_ = stats;
    seconds_ = seconds;
  }

  void Update(pipeline::Stage stage, int64_t done, int64_t total) override;
  void Started(const Job& job) override;
  void Notice(const std::string& text) override;
  void Output(const std::string& path) override;
  void Done(const Job& job, double seconds) override;
  void Failed(const std::string& cause, const std::string& message) override;

 private:
  using Clock = std::chrono::steady_clock;
  void BeginStage(pipeline::Stage stage);
  void EndStage(int64_t done);
  void DrawBar(int64_t done, int64_t total);
  void ClearBar();
  void Say(const std::string& line);                    // a line on standard error, and in the log
  std::string Rate(int64_t done, int64_t total) const;  // "1.23 s/step  ETA 0:22  sparsity 43 %"
  double StageSeconds() const { return std::chrono::duration<double>(Clock::now() - stage_start_).count(); }

  ProgressStyle style_;
  LogFile* log_;
  const attention::StatsRecorder* stats_ = nullptr;
  const pipeline::StageSeconds* seconds_ = nullptr;
  std::optional<EventObserver> events_;  // of kJSON
  pipeline::Stage stage_ = pipeline::Stage::kLoadTextEncoder;
  bool in_stage_ = false;
  bool bar_drawn_ = false;
  int64_t first_done_ = 0, last_done_ = 0, last_total_ = 0;
  Clock::time_point stage_start_, last_shown_;
};

// "0:07", "12:34", "1:02:03".
std::string Duration(double seconds);

// "1.2 GB", "340 MB", "12 KB".
std::string ByteSize(int64_t bytes);

}  // namespace app
