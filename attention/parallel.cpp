#include "attention/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace attention {

StdThreads::StdThreads(int num_threads)
    : num_threads_(num_threads > 0 ? num_threads
                                   : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))) {}

void StdThreads::OnEach(const std::function<void(int)>& body) const {
  std::exception_ptr error;
  std::mutex mutex;
  const auto run = [&](int worker) {
    try {
      body(worker);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(num_threads_ - 1));
  int started = 1;
  try {
    for (; started < num_threads_; ++started) threads.emplace_back(run, started);
  } catch (const std::system_error&) {
    // No more threads to be had: this one does the work of those that are missing.
  }
  run(0);
  for (int worker = started; worker < num_threads_; ++worker) run(worker);
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

void ForEachTask(const Parallel& parallel, int64_t num_tasks, const std::function<void(int64_t, int)>& body) {
  std::atomic<int64_t> next{0};
  parallel.OnEach([&](int worker) {
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < num_tasks;) body(task, worker);
  });
}

}  // namespace attention
