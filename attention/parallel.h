#pragma once

#include <cstdint>
#include <functional>

namespace attention {

// Threads lent by the caller: libtorch's pool inside the door, std::thread in a program of its own.
class Parallel {
 public:
  virtual ~Parallel() = default;
  virtual int num_threads() const = 0;
  // Calls body(0) … body(num_threads() − 1), each once, as far as possible at the same time, and returns when all have.
  // The first exception that escapes a body is thrown to the caller.
  virtual void OnEach(const std::function<void(int worker)>& body) const = 0;
};

// Threads of the standard library, started and joined by each OnEach.
class StdThreads : public Parallel {
 public:
  explicit StdThreads(int num_threads = 0);  // 0: one a core
  int num_threads() const override { return num_threads_; }
  void OnEach(const std::function<void(int worker)>& body) const override;

 private:
  int num_threads_;
};

// Calls body(task, worker) for every task in [0, num_tasks): a thread takes the next one when it is done with its last.
void ForEachTask(const Parallel& parallel, int64_t num_tasks,
                 const std::function<void(int64_t task, int worker)>& body);

}  // namespace attention
