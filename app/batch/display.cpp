#include "app/batch/display.h"

#include <cstdio>

#include "app/console/observer.h"
#include "attention/base/error.h"

namespace app {

using nlohmann::json;

void BatchDisplay::ClearBar() {
  if (bar_drawn_) std::fputs("\r\x1b[K", stderr);
  bar_drawn_ = false;
}

void BatchDisplay::Line(const std::string& line) {
  ClearBar();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void BatchDisplay::Says(const std::string& line) {
  if (style_ == ProgressStyle::kBar || style_ == ProgressStyle::kPlain) Line(line);
}

void BatchDisplay::Notice(const std::string& text) { Line("sparge: note: " + text); }
void BatchDisplay::Error(const std::string& text) { Line("sparge: error: " + text); }

void BatchDisplay::Begins(int64_t number, int64_t total, const std::string& label) {
  head_ = base::StrCat("[", number, "/", total, "] ");
  label_ = label;
  Says(head_ + label);
}

void BatchDisplay::Event(const std::string& label, const json& event) {
  if (style_ == ProgressStyle::kJSON) {
    json shown = event;
    shown["id"] = label;
    std::fputs((shown.dump(-1, ' ', false, json::error_handler_t::replace) + "\n").c_str(), stdout);
    std::fflush(stdout);
  }
  const bool progress = event.value("event", "") == "progress" && label == label_;
  if (!progress || style_ == ProgressStyle::kJSON || style_ == ProgressStyle::kOff) return;
  const std::string stage = event.value("stage", "");
  const int64_t step = event.value("step", int64_t{0}), total = event.value("total", int64_t{0});
  std::string line = head_ + label + "  " + stage + (total > 0 ? base::StrCat(" ", step, "/", total) : "");
  const double each = event.value("s_per_step", 0.0);
  if (stage == "denoise" && each > 0) {
    char rate[64];
    std::snprintf(rate, sizeof rate, "  %.2f s/step  ETA ", each);
    line += rate + Duration(event.value("eta_s", 0.0));
  }
  if (style_ == ProgressStyle::kBar) {
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    std::fflush(stderr);
    bar_drawn_ = true;
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now - last_line_ < std::chrono::seconds(10)) return;
  last_line_ = now;
  Line(line);
}

}  // namespace app
