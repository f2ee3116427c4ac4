#include "cuda_emulation/launch.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <thread>

namespace cuda_emulation {
namespace {

constexpr uint64_t kMostBlocks = 1u << 22;    // of one emulated launch
constexpr uint32_t kMostShared = 227 * 1024;  // of a block, on the largest device

void CheckShape(const LaunchShape& shape) {
  const uint64_t threads = uint64_t{shape.block.x} * shape.block.y * shape.block.z;
  const uint64_t blocks = uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  const auto fail = [](const std::string& what) { throw EmulationFault(Fault::kBadOperand, what); };
  if (threads == 0 || threads > kMaxThreads || threads % kWarpSize != 0) {
    fail("a block of " + std::to_string(threads) + " threads; the emulator takes multiples of 32 up to 1024");
  }
  if (blocks == 0 || blocks > kMostBlocks) fail("a grid of " + std::to_string(blocks) + " blocks");
  if (shape.grid.y > 65535 || shape.grid.z > 65535) fail("a grid's y and z go up to 65535");
  if (shape.shared_bytes > kMostShared) {
    fail(std::to_string(shape.shared_bytes) + " bytes of shared memory; a block has at most " +
         std::to_string(kMostShared));
  }
}

// Kept from launch to launch: fresh pages cost more than small launches do.
Stacks& StacksOfThisThread(uint32_t threads) {
  thread_local std::unique_ptr<Stacks> stacks;
  thread_local uint32_t count = 0;
  if (count < threads) {
    stacks = std::make_unique<Stacks>(threads);
    count = threads;
  }
  return *stacks;
}

}  // namespace

uint64_t LaunchOptions::DefaultSeed() {
  static const uint64_t seed = []() -> uint64_t {
    const char* text = std::getenv("CUDA_EMULATION_SEED");
    if (text == nullptr) return 1;
    return std::string(text) == "random" ? std::random_device{}() : std::strtoull(text, nullptr, 10);
  }();
  return seed;
}

int LaunchOptions::DefaultHostThreads() {
  static const int threads = [] {
    const char* text = std::getenv("CUDA_EMULATION_THREADS");
    const int wanted = text == nullptr ? static_cast<int>(std::thread::hardware_concurrency()) : std::atoi(text);
    return std::max(1, wanted);
  }();
  return threads;
}

void Launch(GlobalMemory& global, const LaunchShape& shape, const std::function<void()>& body,
            const LaunchOptions& options) {
  CheckShape(shape);
  const uint32_t threads = shape.block.x * shape.block.y * shape.block.z;
  const uint64_t num_blocks = uint64_t{shape.grid.x} * shape.grid.y * shape.grid.z;
  std::vector<uint32_t> order(num_blocks);
  std::iota(order.begin(), order.end(), 0u);
  Random random(options.seed);
  for (uint64_t i = num_blocks; i > 1; --i) std::swap(order[i - 1], order[random.Below(static_cast<uint32_t>(i))]);

  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      Stacks& stacks = StacksOfThisThread(threads);
      for (uint64_t n = next++; n < num_blocks; n = next++) {
        const uint32_t number = order[n];
        Block block(global, shape, stacks);
        block.Run({number % shape.grid.x, number / shape.grid.x % shape.grid.y, number / shape.grid.x / shape.grid.y},
                  options.seed, body);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = num_blocks;
    }
  };
  const auto workers = static_cast<uint64_t>(std::max(1, options.host_threads));
  std::vector<std::thread> others;
  for (uint64_t i = 1; i < std::min(workers, num_blocks); ++i) others.emplace_back(work);
  work();
  for (std::thread& thread : others) thread.join();
  global.EndLaunch();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace cuda_emulation
