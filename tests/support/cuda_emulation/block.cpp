#include "cuda_emulation/block.h"

#include <bit>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include "cuda_emulation/lanes.h"

namespace cuda_emulation {
namespace {

constexpr uint32_t kPreemptionMean = 400;  // accesses to memory
constexpr uint32_t kWarpChangeMean = 100;  // switches

// The stack belongs to Stacks.
struct NoAllocator {
  void deallocate(boost::context::stack_context&) noexcept {}
};

}  // namespace

void Block::FailOutside() { throw std::logic_error("a function of the device was called outside of a launch"); }

Block::Block(GlobalMemory& global, const LaunchShape& shape, Stacks& stacks)
    : global_(global),
      report_global_([this](Fault fault, const std::string& what) { Fail(fault, what); }),
      shape_(shape),
      stacks_(stacks),
      num_threads_(shape.block.x * shape.block.y * shape.block.z),
      num_warps_(num_threads_ / kWarpSize),
      shared_([this](Fault fault, uint32_t thread, const std::string& what) { Fail(fault, thread, what); }),
      threads_(num_threads_),
      warps_(num_warps_) {
  for (NamedBarrier& barrier : barriers_) {
    barrier.arrived_lanes.resize(num_warps_);
    barrier.waiting_lanes.resize(num_warps_);
  }
}

Block::~Block() = default;

void Block::Fail(Fault fault, uint32_t thread, const std::string& what) const {
  const Index3& b = shape_.block;
  std::ostringstream out;
  out << what << " [block (" << index_.x << ", " << index_.y << ", " << index_.z << "), thread " << thread << " ("
      << thread % b.x << ", " << thread / b.x % b.y << ", " << thread / b.x / b.y << "), seed " << seed_ << "]";
  throw EmulationFault(fault, out.str());
}

Index3 Block::thread_index() const {
  const uint32_t i = current_->index;
  return {i % shape_.block.x, i / shape_.block.x % shape_.block.y, i / shape_.block.x / shape_.block.y};
}

// ---- Memory ----

void Block::ReadGlobal(const void* from, size_t bytes, size_t alignment, const char* what) {
  Touch();
  global_.Read(from, bytes, alignment, block_number_, what, report_global_);
}

void Block::ReadConstant(const void* from, size_t bytes, size_t alignment, const char* what) {
  Touch();
  global_.Read(from, bytes, alignment, GlobalMemory::kNoBlock, what, report_global_);
}

void Block::WriteGlobal(void* to, size_t bytes, size_t alignment, const char* what) {
  Touch();
  global_.Write(to, bytes, alignment, block_number_, what, report_global_);
}

void Block::AtomicGlobal(void* to, size_t bytes, const char* what) {
  Touch();
  global_.Atomic(to, bytes, what, report_global_);
}

void Block::Land(PendingCopy& copy) {
  if (copy.landed) return;
  copy.landed = true;
  if (copy.source_bytes > 0) std::memcpy(copy.to, copy.from, copy.source_bytes);
  std::memset(copy.to + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
}

void Block::LandSomeCopies() {
  for (PendingCopy& copy : threads_[random_.Below(num_threads_)].copies) {
    if (random_.Below(2) == 0) Land(copy);
  }
}

void Block::Copy(uint32_t to, const void* from, uint32_t bytes, uint32_t source_bytes) {
  Touch();
  if (source_bytes > bytes) {
    Fail(Fault::kBadOperand,
         "cp.async of " + std::to_string(bytes) + " bytes with a source of " + std::to_string(source_bytes));
  }
  if (reinterpret_cast<uintptr_t>(from) % bytes != 0 && source_bytes > 0) {
    Fail(Fault::kMisaligned, "cp.async of " + std::to_string(bytes) + " bytes: its source is not a multiple of that");
  }
  if (source_bytes > 0) {
    global_.Read(from, source_bytes, 1, block_number_, "cp.async", report_global_);
  }
  PendingCopy copy{from, shared_.BeginCopy(to, bytes, accessor(), "cp.async"), to, bytes, source_bytes, current_->group,
                   false};
  if (random_.Below(4) == 0) Land(copy);
  current_->copies.push_back(copy);
}

void Block::CommitCopies() { ++current_->group; }

void Block::WaitForCopies(uint32_t pending_groups) {
  std::vector<PendingCopy>& copies = current_->copies;
  size_t done = 0;
  while (done < copies.size() && copies[done].group + pending_groups < current_->group) {
    Land(copies[done]);
    shared_.EndCopy(copies[done].address, copies[done].bytes, accessor());
    ++done;
  }
  copies.erase(copies.begin(), copies.begin() + static_cast<std::ptrdiff_t>(done));
}

// ---- The schedule ----

void Block::MakeReady(uint32_t warp, uint32_t lanes) {
  if (lanes == 0) return;
  warps_[warp].ready |= lanes;
  ready_warps_ |= 1u << warp;
}

void Block::MakeUnready(const Thread& thread) {
  const uint32_t warp = thread.index / kWarpSize;
  warps_[warp].ready &= ~(1u << thread.index % kWarpSize);
  if (warps_[warp].ready == 0) ready_warps_ &= ~(1u << warp);
}

// The next lane of the same warp; when the draw says so, or none is ready, any lane of any warp.
Block::Thread* Block::PickNext() {
  if (ready_warps_ == 0) return nullptr;
  uint32_t warp = current_->index / kWarpSize, after = current_->index % kWarpSize;
  if (current_ == &main_ || warps_[warp].ready == 0 || --until_warp_change_ == 0) {
    until_warp_change_ = 1 + random_.Below(2 * kWarpChangeMean);
    uint32_t skip = random_.Below(static_cast<uint32_t>(std::popcount(ready_warps_))), warps = ready_warps_;
    while (skip-- > 0) warps &= warps - 1;
    warp = static_cast<uint32_t>(std::countr_zero(warps));
    after = random_.Below(kWarpSize);
  }
  const uint32_t ready = warps_[warp].ready;
  const uint32_t later = after == kWarpSize - 1 ? 0 : ready & ~0u << (after + 1);
  return &threads_[warp * kWarpSize + static_cast<uint32_t>(std::countr_zero(later != 0 ? later : ready))];
}

void Block::Suspend() {
  Thread* next = PickNext();
  if (next == nullptr) FailDeadlock();
  SwitchTo(*next);
}

void Block::Preempt() {
  until_preemption_ = 1 + random_.Below(2 * kPreemptionMean);
  LandSomeCopies();
  until_warp_change_ = 1;
  Thread* next = PickNext();  // the current thread is ready, so there is one
  if (next != current_) SwitchTo(*next);
}

void Block::SwitchTo(Thread& next) {
  Thread& from = *current_;
  previous_ = &from;
  current_ = &next;
  AnnotateLeave(from.annotation, next.annotation, false);
  Arrived(std::move(next.fiber).resume());
  if (aborting_ && current_ != &main_) throw Abort{};
}

void Block::Arrived(boost::context::fiber&& from) {
  AnnotateArrival(current_->annotation, previous_->annotation);
  previous_->fiber = std::move(from);
}

void Block::Start(Thread& thread) {
  const Stacks::Stack stack = stacks_[thread.index];
  thread.annotation = {stack.bottom, stack.bytes};
  boost::context::stack_context context;
  context.sp = static_cast<std::byte*>(stack.bottom) + stack.bytes;
  context.size = stack.bytes;
  thread.fiber =
      boost::context::fiber(std::allocator_arg, boost::context::preallocated(context.sp, context.size, context),
                            NoAllocator{}, [this](boost::context::fiber&& from) { return Live(std::move(from)); });
}

boost::context::fiber Block::Live(boost::context::fiber&& from) {
  Arrived(std::move(from));
  std::exception_ptr failure;
  try {
    if (!aborting_) {
      (*body_)();
      CheckThreadEnd();
    }
  } catch (const Abort&) {
  } catch (...) {
    failure = std::current_exception();
  }
  Thread& me = *current_;
  me.done = true;
  --threads_left_;
  warps_[me.index / kWarpSize].done |= 1u << me.index % kWarpSize;
  MakeUnready(me);
  Thread* next = nullptr;
  if (!aborting_ && !failure && threads_left_ > 0) {
    next = PickNext();
    if (next == nullptr) {
      try {
        FailDeadlock();
      } catch (...) {
        failure = std::current_exception();
      }
    }
  }
  if (failure && !failure_) failure_ = failure;
  if (next == nullptr) next = &main_;
  previous_ = &me;
  current_ = next;
  AnnotateLeave(me.annotation, next->annotation, true);
  return std::move(next->fiber);
}

void Block::CheckThreadEnd() const {
  if (!current_->copies.empty()) {
    Fail(Fault::kOutstandingCopy, "the thread ends with " + std::to_string(current_->copies.size()) +
                                      " asynchronous copies that it did not wait for");
  }
  for (const auto& meeting : warps_[current_->index / kWarpSize].meetings) {
    if (meeting->name != nullptr && (meeting->mask >> lane() & 1) != 0) {
      Fail(Fault::kDivergence, "the thread ends while lanes " + Lanes(meeting->arrived) + " wait for it at " +
                                   meeting->name + " with mask " + Hex(meeting->mask));
    }
  }
}

void Block::CheckBlockEnd() const {
  for (uint32_t id = 0; id < kNumBarriers; ++id) {
    const NamedBarrier& barrier = barriers_[id];
    if (barrier.arrived == 0) continue;
    Fail(Fault::kBarrier, 0,
         "the block ends with " + std::to_string(barrier.arrived) + " of " + std::to_string(barrier.expected) +
             " threads arrived at barrier " + std::to_string(id));
  }
}

// Says what everybody waits for.
void Block::FailDeadlock() const {
  std::ostringstream out;
  bool divergence = false;
  out << "nobody can run: ";
  for (uint32_t w = 0; w < num_warps_; ++w) {
    for (const auto& meeting : warps_[w].meetings) {
      if (meeting->name == nullptr) continue;
      divergence = true;
      out << "warp " << w << " waits at " << meeting->name << " for lanes " << Lanes(meeting->mask & ~meeting->arrived)
          << "; ";
    }
  }
  for (uint32_t id = 0; id < kNumBarriers; ++id) {
    const NamedBarrier& barrier = barriers_[id];
    if (barrier.arrived == 0) continue;
    out << "barrier " << id << " has " << barrier.arrived << " of " << barrier.expected << " threads, lacking";
    int named = 0;
    for (const Thread& thread : threads_) {
      const uint32_t came = barrier.arrived_lanes[thread.index / kWarpSize] >> thread.index % kWarpSize & 1;
      if (came != 0 || named == 4) continue;
      ++named;
      out << " thread " << thread.index;
      if (thread.done) out << " (ended)";
      if (thread.barrier >= 0) out << " (at barrier " << thread.barrier << ")";
    }
    out << (named == 4 ? " …; " : "; ");
  }
  std::string what = out.str();
  what.resize(what.size() - 2);
  Fail(divergence ? Fault::kDivergence : Fault::kDeadlock, current_->index, what);
}

void Block::Run(const Index3& index, uint64_t seed, const std::function<void()>& body) {
  index_ = index;
  seed_ = seed;
  block_number_ = (uint64_t{index.z} * shape_.grid.y + index.y) * shape_.grid.x + index.x;
  random_ = Random(seed * 0x9e3779b97f4a7c15u + block_number_);
  shared_.Reset(shape_.shared_bytes, num_threads_, random_.Next());
  until_preemption_ = 1 + random_.Below(2 * kPreemptionMean);
  until_warp_change_ = 1 + random_.Below(2 * kWarpChangeMean);
  body_ = &body;
  threads_left_ = num_threads_;
  for (uint32_t t = 0; t < num_threads_; ++t) {
    threads_[t].index = t;
    Start(threads_[t]);
    MakeReady(t / kWarpSize, 1u << t % kWarpSize);
  }
  current_ = &main_;
  running_ = this;
  SwitchTo(*PickNext());
  if (failure_) {
    aborting_ = true;
    for (Thread& thread : threads_) {
      if (!thread.done) SwitchTo(thread);
    }
  }
  running_ = nullptr;
  if (failure_) std::rethrow_exception(failure_);
  CheckBlockEnd();
}

}  // namespace cuda_emulation
