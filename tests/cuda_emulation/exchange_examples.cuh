#pragma once

#include "tests/cuda_emulation/example.h"

// Memory, copies, shuffles, votes and barriers.
namespace cuda_examples {

template <int kBytes>
struct Bytes {
  uint8_t x[kBytes];
};
template <>
struct Bytes<16> {
  uint32_t x[4];
};
template <>
struct Bytes<8> {
  uint32_t x[2];
};
template <>
struct Bytes<4> {
  uint32_t x;
};
template <>
struct Bytes<2> {
  uint16_t x;
};

// A thread's 16 bytes go from global memory through shared memory and back, in pieces of every size; the reader is
// another thread.
template <int kBytes>
struct Pieces : Example {
  static constexpr int kThreads = 64, kSharedBytes = 64 * 16, kOutputs = 64 * 4;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int me = ptx::ThreadIndex(), other = 63 - me;
    using Piece = Bytes<kBytes>;
    const auto* from = reinterpret_cast<const Piece*>(in) + me * 16 / kBytes;
    auto* to = reinterpret_cast<Piece*>(out) + me * 16 / kBytes;
    for (int i = 0; i < 16 / kBytes; ++i) {
      const Piece piece = i % 2 == 0 ? ptx::LoadGlobal(from + i) : ptx::LoadConstant(from + i);
      ptx::StoreShared(ptx::SharedMemory() + static_cast<uint32_t>(16 * me + kBytes * i), piece);
    }
    ptx::SyncThreads();
    for (int i = 0; i < 16 / kBytes; ++i) {
      ptx::StoreGlobal(to + i,
                       ptx::LoadShared<Piece>(ptx::SharedMemory() + static_cast<uint32_t>(16 * other + kBytes * i)));
    }
  }
  static Words Input() { return NoiseWords(256); }
  static Words Expected(const Words& in) {
    Words out;
    for (size_t i = 0; i < 256; ++i) out.push_back(in[(63 - i / 4) * 4 + i % 4]);
    return out;
  }
};
struct Pieces1 : Pieces<1> {
  static constexpr const char* kName = "ld and st of 1 byte";
};
struct Pieces2 : Pieces<2> {
  static constexpr const char* kName = "ld and st of 2 bytes";
};
struct Pieces4 : Pieces<4> {
  static constexpr const char* kName = "ld and st of 4 bytes";
};
struct Pieces8 : Pieces<8> {
  static constexpr const char* kName = "ld and st of 8 bytes";
};
struct Pieces16 : Pieces<16> {
  static constexpr const char* kName = "ld and st of 16 bytes";
};

// Copies of every size, whole, in part (the rest zeros) and of nothing, in two groups that are waited for one by one.
struct AsynchronousCopies : Example {
  static constexpr const char* kName = "cp.async";
  static constexpr int kThreads = 64, kSharedBytes = 64 * 32, kOutputs = 64 * 8;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int me = ptx::ThreadIndex(), other = (me + 37) % 64;
    const ptx::SharedAddress first = ptx::SharedMemory() + static_cast<uint32_t>(16 * me);
    const ptx::SharedAddress second = first + 64 * 16;
    if (me % 8 == 3) {
      ptx::CpAsync<16>(first, nullptr, 0);
    } else {
      ptx::CpAsync<16>(first, in + 4 * me, me % 17);
    }
    ptx::CpAsyncCommit();
    ptx::CpAsync<8>(second, in + 256 + 4 * me);
    ptx::CpAsync<4>(second + 8, in + 256 + 4 * me + 2);
    ptx::CpAsync<4>(second + 12, in + 256 + 4 * me + 3, me % 5);
    ptx::CpAsyncCommit();
    ptx::CpAsyncWait<1>();
    ptx::SyncThreads();
    const ptx::SharedAddress theirs = ptx::SharedMemory() + static_cast<uint32_t>(16 * other);
    for (int i = 0; i < 4; ++i) {
      ptx::StoreGlobal(out + 4 * me + i, ptx::LoadShared<uint32_t>(theirs + static_cast<uint32_t>(4 * i)));
    }
    ptx::CpAsyncWait<0>();
    ptx::SyncThreads();
    for (int i = 0; i < 4; ++i) {
      ptx::StoreGlobal(out + 256 + 4 * me + i,
                       ptx::LoadShared<uint32_t>(theirs + 64 * 16 + static_cast<uint32_t>(4 * i)));
    }
  }
  static Words Input() { return NoiseWords(512); }
  static Words Expected(const Words& in) {
    Words out;
    const auto keep = [](uint32_t word, size_t bytes) {
      return bytes >= 4 ? word : word & static_cast<uint32_t>((uint64_t{1} << 8 * bytes) - 1);
    };
    for (size_t i = 0; i < 256; ++i) {
      const size_t other = (i / 4 + 37) % 64, size = other % 8 == 3 ? 0 : other % 17, before = i % 4 * 4;
      out.push_back(keep(in[4 * other + i % 4], size > before ? size - before : 0));
    }
    for (size_t i = 0; i < 256; ++i) {
      const size_t other = (i / 4 + 37) % 64;
      out.push_back(keep(in[256 + 4 * other + i % 4], i % 4 == 3 ? other % 5 : 4));
    }
    return out;
  }
};

// A pipeline of three stages as the kernels have them: a copy is under way while an earlier one is used.
struct CopyPipeline : Example {
  static constexpr const char* kName = "cp.async pipeline";
  static constexpr int kThreads = 64, kTiles = 9, kStages = 3, kTileBytes = 1024;
  static constexpr int kSharedBytes = kStages * kTileBytes, kOutputs = 64 * 4;
  static SPARGE_DEVICE void Fetch(const uint32_t* in, int tile) {
    const int me = ptx::ThreadIndex();
    if (tile < kTiles) {
      ptx::CpAsync<16>(ptx::SharedMemory() + static_cast<uint32_t>(tile % kStages * kTileBytes + 16 * me),
                       in + 256 * tile + 4 * me);
    }
    ptx::CpAsyncCommit();
  }
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int me = ptx::ThreadIndex();
    uint32_t sums[4] = {};
    for (int tile = 0; tile < kStages - 1; ++tile) Fetch(in, tile);
    for (int tile = 0; tile < kTiles; ++tile) {
      ptx::CpAsyncWait<kStages - 2>();
      ptx::SyncThreads();
      Fetch(in, tile + kStages - 1);
      const ptx::SharedAddress stage = ptx::SharedMemory() + static_cast<uint32_t>(tile % kStages * kTileBytes);
      for (int i = 0; i < 4; ++i) {
        sums[i] =
            sums[i] * 5 + ptx::LoadShared<uint32_t>(stage + static_cast<uint32_t>(16 * ((me + tile) % 64) + 4 * i));
      }
    }
    ptx::CpAsyncWait<0>();
    for (int i = 0; i < 4; ++i) ptx::StoreGlobal(out + 4 * me + i, sums[i]);
  }
  static Words Input() { return NoiseWords(256 * kTiles); }
  static Words Expected(const Words& in) {
    Words out(256);
    for (size_t tile = 0; tile < kTiles; ++tile) {
      for (size_t i = 0; i < 256; ++i) out[i] = out[i] * 5 + in[256 * tile + (i / 4 + tile) % 64 * 4 + i % 4];
    }
    return out;
  }
};

struct Shuffles : Example {
  static constexpr const char* kName = "shfl.sync.bfly, shfl.sync.idx";
  static constexpr int kOutputs = 32 * (31 + 1 + 2 + 2);
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int lane = ptx::ThreadIndex();
    const uint32_t x = ptx::LoadConstant(in + lane);
    for (int mask = 1; mask < 32; ++mask) ptx::StoreGlobal(out + 32 * (mask - 1) + lane, ptx::ShuffleXor(x, mask));
    ptx::StoreGlobal(out + 32 * 31 + lane, ptx::Shuffle(x, (lane * 5 + 3) % 32));
    const uint64_t wide = uint64_t{x} << 32 | static_cast<uint32_t>(lane);
    const uint64_t across = ptx::ShuffleXor(wide, 9), picked = ptx::Shuffle(wide, 31 - lane);
    ptx::StoreGlobal(out + 32 * 32 + lane, static_cast<uint32_t>(across >> 32));
    ptx::StoreGlobal(out + 32 * 33 + lane, static_cast<uint32_t>(across));
    ptx::StoreGlobal(out + 32 * 34 + lane, static_cast<uint32_t>(picked >> 32));
    ptx::StoreGlobal(out + 32 * 35 + lane, ptx::FloatBits(ptx::Shuffle(ptx::FromInt(lane), 7)));
  }
  static Words Input() { return NoiseWords(32); }
  static Words Expected(const Words& in) {
    Words out;
    for (uint32_t mask = 1; mask < 32; ++mask) {
      for (uint32_t lane = 0; lane < 32; ++lane) out.push_back(in[lane ^ mask]);
    }
    for (uint32_t lane = 0; lane < 32; ++lane) out.push_back(in[(lane * 5 + 3) % 32]);
    for (uint32_t lane = 0; lane < 32; ++lane) out.push_back(in[lane ^ 9]);
    for (uint32_t lane = 0; lane < 32; ++lane) out.push_back(lane ^ 9);
    for (uint32_t lane = 0; lane < 32; ++lane) out.push_back(in[31 - lane]);
    for (uint32_t lane = 0; lane < 32; ++lane) out.push_back(BitsOf(7.f));
    return out;
  }
};

struct Votes : Example {
  static constexpr const char* kName = "vote.sync";
  static constexpr int kOutputs = 32 * 5;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int lane = ptx::ThreadIndex();
    ptx::StoreGlobal(out + lane, ptx::Ballot(ptx::LoadConstant(in + lane) % 3 == 0));
    ptx::StoreGlobal(out + 32 + lane, static_cast<uint32_t>(ptx::Any(lane == 17)));
    ptx::StoreGlobal(out + 64 + lane, static_cast<uint32_t>(ptx::Any(lane > 31)));
    ptx::StoreGlobal(out + 96 + lane, static_cast<uint32_t>(ptx::All(lane != 17)));
    ptx::StoreGlobal(out + 128 + lane, static_cast<uint32_t>(ptx::All(lane < 32)));
  }
  static Words Input() { return NoiseWords(32); }
  static Words Expected(const Words& in) {
    uint32_t votes = 0;
    for (uint32_t lane = 0; lane < 32; ++lane) votes |= static_cast<uint32_t>(in[lane] % 3 == 0) << lane;
    Words out(32, votes);
    for (const uint32_t x : {1, 0, 0, 1}) out.insert(out.end(), 32, x);
    return out;
  }
};

// Lanes hand words on through shared memory, with nothing but the warp's barrier.
struct WarpExchange : Example {
  static constexpr const char* kName = "bar.warp.sync";
  static constexpr int kThreads = 64, kSharedBytes = 256, kOutputs = 64;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int me = ptx::ThreadIndex(), next = me / 32 * 32 + (me + 1) % 32;
    uint32_t x = ptx::LoadConstant(in + me);
    for (int round = 0; round < 5; ++round) {
      ptx::StoreShared(ptx::SharedMemory() + static_cast<uint32_t>(4 * me), x);
      ptx::SyncWarp();
      x = ptx::LoadShared<uint32_t>(ptx::SharedMemory() + static_cast<uint32_t>(4 * next)) * 3;
      ptx::SyncWarp();
    }
    ptx::StoreGlobal(out + me, x);
  }
  static Words Input() { return NoiseWords(64); }
  static Words Expected(const Words& in) {
    Words out;
    for (size_t i = 0; i < 64; ++i) out.push_back(in[i / 32 * 32 + (i + 5) % 32] * 243);
    return out;
  }
};

// Two groups of two warps meet at barriers of their own, round by round, at different paces; then everybody meets.
struct NamedBarriers : Example {
  static constexpr const char* kName = "barrier.sync, barrier.red";
  static constexpr int kThreads = 128, kSharedBytes = 512, kRounds = 7, kOutputs = 128 * (1 + kRounds + 3);
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int me = ptx::ThreadIndex(), group = me / 64, opposite = group * 64 + 63 - me % 64;
    const int rounds = group == 0 ? kRounds : 2;
    uint32_t x = ptx::LoadConstant(in + me);
    for (int round = 0; round < rounds; ++round) {
      ptx::StoreShared(ptx::SharedMemory() + static_cast<uint32_t>(4 * me), x);
      ptx::Barrier(1 + group, 64);
      x = ptx::LoadShared<uint32_t>(ptx::SharedMemory() + static_cast<uint32_t>(4 * opposite)) + 1;
      const bool any = ptx::BarrierOr(1 + group, 64, round % 2 == 1 && me % 64 == 40);
      ptx::StoreGlobal(out + 128 * (1 + round) + me, static_cast<uint32_t>(any));
    }
    for (int round = rounds; round < kRounds; ++round) ptx::StoreGlobal(out + 128 * (1 + round) + me, 7u);
    ptx::StoreGlobal(out + me, x);
    ptx::StoreGlobal(out + 128 * (1 + kRounds) + me, static_cast<uint32_t>(ptx::SyncThreadsCount(me % 3 == 0)));
    ptx::StoreGlobal(out + 128 * (2 + kRounds) + me, static_cast<uint32_t>(ptx::SyncThreadsOr(me == 99)));
    ptx::StoreGlobal(out + 128 * (3 + kRounds) + me, static_cast<uint32_t>(ptx::SyncThreadsOr(me == 128)));
  }
  static Words Input() { return NoiseWords(128); }
  static Words Expected(const Words& in) {
    Words out;
    for (size_t i = 0; i < 128; ++i) {
      const bool turned = i < 64 && kRounds % 2 == 1;  // an odd number of turns
      out.push_back(in[turned ? 63 - i : i] + (i < 64 ? kRounds : 2));
    }
    for (size_t round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < 128; ++i) out.push_back(i < 64 || round < 2 ? round % 2 : 7);
    }
    out.insert(out.end(), 128, 43);
    out.insert(out.end(), 128, 1);
    out.insert(out.end(), 128, 0);
    return out;
  }
};

// The skeleton of the main kernel's loop: copies two tiles ahead, one barrier of all a tile, ldmatrix of what other
// warps copied; with kVotes, barriers of each half of the block in between, of which one half takes fewer; in the end
// stores over what the others have read. compute-sanitizer's racecheck is tried on both (attention/cuda/README.md).
template <bool kVotes>
struct LoopSkeleton : Example {
  static constexpr const char* kName =
      kVotes ? "cp.async, bar.sync, ldmatrix and votes of half a block" : "cp.async, bar.sync, ldmatrix";
  static constexpr int kThreads = 128, kTiles = 8, kStages = 3, kTileBytes = 2048;
  static constexpr int kSharedBytes = kStages * kTileBytes, kOutputs = 128 * 6;
  static SPARGE_DEVICE void Fetch(const uint32_t* in, int tile) {
    const int me = ptx::ThreadIndex();
    if (tile < kTiles) {
      ptx::CpAsync<16>(ptx::SharedMemory() + static_cast<uint32_t>(tile % kStages * kTileBytes + 16 * me),
                       in + 512 * tile + 4 * me);
    }
    ptx::CpAsyncCommit();
  }
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int me = ptx::ThreadIndex(), group = me / 64;
    uint32_t sums[4] = {}, votes = 0;
    for (int tile = 0; tile < kStages - 1; ++tile) Fetch(in, tile);
    for (int tile = 0; tile < kTiles; ++tile) {
      ptx::CpAsyncWait<kStages - 2>();
      ptx::SyncThreads();
      Fetch(in, tile + kStages - 1);
      uint32_t r[4];
      const int row = (me / 32 + tile) % 4 * 32 + me % 32;
      ptx::LoadMatrices(r, ptx::SharedMemory() + static_cast<uint32_t>(tile % kStages * kTileBytes + 16 * row));
      for (int i = 0; i < 4; ++i) sums[i] = sums[i] * 5 + r[i];
      if (kVotes && (group == 0 || tile < 3)) {
        votes |= static_cast<uint32_t>(ptx::BarrierOr(1 + group, 64, me % 64 == 13 && tile % 2 == 1)) << tile;
      }
    }
    ptx::CpAsyncWait<0>();
    ptx::SyncThreads();
    for (int i = 0; i < 4; ++i) {
      ptx::StoreShared(ptx::SharedMemory() + static_cast<uint32_t>(16 * me + 4 * i), sums[i]);
      ptx::StoreGlobal(out + 4 * me + i, sums[i]);
    }
    ptx::SyncWarp();
    ptx::StoreGlobal(out + 512 + me,
                     ptx::LoadShared<uint32_t>(ptx::SharedMemory() + static_cast<uint32_t>(16 * (me ^ 1))));
    ptx::StoreGlobal(out + 640 + me, votes);
  }
  static Words Input() { return NoiseWords(512 * kTiles); }
  static Words Expected(const Words& in) {
    Words out(kOutputs);
    for (size_t me = 0; me < 128; ++me) {
      for (size_t tile = 0; tile < kTiles; ++tile) {
        for (size_t i = 0; i < 4; ++i) {
          const size_t row = (me / 32 + tile) % 4 * 32 + 8 * i + me % 32 / 4;
          out[4 * me + i] = out[4 * me + i] * 5 + in[512 * tile + 4 * row + me % 4];
        }
      }
    }
    for (size_t me = 0; me < 128; ++me) {
      out[512 + me] = out[4 * (me ^ 1)];
      out[640 + me] = !kVotes ? 0 : me < 64 ? 0xaa : 0x02;
    }
    return out;
  }
};

// Every thread of a grid adds to 64-bit counters, and says who it is.
struct Grid : Example {
  static constexpr const char* kName = "red.global.add.u64 and special registers";
  static constexpr int kThreads = 64, kBlocksX = 5, kBlocksY = 3, kOutputs = 4 + 15 * 64;
  static SPARGE_DEVICE void Body(const uint32_t*, uint32_t* out) {
    const int me = ptx::ThreadIndex();
    const int64_t block = ptx::BlockY() * ptx::GridX() + ptx::BlockX();
    auto* counters = reinterpret_cast<int64_t*>(out);
    ptx::AtomicAdd(counters + me % 2, me % 2 == 0 ? int64_t{1} << 33 : -1 - block);
    ptx::StoreGlobal(out + 4 + block * ptx::BlockThreads() + me,
                     static_cast<uint32_t>(block * 1000 + ptx::FreshThreadIndex()));
  }
  static Words Input() { return Words(1); }
  static Words Expected(const Words&) {
    const auto large = static_cast<uint64_t>(15 * 32) << 33;
    const auto small = static_cast<uint64_t>(-32 * (15 + 14 * 15 / 2));
    Words out = {static_cast<uint32_t>(large), static_cast<uint32_t>(large >> 32), static_cast<uint32_t>(small),
                 static_cast<uint32_t>(small >> 32)};
    for (uint32_t i = 0; i < 15 * 64; ++i) out.push_back(i / 64 * 1000 + i % 64);
    return out;
  }
};

}  // namespace cuda_examples
