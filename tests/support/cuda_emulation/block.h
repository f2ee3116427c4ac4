#pragma once

#include <boost/context/fiber.hpp>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda_emulation/clocks.h"
#include "cuda_emulation/fiber_annotations.h"
#include "cuda_emulation/global_memory.h"
#include "cuda_emulation/random.h"
#include "cuda_emulation/shared_memory.h"
#include "cuda_emulation/stacks.h"

namespace cuda_emulation {

inline constexpr uint32_t kWarpSize = 32, kMaxThreads = 1024, kNumBarriers = 16;

struct Index3 {
  uint32_t x = 0, y = 0, z = 0;
};
struct LaunchShape {
  Index3 grid{1, 1, 1}, block{1, 1, 1};
  uint32_t shared_bytes = 0;
};

enum class Reduction : uint8_t { kNone, kOr, kAnd, kCount };

// One block: its threads as fibers of the host thread that runs it, its shared memory, its barriers. A thread runs
// until it waits for others, then another one does; who, and now and then also when, is drawn from the seed.
class Block {
 public:
  Block(GlobalMemory& global, const LaunchShape& shape, Stacks& stacks);
  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  // Runs `body` in every thread of the block. Throws EmulationFault.
  void Run(const Index3& index, uint64_t seed, const std::function<void()>& body);

  // The block that the calling fiber belongs to.
  static Block& Current() {
    if (running_ == nullptr) FailOutside();
    return *running_;
  }

  // ---- For what the current thread executes ----
  uint32_t num_threads() const { return num_threads_; }
  uint32_t thread() const { return current_->index; }
  uint32_t lane() const { return current_->index % kWarpSize; }
  Index3 thread_index() const;
  const Index3& block_index() const { return index_; }
  const LaunchShape& shape() const { return shape_; }
  SharedMemory& shared() { return shared_; }
  Accessor accessor() const { return {current_->index, &current_->clock, Proxy::kGeneric}; }
  Accessor accessor_of_lane(uint32_t lane) const {  // of this thread's warp
    const Thread& thread = threads_[current_->index / kWarpSize * kWarpSize + lane];
    return {thread.index, &thread.clock, Proxy::kGeneric};
  }

  // An access to memory: now and then other threads get on here, or copies in flight land.
  void Touch() {
    if (--until_preemption_ == 0) Preempt();
  }
  void ReadGlobal(const void* from, size_t bytes, size_t alignment, const char* what);
  void ReadConstant(const void* from, size_t bytes, size_t alignment, const char* what);  // ld.global.nc
  void WriteGlobal(void* to, size_t bytes, size_t alignment, const char* what);
  void AtomicGlobal(void* to, size_t bytes, const char* what);

  // An operation of the lanes in `mask`. Each brings its operand and waits; the last to come executes
  // run(operands, mask) for all: operands[l] is null for lanes outside the mask. `name` tells operations apart.
  template <class Operand, class Run>
  void Together(const char* name, uint32_t mask, Operand& mine, Run run) {
    Meeting* meeting = Arrive(name, mask, &mine);
    if (meeting == nullptr) return;
    Operand* operands[kWarpSize];
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) operands[lane] = static_cast<Operand*>(meeting->operands[lane]);
    run(operands, mask);
    Part(*meeting);
  }
  // __syncwarp: orders the memory accesses of the lanes.
  void SyncWarp(uint32_t mask);

  // bar.sync, bar.red (`reduction`) and, with `wait` false, bar.arrive, for this thread.
  uint32_t Barrier(const char* name, uint32_t id, uint32_t threads, bool wait, Reduction reduction, bool predicate);

  // cp.async of the current thread.
  void Copy(uint32_t to, const void* from, uint32_t bytes, uint32_t source_bytes);
  void CommitCopies();
  void WaitForCopies(uint32_t pending_groups);

  [[noreturn]] void Fail(Fault fault, uint32_t thread, const std::string& what) const;
  [[noreturn]] void Fail(Fault fault, const std::string& what) const { Fail(fault, thread(), what); }

 private:
  struct PendingCopy {
    const void* from;
    std::byte* to;
    uint32_t address, bytes, source_bytes, group;
    bool landed;
  };
  struct Thread {
    boost::context::fiber fiber;
    uint32_t index = 0;
    ThreadClock clock;
    std::vector<PendingCopy> copies;  // in the order they were issued
    uint32_t group = 0;               // of the copies issued now
    int barrier = -1;                 // that it waits at
    uint32_t barrier_result = 0;
    bool done = false;
    FiberAnnotation annotation;
  };
  struct Meeting {
    const char* name = nullptr;  // null: free
    uint32_t mask = 0, arrived = 0;
    void* operands[kWarpSize] = {};
  };
  struct Warp {
    uint32_t ready = 0, done = 0;
    std::vector<std::unique_ptr<Meeting>> meetings;
  };
  struct NamedBarrier {
    uint32_t expected = 0, arrived = 0, count = 0;
    bool any = false, all = true;
    Reduction reduction = Reduction::kNone;
    Release release;
    std::vector<uint32_t> arrived_lanes, waiting_lanes;  // by warp
  };
  struct Abort {};  // unwinds the fibers of a block that failed

  Meeting* Arrive(const char* name, uint32_t mask, void* operand);  // the meeting, where this lane completes it
  void Part(Meeting& meeting);
  void CompleteBarrier(NamedBarrier& barrier);

  void Suspend();  // until somebody makes the current thread ready
  void Preempt();
  Thread* PickNext();  // null: nobody is ready
  void SwitchTo(Thread& next);
  void Arrived(boost::context::fiber&& from);  // on the other side of a switch
  void MakeReady(uint32_t warp, uint32_t lanes);
  void MakeUnready(const Thread& thread);
  void Start(Thread& thread);
  boost::context::fiber Live(boost::context::fiber&& from);  // a fiber's whole life; returns who is next
  void CheckThreadEnd() const;
  void CheckBlockEnd() const;

  void LandSomeCopies();
  static void Land(PendingCopy& copy);
  [[noreturn]] void FailDeadlock() const;

  [[noreturn]] static void FailOutside();

  static inline constinit thread_local Block* running_ = nullptr;
  GlobalMemory& global_;
  GlobalMemory::Report report_global_;
  LaunchShape shape_;
  Stacks& stacks_;
  uint32_t num_threads_, num_warps_;
  SharedMemory shared_;
  Random random_{0};
  uint64_t seed_ = 0, block_number_ = 0;
  Index3 index_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  NamedBarrier barriers_[kNumBarriers];
  uint32_t ready_warps_ = 0, threads_left_ = 0;
  uint32_t until_preemption_ = 1, until_warp_change_ = 1;
  Thread main_;  // the host thread itself
  Thread* current_ = nullptr;
  Thread* previous_ = nullptr;  // who switched last
  const std::function<void()>* body_ = nullptr;
  std::exception_ptr failure_;
  bool aborting_ = false;
};

}  // namespace cuda_emulation
