#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "app/console/observer.h"

namespace app {

// Shows a batch: a bar for what renders, a line for what begins and ends; or events (--progress json).
class BatchDisplay {
 public:
  explicit BatchDisplay(ProgressStyle style) : style_(style) {}
  ~BatchDisplay() { ClearBar(); }

  // `number` of `total` entries, `label` "name/variant".
  void Begins(int64_t number, int64_t total, const std::string& label);
  void Event(const std::string& label, const nlohmann::json& event);  // of a worker
  void Says(const std::string& line);                                 // on standard error, in every style but json, off
  void Notice(const std::string& text);                               // in every style
  void Error(const std::string& text);                                // in every style

 private:
  void ClearBar();
  void Line(const std::string& line);
  ProgressStyle style_;
  std::string head_, label_;
  bool bar_drawn_ = false;
  std::chrono::steady_clock::time_point last_line_ = std::chrono::steady_clock::now();
};

}  // namespace app
