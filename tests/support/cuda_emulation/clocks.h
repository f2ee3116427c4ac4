#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

// Which memory accesses of a block are ordered by its barriers: vector clocks. Every thread counts its releases; an
// access is stamped with the thread and its count. A thread's view says up to which count it has synchronised with
// every other thread. Threads that meet at a barrier share one view, so that a barrier costs a vector, not a matrix.
namespace cuda_emulation {

using Clock = uint32_t;

// A shared, immutable vector. Counted without atomics: a block never leaves its host thread.
class View {
 public:
  View() = default;
  explicit View(std::vector<Clock> clocks) : rep_(new Rep{std::move(clocks), 1}) {}
  View(const View& other) : rep_(other.rep_) {
    if (rep_ != nullptr) ++rep_->references;
  }
  View(View&& other) noexcept : rep_(std::exchange(other.rep_, nullptr)) {}
  View& operator=(View other) noexcept {
    std::swap(rep_, other.rep_);
    return *this;
  }
  ~View() {
    if (rep_ != nullptr && --rep_->references == 0) delete rep_;
  }

  // Everything that `thread` did before its count reached this is visible.
  Clock operator[](uint32_t thread) const { return rep_ == nullptr ? 0 : rep_->clocks[thread]; }
  bool operator==(const View& other) const { return rep_ == other.rep_; }
  const std::vector<Clock>* clocks() const { return rep_ == nullptr ? nullptr : &rep_->clocks; }

 private:
  struct Rep {
    std::vector<Clock> clocks;
    uint32_t references;
  };
  Rep* rep_ = nullptr;
};

struct ThreadClock {
  View view;
  Clock now = 1;
};

// What several threads give at a synchronisation: afterwards, whoever takes it sees all that they did before.
class Release {
 public:
  void Add(uint32_t thread, ThreadClock& clock, uint32_t num_threads) {
    if (clocks_.empty()) clocks_.assign(num_threads, 0);
    if (const std::vector<Clock>* seen = clock.view.clocks(); seen != nullptr && !(clock.view == last_)) {
      for (uint32_t t = 0; t < num_threads; ++t) clocks_[t] = std::max(clocks_[t], (*seen)[t]);
      last_ = clock.view;
    }
    clocks_[thread] = ++clock.now;
  }
  bool empty() const { return clocks_.empty(); }
  // Ends the collection.
  View Take() {
    last_ = View();
    View view(std::move(clocks_));
    clocks_.clear();
    return view;
  }

 private:
  std::vector<Clock> clocks_;
  View last_;
};

}  // namespace cuda_emulation
