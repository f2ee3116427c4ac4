#include "app/console/observer.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "app/settings/text.h"
#include "attention/base/error.h"

namespace app {
namespace {

// The words for one unit of a stage's work.
const char* UnitOf(pipeline::Stage stage) {
  switch (stage) {
    case pipeline::Stage::kDenoise:
      return "step";
    case pipeline::Stage::kDecode:
      return "chunk";
    case pipeline::Stage::kMeasure:
    case pipeline::Stage::kWrite:
      return "frame";
    default:
      return "part";
  }
}

std::string Format(const char* format, double value) {
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, format, value);
  return buffer;
}

std::string PaddedStage(pipeline::Stage stage) {
  std::string name = pipeline::StageName(stage);
  name.resize(std::max<size_t>(name.size(), 18), ' ');
  return name;
}

bool TerminalHasUTF8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return LowerASCII(value).find("utf") != std::string::npos;
  }
  return false;
}

int TerminalColumns() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

int64_t BytesOf(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

}  // namespace

ProgressStyle ProgressStyleOf(const std::string& name) {
  if (name == "bar") return ProgressStyle::kBar;
  if (name == "plain") return ProgressStyle::kPlain;
  if (name == "json") return ProgressStyle::kJSON;
  if (name == "off") return ProgressStyle::kOff;
  return isatty(STDERR_FILENO) ? ProgressStyle::kBar : ProgressStyle::kPlain;
}

LogFile::LogFile(const std::string& path) : file_(std::fopen(path.c_str(), "ae")) {
  base::Check(file_ != nullptr, base::ErrorCode::kInvalidInput, "log: ", path, " cannot be opened for writing");
}

void LogFile::Line(const std::string& text) {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &utc);
  std::fprintf(file_.get(), "%s %s\n", stamp, text.c_str());
  std::fflush(file_.get());
}

std::string Duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  char buffer[40];
  if (whole >= 3600) {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld:%02lld", static_cast<long long>(whole / 3600),
                  static_cast<long long>(whole / 60 % 60), static_cast<long long>(whole % 60));
  } else {
    std::snprintf(buffer, sizeof buffer, "%lld:%02lld", static_cast<long long>(whole / 60),
                  static_cast<long long>(whole % 60));
  }
  return buffer;
}

std::string ByteSize(int64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes >= 10'000'000'000) return Format("%.0f GB", value / 1e9);
  if (bytes >= 1'000'000'000) return Format("%.1f GB", value / 1e9);
  if (bytes >= 10'000'000) return Format("%.0f MB", value / 1e6);
  if (bytes >= 1'000'000) return Format("%.1f MB", value / 1e6);
  if (bytes >= 1000) return Format("%.0f KB", value / 1e3);
  return std::to_string(bytes) + " bytes";
}

ConsoleObserver::ConsoleObserver(ProgressStyle style, LogFile* log) : style_(style), log_(log) {
  if (style != ProgressStyle::kJSON) return;
  events_.emplace(nullptr, [](const nlohmann::json& event) {
    const std::string line = event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    std::fputs(line.c_str(), stdout);
    std::fflush(stdout);
  });
}
ConsoleObserver::~ConsoleObserver() { ClearBar(); }

void ConsoleObserver::ClearBar() {
  if (bar_drawn_) std::fputs("\r\x1b[K", stderr);
  bar_drawn_ = false;
}

void ConsoleObserver::Say(const std::string& line) {
  ClearBar();
  std::fprintf(stderr, "%s\n", line.c_str());
  if (log_ != nullptr) log_->Line(line);
}

void ConsoleObserver::Started(const Job& job) {
  if (events_) {
    events_->set_id(job.names.name);
    events_->set_stats(stats_, seconds_);
    events_->Started(job);
  }
  if (log_ != nullptr) log_->Line("started " + job.hash + " " + CanonicalJSON(job.settings.ToJSON()));
}

void ConsoleObserver::Notice(const std::string& text) {
  if (events_) events_->Notice(text);
  Say("sparge: note: " + text);
}

void ConsoleObserver::BeginStage(pipeline::Stage stage) {
  stage_ = stage;
  in_stage_ = true;
  stage_start_ = Clock::now();
  last_shown_ = Clock::time_point();
}

void ConsoleObserver::EndStage(int64_t done) {
  in_stage_ = false;
  const double seconds = StageSeconds();
  std::string line = PaddedStage(stage_) + Format("%8.2f s", seconds);
  const int64_t steps = done - first_done_;
  if (stage_ == pipeline::Stage::kDenoise && steps > 0) {
    line += "  " + std::to_string(steps) + (steps == 1 ? " step" : " steps") +
            Format(", %.2f s/step", seconds / static_cast<double>(steps));
    if (stats_ != nullptr && stats_->sparsity() > 0) line += Format(", sparsity %.1f %%", 100 * stats_->sparsity());
  }
  if (style_ == ProgressStyle::kBar || style_ == ProgressStyle::kPlain) {
    Say(line);
  } else if (log_ != nullptr) {
    log_->Line(line);
  }
}

std::string ConsoleObserver::Rate(int64_t done, int64_t total) const {
  std::string text;
  if (done > 0 && total > 0) {
    const double each = StageSeconds() / static_cast<double>(std::max<int64_t>(done - first_done_, 1));
    text = Format("  %.2f s/", each) + UnitOf(stage_) + "  ETA " + Duration(each * static_cast<double>(total - done));
  }
  if (stats_ != nullptr && stage_ == pipeline::Stage::kDenoise && stats_->sparsity() > 0) {
    text += Format("  sparsity %.0f %%", 100 * stats_->sparsity());
  }
  return text;
}

void ConsoleObserver::DrawBar(int64_t done, int64_t total) {
  static const bool kUTF8 = TerminalHasUTF8();
  const std::string count = total > 0 ? " " + std::to_string(done) + "/" + std::to_string(total) : "";
  const std::string tail = count + Rate(done, total);
  const int columns = TerminalColumns();
  const int width = std::clamp(columns - 18 - static_cast<int>(tail.size()) - 2, 0, 40);
  const auto full = total > 0 ? static_cast<int>(width * done / total) : 0;
  std::string bar;
  for (int i = 0; i < width; ++i) bar += i < full ? (kUTF8 ? "━" : "#") : (kUTF8 ? "─" : "-");
  std::fprintf(stderr, "\r\x1b[K%s%s%s", PaddedStage(stage_).c_str(), width >= 8 ? bar.c_str() : "", tail.c_str());
  std::fflush(stderr);
  bar_drawn_ = true;
}

void ConsoleObserver::Update(pipeline::Stage stage, int64_t done, int64_t total) {
  const bool ends = total > 0 && done >= total;
  const bool same_again = in_stage_ && stage == stage_ && done == last_done_ && total == last_total_;
  if (!in_stage_ || stage != stage_ || done < last_done_) {
    if (!in_stage_ && ends && stage == stage_ && last_done_ == done) return;  // the end, said once more
    if (in_stage_) EndStage(last_done_);
    BeginStage(stage);
    first_done_ = done;
  } else if (same_again) {
    return;
  }
  last_done_ = done;
  last_total_ = total;
  const bool every_time = stage == pipeline::Stage::kDenoise || done == 0 || ends;
  const Clock::time_point now = Clock::now();

  if (events_) {
    events_->Update(stage, done, total);
  } else if (style_ == ProgressStyle::kBar && !ends &&
             (every_time || now - last_shown_ > std::chrono::milliseconds(100))) {
    DrawBar(done, total);
    last_shown_ = now;
  } else if (style_ == ProgressStyle::kPlain && !ends && done > 0 && now - last_shown_ > std::chrono::seconds(5) &&
             StageSeconds() > 5) {
    Say(PaddedStage(stage) + std::to_string(done) + "/" + std::to_string(total) + Rate(done, total));
    last_shown_ = now;
  }
  if (ends) EndStage(done);
}

void ConsoleObserver::Output(const std::string& path) {
  const int64_t bytes = BytesOf(path);
  if (events_) events_->Output(path);
  const std::string line = "wrote " + path + (bytes > 0 ? " (" + ByteSize(bytes) + ")" : "");
  if (style_ == ProgressStyle::kBar || style_ == ProgressStyle::kPlain) {
    Say(line);
  } else if (log_ != nullptr) {
    log_->Line(line);
  }
}

void ConsoleObserver::Done(const Job& job, double seconds) {
  if (in_stage_) EndStage(last_done_);
  if (events_) events_->Done(job, seconds);
  const std::string line = "done in " + Duration(seconds) + ", peak memory " + ByteSize(PeakMemoryBytes());
  if (style_ == ProgressStyle::kBar || style_ == ProgressStyle::kPlain) {
    Say(line);
  } else if (log_ != nullptr) {
    log_->Line(line);
  }
}

void ConsoleObserver::Failed(const std::string& cause, const std::string& message) {
  ClearBar();
  if (events_) events_->Failed(cause, message);
  if (log_ != nullptr) log_->Line("error: " + message);
}

}  // namespace app
