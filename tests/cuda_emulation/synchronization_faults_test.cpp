#include <cstring>
#include <functional>
#include <stdexcept>
#include <vector>

#include "tests/cuda_emulation/faults.h"

// What a kernel can do wrong where threads meet.
namespace cuda_emulation {
namespace {

TEST_F(FaultsTest, LanesMissingFromACollective) {
  ExpectFault({Fault::kDivergence}, "shfl.sync.bfly", [] {
    if (ptx::ThreadIndex() % 32 < 20) ptx::ShuffleXor(1, 1);
  });
  ExpectFault({Fault::kDivergence}, "", [] {
    int32_t d[4] = {};
    const uint32_t a[4] = {};
    if (ptx::ThreadIndex() == 5) return;
    ptx::MultiplyS8(d, a, 0, 0);
  });
  // Half of the warp waits at a barrier of the block, half at a vote.
  ExpectFault(
      {Fault::kDivergence}, "vote.sync for lanes 16–31",
      [] {
        if (ptx::ThreadIndex() % 32 < 16) {
          ptx::Ballot(true);
        } else {
          ptx::SyncThreads();
        }
      },
      32);
}

TEST_F(FaultsTest, DifferentCollectives) {
  ExpectFault({Fault::kDivergence}, "wait for this lane at", [] {
    if (ptx::ThreadIndex() % 2 == 0) {
      ptx::Ballot(true);
    } else {
      ptx::Shuffle(1, 0);
    }
  });
  ExpectFault({Fault::kDivergence}, "lacks this lane", [] { Block::Current().SyncWarp(1u << 3); });
  ExpectFault({Fault::kDivergence}, "which does not take part",
              [] { Shuffle(1, ShuffleKind::kIndex, 31, ptx::ThreadIndex() % 32 < 16 ? 0xffffu : 0xffff0000u); });
  // Halves of a warp, each with its own mask.
  ExpectFine([] {
    const int lane = ptx::ThreadIndex() % 32;
    const uint32_t mask = lane < 16 ? 0xffffu : 0xffff0000u;
    if (Shuffle(static_cast<uint64_t>(lane), ShuffleKind::kXor, 3, mask) != static_cast<uint64_t>(lane ^ 3))
      ADD_FAILURE();
  });
}

TEST_F(FaultsTest, BarriersWithWrongCounts) {
  ExpectFault(
      {Fault::kDeadlock}, "barrier 1 has 64 of 96 threads, lacking",
      [] {
        if (ptx::ThreadIndex() < 64) ptx::Barrier(1, 96);
      },
      96);
  ExpectFault(
      {Fault::kBarrier}, "others came to it for", [] { ptx::Barrier(2, ptx::ThreadIndex() < 32 ? 64 : 96); }, 96);
  ExpectFault({Fault::kBarrier}, "multiple of 32", [] { ptx::Barrier(3, 40); });
  ExpectFault({Fault::kBarrier}, "up to the block's 64", [] { ptx::Barrier(3, 96); });
  ExpectFault({Fault::kBarrier}, "barriers 0–15", [] { ptx::Barrier(16, 64); });
  ExpectFault({Fault::kDeadlock}, "(at barrier 5)", [] { ptx::Barrier(ptx::ThreadIndex() < 32 ? 4 : 5, 64); });
}

TEST_F(FaultsTest, ABarrierNotEverybodyComesTo) {
  ExpectFault({Fault::kDeadlock}, "barrier 0 has", [] {
    if (ptx::ThreadIndex() != 40) ptx::SyncThreads();
  });
}

// bar.arrive: comes, and does not wait.
TEST_F(FaultsTest, ArrivingWithoutWaiting) {
  const auto arrive = [] { Block::Current().Barrier("bar.arrive", 6, 64, false, Reduction::kNone, false); };
  const auto produce_and_consume = [arrive](bool in_order) {
    const int me = ptx::ThreadIndex();
    if (me < 32) {
      if (!in_order) arrive();
      ptx::StoreShared(At(4 * me), me);
      if (in_order) arrive();
    } else {
      ptx::Barrier(6, 64);
      if (ptx::LoadShared<int>(At(4 * (me - 32))) != me - 32) ADD_FAILURE();
    }
  };
  ExpectFine([&] { produce_and_consume(true); });
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    EXPECT_THROW(Run([&] { produce_and_consume(false); }, seed, 64, 1), EmulationFault) << seed;
  }
  ExpectFault({Fault::kBarrier}, "the block ends with 32 of 64 threads arrived at barrier 6", [&] {
    if (ptx::ThreadIndex() < 32) arrive();
  });
  ExpectFault({Fault::kBarrier}, "comes again", [&] {
    if (ptx::ThreadIndex() < 32) {
      arrive();
      arrive();
    }
  });
}

TEST_F(FaultsTest, AtomicsOnSharedMemoryAreNoRaceAmongThemselves) {
  const auto add = [](int byte) {
    Block& block = Block::Current();
    auto* word =
        block.shared().Atomic(kSharedBase + static_cast<uint32_t>(byte), 4, block.accessor(), "atom.shared.add");
    uint32_t value;
    std::memcpy(&value, word, 4);
    ++value;
    std::memcpy(word, &value, 4);
  };
  const auto body = [add](bool before, bool after) {
    if (ptx::ThreadIndex() == 0) ptx::StoreShared(At(0), 0u);
    if (before) ptx::SyncThreads();
    add(0);
    if (after) ptx::SyncThreads();
    if (ptx::LoadShared<uint32_t>(At(0)) != 64 && after) ADD_FAILURE();
  };
  ExpectFine([&] { body(true, true); });
  ExpectFault({Fault::kNotVisible, Fault::kOverwrite}, "atom", [&] { body(true, false); });
  EXPECT_THROW(Run([&] { body(false, true); }, 1, 64, 1), EmulationFault);
}

TEST_F(FaultsTest, ShapesThatNoDeviceTakes) {
  const auto nothing = [] {};
  EXPECT_THROW(Launch(global_, {{1, 1, 1}, {48, 1, 1}, 0}, nothing), EmulationFault);
  EXPECT_THROW(Launch(global_, {{1, 1, 1}, {2048, 1, 1}, 0}, nothing), EmulationFault);
  EXPECT_THROW(Launch(global_, {{0, 1, 1}, {32, 1, 1}, 0}, nothing), EmulationFault);
  EXPECT_THROW(Launch(global_, {{1, 1, 1}, {32, 1, 1}, 300000}, nothing), EmulationFault);
  EXPECT_THROW(ptx::SyncThreads(), std::logic_error);
}

TEST_F(FaultsTest, AnExceptionOfTheTestsOwnComesOut) {
  EXPECT_THROW(Run(
                   [] {
                     if (ptx::ThreadIndex() == 33) throw std::out_of_range("mine");
                     ptx::SyncThreads();
                   },
                   1, 64, 3),
               std::out_of_range);
}

// One seed, one schedule: whoever comes last to an atomic, and where copies land.
TEST_F(FaultsTest, ASeedRepeatsItsSchedule) {
  const auto order_of = [this](uint64_t seed) {
    std::vector<int> order;
    Run(
        [&] {
          ptx::SyncThreads();
          for (int i = 0; i < 10; ++i) {
            order.push_back(ptx::ThreadIndex());
            ptx::LoadGlobal(in_.data());
          }
        },
        seed, 128, 1);
    return order;
  };
  EXPECT_EQ(order_of(5), order_of(5));
  EXPECT_NE(order_of(5), order_of(6));
}

}  // namespace
}  // namespace cuda_emulation
