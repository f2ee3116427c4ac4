#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include "cuda_emulation/block.h"
#include "cuda_emulation/lanes.h"

// Where threads of a block meet: operations of a warp, and barriers.
namespace cuda_emulation {

// ---- Operations of a warp ----

Block::Meeting* Block::Arrive(const char* name, uint32_t mask, void* operand) {
  Warp& warp = warps_[current_->index / kWarpSize];
  const uint32_t me = 1u << lane();
  if ((mask & me) == 0) Fail(Fault::kDivergence, std::string(name) + ": the mask " + Hex(mask) + " lacks this lane");
  if ((mask & warp.done) != 0) {
    Fail(Fault::kDivergence, std::string(name) + ": lanes " + Lanes(mask & warp.done) + " of the warp have ended");
  }
  Meeting *mine = nullptr, *vacant = nullptr;
  for (const auto& meeting : warp.meetings) {
    if (meeting->name == nullptr) {
      vacant = meeting.get();
    } else if (meeting->mask == mask && (meeting->name == name || std::strcmp(meeting->name, name) == 0)) {
      mine = meeting.get();
    } else if ((meeting->mask & me) != 0 && (mask & meeting->arrived) != 0) {
      Fail(Fault::kDivergence, std::string(name) + " with mask " + Hex(mask) + ", while lanes " +
                                   Lanes(meeting->arrived) + " wait for this lane at " + meeting->name + " with mask " +
                                   Hex(meeting->mask));
    }
  }
  if (mine == nullptr) {
    if (vacant == nullptr) {
      warp.meetings.push_back(std::make_unique<Meeting>());
      vacant = warp.meetings.back().get();
    }
    mine = vacant;
    mine->name = name;
    mine->mask = mask;
    mine->arrived = 0;
    std::fill(std::begin(mine->operands), std::end(mine->operands), nullptr);
  }
  mine->operands[lane()] = operand;
  mine->arrived |= me;
  if (mine->arrived == mine->mask) return mine;
  MakeUnready(*current_);
  Suspend();
  return nullptr;
}

void Block::Part(Meeting& meeting) {
  meeting.name = nullptr;
  MakeReady(current_->index / kWarpSize, meeting.mask);
}

void Block::SyncWarp(uint32_t mask) {
  Touch();
  char nothing = 0;
  Together("bar.warp.sync", mask, nothing, [this](char* const*, uint32_t lanes) {
    const uint32_t first = current_->index / kWarpSize * kWarpSize;
    Release release;
    for (uint32_t l = 0; l < kWarpSize; ++l) {
      if (lanes >> l & 1) release.Add(first + l, threads_[first + l].clock, num_threads_);
    }
    const View view = release.Take();
    for (uint32_t l = 0; l < kWarpSize; ++l) {
      if (lanes >> l & 1) threads_[first + l].clock.view = view;
    }
  });
}

// ---- Barriers ----

uint32_t Block::Barrier(const char* name, uint32_t id, uint32_t threads, bool wait, Reduction reduction,
                        bool predicate) {
  Touch();
  if (id >= kNumBarriers) {
    Fail(Fault::kBarrier, std::string(name) + " " + std::to_string(id) + ": there are barriers 0–15");
  }
  const std::string what = std::string(name) + " " + std::to_string(id) + ", " + std::to_string(threads);
  if (threads == 0 || threads % kWarpSize != 0 || threads > num_threads_) {
    Fail(Fault::kBarrier,
         what + ": the number of threads is a multiple of 32 up to the block's " + std::to_string(num_threads_));
  }
  NamedBarrier& barrier = barriers_[id];
  const uint32_t warp = current_->index / kWarpSize, me = 1u << lane();
  if (barrier.arrived > 0 && barrier.expected != threads) {
    Fail(Fault::kBarrier, what + ": others came to it for " + std::to_string(barrier.expected) + " threads");
  }
  if ((barrier.arrived_lanes[warp] & me) != 0) {
    Fail(Fault::kBarrier, what + ": this thread comes again before the barrier is complete (" +
                              std::to_string(barrier.arrived) + " threads came)");
  }
  if (wait && barrier.arrived > 0 && barrier.reduction != reduction && barrier.reduction != Reduction::kNone &&
      reduction != Reduction::kNone) {
    Fail(Fault::kBarrier, what + ": others came to it for another reduction");
  }
  barrier.expected = threads;
  if (wait && reduction != Reduction::kNone) barrier.reduction = reduction;
  barrier.arrived_lanes[warp] |= me;
  ++barrier.arrived;
  barrier.count += predicate;
  barrier.any |= predicate;
  barrier.all &= predicate;
  barrier.release.Add(current_->index, current_->clock, num_threads_);
  if (wait) barrier.waiting_lanes[warp] |= me;
  if (barrier.arrived == barrier.expected) {
    CompleteBarrier(barrier);
  } else if (wait) {
    current_->barrier = static_cast<int>(id);
    MakeUnready(*current_);
    Suspend();
  }
  return wait ? current_->barrier_result : 0;
}

void Block::CompleteBarrier(NamedBarrier& barrier) {
  const View view = barrier.release.Take();
  uint32_t waited = 0;
  for (const uint32_t lanes : barrier.waiting_lanes) waited += static_cast<uint32_t>(std::popcount(lanes));
  if (waited == num_threads_) shared_.EndEpoch();
  const uint32_t result = barrier.reduction == Reduction::kOr    ? barrier.any
                          : barrier.reduction == Reduction::kAnd ? barrier.all
                                                                 : barrier.count;
  for (uint32_t w = 0; w < num_warps_; ++w) {
    for (uint32_t l = 0; l < kWarpSize; ++l) {
      if ((barrier.waiting_lanes[w] >> l & 1) == 0) continue;
      Thread& thread = threads_[w * kWarpSize + l];
      thread.clock.view = view;
      thread.barrier_result = result;
      thread.barrier = -1;
    }
    MakeReady(w, barrier.waiting_lanes[w]);
    barrier.arrived_lanes[w] = barrier.waiting_lanes[w] = 0;
  }
  barrier.expected = barrier.arrived = barrier.count = 0;
  barrier.any = false;
  barrier.all = true;
  barrier.reduction = Reduction::kNone;
}

}  // namespace cuda_emulation
