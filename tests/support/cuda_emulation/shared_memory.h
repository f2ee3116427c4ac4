#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda_emulation/clocks.h"
#include "cuda_emulation/fault.h"

namespace cuda_emulation {

// Where a block's dynamic shared memory begins in the address space of `.shared`. Not 0, so that a forgotten base
// shows.
inline constexpr uint32_t kSharedBase = 1024;

// Through which door an access goes. Accesses of one proxy are ordered by barriers; between proxies a fence is needed
// as well (fence.proxy.async): the shadow keeps the proxy for that rule, which binds TMA and wgmma.
enum class Proxy : uint8_t { kGeneric, kAsync };

// Who accesses.
struct Accessor {
  uint32_t thread = 0;  // in the block
  const ThreadClock* clock = nullptr;
  Proxy proxy = Proxy::kGeneric;
};

// A block's shared memory. Every 16 bytes have a shadow: which threads wrote which of them when, who has read them
// since, and whether a copy into them is in flight. A block begins with random bytes that nobody wrote.
class SharedMemory {
 public:
  // Faults go to `report`, which does not return.
  using Report = std::function<void(Fault, uint32_t thread, const std::string& what)>;
  explicit SharedMemory(Report report) : report_(std::move(report)) {}

  void Reset(uint32_t bytes, uint32_t num_threads, uint64_t seed);
  uint32_t size() const { return size_; }

  // Every thread of the block has waited for every other: accesses so far are ordered before those to come.
  void EndEpoch() { ++epoch_; }

  // Each checks an access of `bytes` (1, 2, 4, 8 or 16, aligned to that) and says where the bytes lie.
  const std::byte* Read(uint32_t address, uint32_t bytes, const Accessor& by, const char* what);
  std::byte* Write(uint32_t address, uint32_t bytes, const Accessor& by, const char* what);
  std::byte* Atomic(uint32_t address, uint32_t bytes, const Accessor& by, const char* what);

  // An asynchronous copy into [address, address + bytes): from Begin on nobody may touch them; after End, which says
  // that the thread has waited, it is as if the thread had written them at that moment.
  std::byte* BeginCopy(uint32_t address, uint32_t bytes, const Accessor& by, const char* what);
  void EndCopy(uint32_t address, uint32_t bytes, const Accessor& by);

 private:
  static constexpr Clock kInFlight = ~Clock{0};
  struct Access {
    Clock clock;
    uint16_t thread;
    uint16_t bytes;  // a bit each of the 16
  };
  // Lists too long for the granule itself. When many threads have read, the last read of each lies at its number in
  // `reads_of` (clock 0: none); `reads` then holds what that has no room for.
  struct Spill {
    std::vector<Access> writes, reads, atomics, reads_of;
  };
  static constexpr size_t kFewReads = 8;
  struct Granule {
    Access writes[2], reads[3];
    std::unique_ptr<Spill> spill;
    uint32_t write_epoch = 0, read_epoch = 0;  // of the last write and read
    uint16_t written = 0;
    uint8_t num_writes = 0, num_reads = 0, in_flight = 0;
    Proxy proxy = Proxy::kGeneric;  // of the last writer
  };
  // A granule's list, wherever it is.
  struct List {
    Access* data;
    size_t size;
  };
  static List Writes(Granule& granule);
  static List Reads(Granule& granule);
  static void AddWrite(Granule& granule, const Access& access);
  static Spill& SpillOf(Granule& granule);
  void AddRead(Granule& granule, const Access& access, const Accessor& by);
  void AddReadOfMany(Spill& spill, const Access& access);
  void ForgetOldEpochs(Granule& granule) const;          // what is ordered before everything to come
  static void Forget(Granule& granule, uint16_t bytes);  // every access to them, which a write made history

  Granule& Locate(uint32_t address, uint32_t bytes, const Accessor& by, const char* what, uint16_t& mask);
  void CheckAfterWrites(Granule& granule, uint16_t mask, const Accessor& by, Fault fault, uint32_t address,
                        const char* what);
  void CheckAfterReads(Granule& granule, uint16_t mask, const Accessor& by, uint32_t address, const char* what);
  void CheckAfterAtomics(Granule& granule, uint16_t mask, const Accessor& by, Fault fault, uint32_t address,
                         const char* what);
  [[noreturn]] void Fail(Fault fault, const Accessor& by, const std::string& what);
  static bool IsBefore(const Access& access, const Accessor& by) {
    return access.clock != kInFlight && (access.thread == by.thread || access.clock < by.clock->view[access.thread]);
  }

  Report report_;
  uint32_t size_ = 0, num_threads_ = 0, epoch_ = 1;
  std::vector<std::byte> memory_;
  std::byte* bytes_ = nullptr;  // aligned to 1024 as kSharedBase is
  std::vector<Granule> granules_;
};

}  // namespace cuda_emulation
