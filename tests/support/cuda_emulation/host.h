#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda_emulation/block.h"
#include "cuda_emulation/formats.h"
#include "cuda_emulation/warp_operations.h"

// The host's half of attention/cuda/common/ptx.cuh: every function of that page, with the same signature and the same
// documentation, on the emulated device.

#define SPARGE_DEVICE inline
#define SPARGE_HAS_E4M3_MMA 1

namespace attention::cuda::ptx {
namespace emulation = ::cuda_emulation;
inline emulation::Block& Here() { return emulation::Block::Current(); }

inline constexpr int kCompiledFor = 0;

// ---- Where this thread is ----
inline int ThreadIndex() { return static_cast<int>(Here().thread()); }
inline int FreshThreadIndex() { return ThreadIndex(); }
inline int BlockThreads() { return static_cast<int>(Here().shape().block.x); }
inline int64_t BlockX() { return Here().block_index().x; }
inline int64_t BlockY() { return Here().block_index().y; }
inline int64_t GridX() { return Here().shape().grid.x; }
inline int Fresh(int x) { return x; }
inline uint32_t Fresh(uint32_t x) { return x; }

// ---- Memory ----
inline SharedAddress SharedMemory() { return emulation::kSharedBase; }

template <class T>
constexpr void CheckAccessType() {
  static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16);
  static_assert(std::is_trivially_copyable_v<T>);
}

template <class T>
T LoadShared(SharedAddress address) {
  CheckAccessType<T>();
  emulation::Block& block = Here();
  block.Touch();
  T value;
  std::memcpy(&value, block.shared().Read(address, sizeof(T), block.accessor(), "ld.shared"), sizeof(T));
  return value;
}
template <class T>
void StoreShared(SharedAddress address, const T& value) {
  CheckAccessType<T>();
  emulation::Block& block = Here();
  block.Touch();
  std::memcpy(block.shared().Write(address, sizeof(T), block.accessor(), "st.shared"), &value, sizeof(T));
}
template <class T>
T LoadGlobal(const T* from) {
  CheckAccessType<T>();
  Here().ReadGlobal(from, sizeof(T), sizeof(T), "ld.global");
  T value;
  std::memcpy(&value, static_cast<const void*>(from), sizeof(T));
  return value;
}
template <class T>
T LoadConstant(const T* from) {
  CheckAccessType<T>();
  Here().ReadConstant(from, sizeof(T), sizeof(T), "ld.global.nc");
  T value;
  std::memcpy(&value, static_cast<const void*>(from), sizeof(T));
  return value;
}
template <class T>
void StoreGlobal(T* to, const T& value) {
  CheckAccessType<T>();
  Here().WriteGlobal(to, sizeof(T), sizeof(T), "st.global");
  std::memcpy(static_cast<void*>(to), &value, sizeof(T));
}
inline void AtomicAdd(int64_t* to, int64_t value) {
  Here().AtomicGlobal(to, sizeof(int64_t), "red.global.add");
  std::atomic_ref<int64_t>(*to).fetch_add(value, std::memory_order_relaxed);
}

template <int kBytes>
void CpAsync(SharedAddress to, const void* from, int source_bytes = kBytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  Here().Copy(to, from, kBytes, static_cast<uint32_t>(source_bytes));
}
inline void CpAsyncCommit() { Here().CommitCopies(); }
template <int kPending>
void CpAsyncWait() {
  Here().WaitForCopies(kPending);
}

// ---- Matrix loads ----
inline void LoadMatrices(uint32_t (&r)[4], SharedAddress row) { emulation::LoadMatrices(r, 4, row, false); }
inline void LoadMatrices(uint32_t (&r)[2], SharedAddress row) { emulation::LoadMatrices(r, 2, row, false); }
inline void LoadMatrices(uint32_t (&r)[1], SharedAddress row) { emulation::LoadMatrices(r, 1, row, false); }
inline void LoadMatricesTransposed(uint32_t (&r)[4], SharedAddress row) { emulation::LoadMatrices(r, 4, row, true); }
inline void LoadMatricesTransposed(uint32_t (&r)[2], SharedAddress row) { emulation::LoadMatrices(r, 2, row, true); }

// ---- Matrix products ----
using emulation::MultiplyBF16;
using emulation::MultiplyE4M3;
using emulation::MultiplyF16;
using emulation::MultiplyS8;

// ---- Numbers ----
inline uint32_t FloatBits(float x) { return emulation::Bits(x); }
inline float FromBits(uint32_t bits) { return emulation::FromBits(bits); }
inline float Exp2(float x) { return emulation::Exp2(x); }
inline uint32_t PackF16(float low, float high) {
  return emulation::FloatToHalf(low) | uint32_t{emulation::FloatToHalf(high)} << 16;
}
inline uint32_t PackBF16(float low, float high) {
  return emulation::FloatToBFloat16(low) | uint32_t{emulation::FloatToBFloat16(high)} << 16;
}
inline uint32_t PackE4M3(float x0, float x1, float x2, float x3) {
  return emulation::FloatToE4M3(x0) | uint32_t{emulation::FloatToE4M3(x1)} << 8 |
         uint32_t{emulation::FloatToE4M3(x2)} << 16 | uint32_t{emulation::FloatToE4M3(x3)} << 24;
}
inline float FromF16(uint16_t bits) { return emulation::HalfToFloat(bits); }
inline int32_t RoundToInt(float x) { return emulation::FloatToInt(x); }
inline float FromInt(int32_t x) { return static_cast<float>(x); }
inline float Divide(float x, float y) { return x / y; }
inline float SquareRoot(float x) { return std::sqrt(x); }
inline float FusedMultiplyAdd(float x, float y, float z) { return std::fma(x, y, z); }
inline float Add(float x, float y) { return x + y; }
inline float Subtract(float x, float y) { return x - y; }
inline float Multiply(float x, float y) { return x * y; }
// +0 is more than −0.
inline float Max(float x, float y) {
  if (x == y) return FromBits(FloatBits(x) & FloatBits(y));
  return x > y || y != y ? x : y;
}
inline float Min(float x, float y) {
  if (x == y) return FromBits(FloatBits(x) | FloatBits(y));
  return x < y || y != y ? x : y;
}
inline int32_t Max(int32_t x, int32_t y) { return x > y ? x : y; }
inline int32_t Max(int32_t x, int32_t y, int32_t z) { return Max(Max(x, y), z); }
inline float Log(float x) { return std::log(x); }
inline float Exp(float x) { return std::exp(x); }
inline int CountBits(uint32_t x) { return std::popcount(x); }
inline int LowestBit(uint32_t x) { return std::countr_zero(x); }
inline uint32_t Permute(uint32_t x, uint32_t y, uint32_t selector) {
  const uint64_t bytes = uint64_t{y} << 32 | x;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t pick = selector >> 4 * i;  // bit 3: the byte's sign, eight times
    const auto byte = static_cast<uint32_t>(bytes >> 8 * (pick & 7)) & 0xff;
    result |= (pick & 8 ? (byte & 0x80 ? 0xffu : 0u) : byte) << 8 * i;
  }
  return result;
}

// ---- Across lanes ----
template <class T>
T ShuffleAs(T value, emulation::ShuffleKind kind, int operand) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = emulation::Shuffle(bits, kind, static_cast<uint32_t>(operand), emulation::kFullWarp);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <class T>
T ShuffleXor(T value, int lane_mask) {
  return ShuffleAs(value, emulation::ShuffleKind::kXor, lane_mask);
}
template <class T>
T Shuffle(T value, int from_lane) {
  return ShuffleAs(value, emulation::ShuffleKind::kIndex, from_lane);
}
inline uint32_t Ballot(bool predicate) { return emulation::Ballot(predicate, emulation::kFullWarp); }
inline bool Any(bool predicate) { return Ballot(predicate) != 0; }
inline bool All(bool predicate) { return Ballot(predicate) == emulation::kFullWarp; }
inline void SyncWarp() { Here().SyncWarp(emulation::kFullWarp); }

// ---- Across the block ----
inline uint32_t BlockBarrier(emulation::Reduction reduction, bool predicate) {
  emulation::Block& block = Here();
  return block.Barrier("barrier.sync", 0, block.num_threads(), true, reduction, predicate);
}
inline void SyncThreads() { BlockBarrier(emulation::Reduction::kNone, false); }
inline int SyncThreadsCount(bool predicate) {
  return static_cast<int>(BlockBarrier(emulation::Reduction::kCount, predicate));
}
inline bool SyncThreadsOr(bool predicate) { return BlockBarrier(emulation::Reduction::kOr, predicate) != 0; }
inline void Barrier(int id, int threads) {
  Here().Barrier("barrier.sync", static_cast<uint32_t>(id), static_cast<uint32_t>(threads), true,
                 emulation::Reduction::kNone, false);
}
inline bool BarrierOr(int id, int threads, bool predicate) {
  return Here().Barrier("barrier.red.or", static_cast<uint32_t>(id), static_cast<uint32_t>(threads), true,
                        emulation::Reduction::kOr, predicate) != 0;
}

}  // namespace attention::cuda::ptx
