#include "app/gui/compare_meter.h"

#include <chrono>
#include <new>

#include "app/gui/low_priority.h"
#include "attention/base/error.h"

namespace app {
namespace {

constexpr std::chrono::milliseconds kTellEvery{50};

}  // namespace

CompareMeter::CompareMeter(std::function<void()> wake)
    : wake_(std::move(wake)),
      thread_([this](const Question& question, const auto& outdated) { return Work(question, outdated); }, wake_) {}

void CompareMeter::Measure(const CompareResult& prepared, const Region& region) {
  Question question{prepared, region, 0};
  {
    const std::lock_guard lock(mutex_);
    progress_ = {};
    progress_.others.resize(prepared.sources.size() - 1);
    progress_.total = prepared.alignment.num_frames * (static_cast<int64_t>(prepared.sources.size()) - 1);
    question.number = ++number_;
    changed_ = true;
  }
  thread_.Ask(std::move(question));
}

void CompareMeter::Forget() {
  const std::lock_guard lock(mutex_);
  progress_ = {};
  ++number_;
  changed_ = true;
  thread_.Forget();
}

bool CompareMeter::Take(Progress& progress) {
  const std::lock_guard lock(mutex_);
  if (!changed_) return false;
  changed_ = false;
  progress = progress_;
  return true;
}

CompareMeter::Nothing CompareMeter::Work(const Question& question, const std::function<bool()>& outdated) {
  LowerThreadPriority();
  pipeline::NoProgress cancel;
  auto told = std::chrono::steady_clock::now();
  const auto say = [&](auto change) {
    const std::lock_guard lock(mutex_);
    if (question.number != number_) return;
    change(progress_);
    changed_ = true;
  };
  try {
    for (size_t other = 1; other < question.prepared.sources.size(); ++other) {
      const auto on_frame = [&](int64_t, const FrameMetrics& metrics) {
        say([&](Progress& progress) {
          progress.others[other - 1].push_back(metrics);
          ++progress.done;
        });
        if (outdated()) cancel.Cancel();
        const auto now = std::chrono::steady_clock::now();
        if (now - told < kTellEvery) return;
        told = now;
        wake_();
      };
      Comparison comparison = MeasureOne(question.prepared, other, question.region, cancel, on_frame);
      say([&](Progress& progress) { progress.finished.push_back(std::move(comparison)); });
      wake_();
    }
  } catch (const base::Error& error) {
    if (!cancel.Cancelled()) say([&](Progress& progress) { progress.error = error.what(); });
  } catch (const std::bad_alloc&) {
    say([&](Progress& progress) { progress.error = "no memory to measure these clips"; });
  }
  return {};
}

}  // namespace app
