#include <cstring>
#include <functional>
#include <stdexcept>
#include <vector>

#include "tests/cuda_emulation/faults.h"

// What a kernel can do wrong to shared and global memory.
namespace cuda_emulation {
namespace {

TEST_F(FaultsTest, ReadOfSharedMemoryThatNobodyWrote) {
  ExpectFault({Fault::kUnwritten}, "nobody wrote it", [] {
    if (ptx::ThreadIndex() < 63) ptx::StoreShared(At(4 * ptx::ThreadIndex()), 1);
    ptx::SyncThreads();
    ptx::LoadShared<int>(At(4 * ptx::ThreadIndex()));
  });
}

TEST_F(FaultsTest, ReadBeforeTheBarrier) {
  const auto body = [](bool barrier) {
    const int me = ptx::ThreadIndex();
    ptx::StoreShared(At(4 * me), me);
    if (barrier) {
      ptx::SyncThreads();
    } else {
      ptx::SyncWarp();
    }
    if (ptx::LoadShared<int>(At(4 * (63 - me))) != 63 - me) ADD_FAILURE();
  };
  // Whichever of the two warps comes first reads what the other has not written, or not yet shown.
  ExpectFault({Fault::kNotVisible, Fault::kUnwritten}, "", [&] { body(false); });
  ExpectFine([&] { body(true); });
}

// A shuffle makes lanes meet, but orders no memory.
TEST_F(FaultsTest, ShuffleInPlaceOfTheWarpsBarrier) {
  const auto body = [](bool barrier) {
    const int me = ptx::ThreadIndex();
    ptx::StoreShared(At(4 * me), me);
    if (barrier) {
      ptx::SyncWarp();
    } else {
      ptx::ShuffleXor(me, 1);
    }
    ptx::LoadShared<int>(At(4 * (me ^ 1)));
  };
  ExpectFault({Fault::kNotVisible}, "no barrier since thread", [&] { body(false); });
  ExpectFine([&] { body(true); });
}

TEST_F(FaultsTest, OverwritingWhatIsStillToBeRead) {
  const auto body = [](bool barrier) {
    const int me = ptx::ThreadIndex();
    for (int round = 0; round < 3; ++round) {
      ptx::StoreShared(At(4 * me), round);
      ptx::SyncThreads();
      ptx::LoadShared<int>(At(4 * (63 - me)));
      if (barrier) ptx::SyncThreads();
    }
  };
  ExpectFault({Fault::kOverwrite, Fault::kNotVisible}, "no barrier since thread", [&] { body(false); });
  ExpectFine([&] { body(true); });
}

// A shuffle decides who comes first, and orders nothing: the read, then the write or copy over it.
TEST_F(FaultsTest, OverwritingAfterAShuffle) {
  const auto body = [this](bool copy, bool barrier) {
    const int lane = ptx::ThreadIndex();
    for (int i = 0; i < 4; ++i) ptx::StoreShared(At(16 * lane + 4 * i), lane);
    ptx::SyncWarp();
    if (lane != 0) ptx::LoadShared<uint32_t>(At(8));
    if (barrier) {
      ptx::SyncWarp();
    } else {
      ptx::ShuffleXor(lane, 1);
    }
    if (lane != 0) return;
    if (copy) {
      ptx::CpAsync<16>(At(0), in_.data());
      ptx::CpAsyncCommit();
      ptx::CpAsyncWait<0>();
    } else {
      ptx::StoreShared(At(8), uint32_t{1});
    }
  };
  ExpectFault(
      {Fault::kOverwrite}, "st.shared of 4 bytes at shared offset 8: no barrier since thread",
      [&] { body(false, false); }, 32);
  ExpectFault(
      {Fault::kOverwrite}, "read it", [&] { body(false, false); }, 32);
  ExpectFault(
      {Fault::kOverwrite}, "read it", [&] { body(true, false); }, 32);
  ExpectFine([&] { body(false, true); }, 32);
  ExpectFine([&] { body(true, true); }, 32);
  // Another word of the same 16 bytes is no conflict.
  ExpectFine([] {
    ptx::StoreShared(At(4 * ptx::ThreadIndex()), 1);
    ptx::LoadShared<int>(At(4 * ptx::ThreadIndex()));
    ptx::ShuffleXor(1, 1);
    ptx::StoreShared(At(4 * ptx::ThreadIndex()), 2);
  });
}

TEST_F(FaultsTest, TwoThreadsWriteTheSame) {
  ExpectFault({Fault::kOverwrite}, "no barrier since thread",
              [] { ptx::StoreShared(At(4 * (ptx::ThreadIndex() / 2)), 1); });
  // Neighbours within the same 16 bytes are no conflict.
  ExpectFine([] { ptx::StoreShared(At(ptx::ThreadIndex()), uint8_t{1}); });
}

TEST_F(FaultsTest, ReadOfACopyThatIsNotWaitedFor) {
  const auto body = [this](bool wait) {
    const int me = ptx::ThreadIndex();
    ptx::CpAsync<16>(At(16 * me), in_.data() + 4 * me);
    ptx::CpAsyncCommit();
    ptx::CpAsync<16>(At(1024 + 16 * me), in_.data() + 4 * me);
    ptx::CpAsyncCommit();
    if (wait) {
      ptx::CpAsyncWait<0>();
    } else {
      ptx::CpAsyncWait<1>();
    }
    ptx::LoadShared<int>(At(1024 + 16 * me));
    ptx::CpAsyncWait<0>();
  };
  ExpectFault({Fault::kNotVisible}, "in flight", [&] { body(false); });
  ExpectFine([&] { body(true); });
}

TEST_F(FaultsTest, WaitingForOnesOwnCopiesIsNoBarrier) {
  const auto body = [this](bool barrier) {
    const int me = ptx::ThreadIndex();
    ptx::CpAsync<16>(At(16 * me), in_.data() + 4 * me);
    ptx::CpAsyncCommit();
    if (!barrier) ptx::SyncThreads();  // too early
    ptx::CpAsyncWait<0>();
    if (barrier) ptx::SyncThreads();
    ptx::LoadShared<int>(At(16 * (63 - me)));
  };
  ExpectFault({Fault::kNotVisible}, "", [&] { body(false); });
  ExpectFine([&] { body(true); });
}

// A pipeline that fetches into the stage that others still read.
TEST_F(FaultsTest, CopyIntoAStageInUse) {
  const auto body = [this](int fetch_ahead) {
    constexpr int kStages = 2;
    const int me = ptx::ThreadIndex();
    const auto fetch = [&](int tile) {
      if (tile < 6) ptx::CpAsync<16>(At(tile % kStages * 1024 + 16 * me), in_.data() + 4 * me);
      ptx::CpAsyncCommit();
    };
    for (int tile = 0; tile < fetch_ahead; ++tile) fetch(tile);
    for (int tile = 0; tile < 6; ++tile) {
      ptx::CpAsyncWait<0>();
      ptx::SyncThreads();
      fetch(tile + fetch_ahead);
      ptx::LoadShared<int>(At(tile % kStages * 1024 + 16 * (63 - me)));
    }
    ptx::CpAsyncWait<0>();
  };
  ExpectFault({Fault::kOverwrite, Fault::kNotVisible}, "", [&] { body(2); });
  ExpectFine([&] { body(1); });
}

TEST_F(FaultsTest, CopiesOutstandingAtTheEnd) {
  ExpectFault({Fault::kOutstandingCopy}, "did not wait for", [this] {
    ptx::CpAsync<16>(At(16 * ptx::ThreadIndex()), in_.data());
    ptx::CpAsyncCommit();
  });
}

TEST_F(FaultsTest, OutsideOfSharedMemory) {
  ExpectFault({Fault::kOutOfBounds}, "4 bytes at shared offset 4096: the block has 4096",
              [] { ptx::StoreShared(At(4096 - 4 * 63 + 4 * ptx::ThreadIndex()), 1); });
  ExpectFault({Fault::kOutOfBounds}, "offset −4", [] { ptx::LoadShared<int>(At(-4)); });
  ExpectFault({Fault::kOutOfBounds}, "16 bytes", [this] { ptx::CpAsync<16>(At(4096), in_.data()); });
}

TEST_F(FaultsTest, Misaligned) {
  ExpectFault({Fault::kMisaligned}, "not a multiple of 8", [] { ptx::StoreShared(At(12), uint64_t{1}); });
  ExpectFault(
      {Fault::kMisaligned}, "not a multiple of 16",
      [] {
        for (int i = 0; i < 20; ++i)
          ptx::StoreShared(At(640 * (ptx::ThreadIndex() / 32) + 4 * (ptx::ThreadIndex() % 32) + 128 * (i % 5)), i);
        ptx::SyncThreads();
        uint32_t r[4];
        ptx::LoadMatrices(r, At(8 + 16 * (ptx::ThreadIndex() % 32)));
      },
      32);
  ExpectFault({Fault::kMisaligned}, "address is not a multiple of 8", [this] {
    ptx::LoadGlobal(reinterpret_cast<const uint64_t*>(reinterpret_cast<const char*>(in_.data()) + 4));
  });
  ExpectFault(
      {Fault::kMisaligned}, "source", [this] { ptx::CpAsync<16>(At(0), in_.data() + 1); }, 32);
}

TEST_F(FaultsTest, OutsideOfGlobalMemory) {
  ExpectFault({Fault::kOutOfBounds}, "offset 4096 of 'in', which has 4096 bytes",
              [this] { ptx::LoadGlobal(in_.data() + 1024 - 63 + ptx::ThreadIndex()); });
  ExpectFault({Fault::kOutOfBounds}, "offset -4 of 'scratch'", [this] { ptx::StoreGlobal(scratch_ - 1, 1u); });
  ExpectFault({Fault::kOutOfBounds}, "which is an input", [this] { ptx::StoreGlobal(in_.data(), 1u); });
  ExpectFault(
      {Fault::kOutOfBounds}, "cp.async", [this] { ptx::CpAsync<16>(At(0), in_.data() + 1024); }, 32);
  // Not a byte more is read than the copy says.
  ExpectFine([this] {
    ptx::CpAsync<16>(At(16 * ptx::ThreadIndex()), in_.data() + 1020, 12);
    ptx::CpAsync<16>(At(1024 + 16 * ptx::ThreadIndex()), in_.data() + 1024, 0);
    ptx::CpAsyncCommit();
    ptx::CpAsyncWait<0>();
  });
}

TEST_F(FaultsTest, ReadOfGlobalMemoryThatNobodyWrote) {
  ExpectFault({Fault::kUnwritten}, "'scratch'", [this] { ptx::LoadGlobal(scratch_ + ptx::ThreadIndex()); });
  ExpectFault({Fault::kUnwritten}, "what it adds to",
              [this] { ptx::AtomicAdd(reinterpret_cast<int64_t*>(scratch_), int64_t{1}); });
}

TEST_F(FaultsTest, BlocksThatTouchTheSameGlobalMemory) {
  const auto expect_race = [this](const std::function<void()>& body) {
    ExpectFault({Fault::kGlobalRace}, "'out'", body, 32, 4);
  };
  expect_race([this] { ptx::StoreGlobal(out_.data() + ptx::BlockX() / 2 * 32 + ptx::ThreadIndex(), 1u); });
  expect_race([this] {  // each reads what the others have written
    ptx::StoreGlobal(out_.data() + ptx::BlockX() * 32 + ptx::ThreadIndex(), 1u);
    for (int i = 0; i < 4; ++i) ptx::LoadGlobal(out_.data() + 32 * i + ptx::ThreadIndex());
  });
  expect_race([this] {  // a cached read of what the launch itself writes
    ptx::StoreGlobal(out_.data() + ptx::BlockX() * 32 + ptx::ThreadIndex(), 1u);
    ptx::LoadConstant(out_.data() + ptx::BlockX() * 32 + ptx::ThreadIndex());
  });
  ExpectFine([this] { ptx::StoreGlobal(out_.data() + ptx::BlockX() * 32 + ptx::ThreadIndex(), 1u); }, 32, 4);
  ExpectFine([this] { ptx::AtomicAdd(reinterpret_cast<int64_t*>(out_.data()), int64_t{1}); }, 32, 4);
}

}  // namespace
}  // namespace cuda_emulation
