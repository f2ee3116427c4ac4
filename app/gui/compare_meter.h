#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "app/compare/compare.h"
#include "app/gui/background.h"

namespace app {

// Measures clips against their reference in a thread of its own, and says how far it is.
class CompareMeter {
 public:
  explicit CompareMeter(std::function<void()> wake);

  // In place of what was measured before.
  void Measure(const CompareResult& prepared, const Region& region);
  void Forget();

  struct Progress {
    std::vector<std::vector<FrameMetrics>> others;  // those measured so far, a list an other
    std::vector<Comparison> finished;               // of the first others
    std::string error;                              // why it ended early
    int64_t done = 0, total = 0;                    // frames
  };
  // The state, if it changed since the last call.
  bool Take(Progress& progress);

 private:
  struct Question {
    CompareResult prepared;
    Region region;
    uint64_t number = 0;
  };
  struct Nothing {};
  Nothing Work(const Question& question, const std::function<bool()>& outdated);

  const std::function<void()> wake_;
  std::mutex mutex_;
  Progress progress_;
  uint64_t number_ = 0;
  bool changed_ = false;
  Background<Question, Nothing> thread_;
};

}  // namespace app
