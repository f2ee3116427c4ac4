#include "cuda_emulation/shared_memory.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "cuda_emulation/random.h"

namespace cuda_emulation {

void SharedMemory::Reset(uint32_t bytes, uint32_t num_threads, uint64_t seed) {
  constexpr uint32_t kAlign = 1024;
  num_threads_ = num_threads;
  size_ = bytes;
  memory_.resize(bytes + kAlign);
  bytes_ = memory_.data() + (kAlign - reinterpret_cast<uintptr_t>(memory_.data()) % kAlign) % kAlign;
  Random random(seed);
  for (uint32_t i = 0; i + 8 <= bytes; i += 8) {
    const uint64_t noise = random.Next();
    std::memcpy(bytes_ + i, &noise, 8);
  }
  epoch_ = 1;
  granules_.clear();
  granules_.resize((bytes + 15) / 16);
}

SharedMemory::List SharedMemory::Writes(Granule& g) {
  if (g.spill != nullptr) return {g.spill->writes.data(), g.spill->writes.size()};
  return {g.writes, g.num_writes};
}

SharedMemory::List SharedMemory::Reads(Granule& g) {
  if (g.spill != nullptr) return {g.spill->reads.data(), g.spill->reads.size()};
  return {g.reads, g.num_reads};
}

SharedMemory::Spill& SharedMemory::SpillOf(Granule& g) {
  if (g.spill == nullptr) {
    g.spill = std::make_unique<Spill>();
    g.spill->writes.assign(g.writes, g.writes + g.num_writes);
    g.spill->reads.assign(g.reads, g.reads + g.num_reads);
  }
  return *g.spill;
}

void SharedMemory::AddWrite(Granule& g, const Access& access) {
  if (g.spill == nullptr && g.num_writes < std::size(g.writes)) {
    g.writes[g.num_writes++] = access;
  } else {
    SpillOf(g).writes.push_back(access);
  }
}

void SharedMemory::AddRead(Granule& g, const Access& access, const Accessor& by) {
  if (g.spill != nullptr && !g.spill->reads_of.empty()) return AddReadOfMany(*g.spill, access);
  // What is ordered before this read need not be remembered: a write after this one is after those too.
  const List reads = Reads(g);
  size_t kept = 0;
  for (size_t i = 0; i < reads.size; ++i) {
    const Access read = reads.data[i];
    if ((read.bytes & ~access.bytes) != 0 || !IsBefore(read, by)) reads.data[kept++] = read;
  }
  if (g.spill == nullptr && kept < std::size(g.reads)) {
    g.reads[kept] = access;
    g.num_reads = static_cast<uint8_t>(kept + 1);
    return;
  }
  if (g.spill == nullptr) g.num_reads = static_cast<uint8_t>(kept);
  Spill& spill = SpillOf(g);
  spill.reads.resize(kept);
  if (kept < kFewReads) {
    spill.reads.push_back(access);
    return;
  }
  spill.reads_of.assign(num_threads_, Access{});
  const std::vector<Access> few = std::move(spill.reads);
  spill.reads.clear();
  for (const Access& read : few) AddReadOfMany(spill, read);
  AddReadOfMany(spill, access);
}

void SharedMemory::AddReadOfMany(Spill& spill, const Access& access) {
  Access& last = spill.reads_of[access.thread];
  if (last.clock == 0 || (last.bytes & ~access.bytes) == 0) {
    last = access;
  } else if (last.clock == access.clock) {
    last.bytes |= access.bytes;
  } else {
    std::erase_if(spill.reads,
                  [&](const Access& a) { return a.thread == last.thread && (a.bytes & ~last.bytes) == 0; });
    spill.reads.push_back(last);
    last = access;
  }
}

void SharedMemory::ForgetOldEpochs(Granule& g) const {
  if (g.read_epoch < epoch_) {
    g.num_reads = 0;
    if (g.spill != nullptr) {
      g.spill->reads.clear();
      g.spill->reads_of.clear();
    }
  }
  if (g.write_epoch < epoch_ && g.in_flight == 0) {
    g.num_writes = 0;
    if (g.spill != nullptr) g.spill->writes.clear();
  }
}

void SharedMemory::Forget(Granule& g, uint16_t bytes) {
  if (g.spill == nullptr) {
    const auto shrink = [bytes](Access* data, uint8_t& size) {
      uint8_t kept = 0;
      for (uint8_t i = 0; i < size; ++i) {
        Access access = data[i];
        access.bytes &= static_cast<uint16_t>(~bytes);
        if (access.bytes != 0) data[kept++] = access;
      }
      size = kept;
    };
    shrink(g.writes, g.num_writes);
    shrink(g.reads, g.num_reads);
    return;
  }
  Spill& spill = *g.spill;
  for (std::vector<Access>* list : {&spill.writes, &spill.reads, &spill.atomics}) {
    for (Access& access : *list) access.bytes &= static_cast<uint16_t>(~bytes);
    std::erase_if(*list, [](const Access& access) { return access.bytes == 0; });
  }
  bool any = false;
  for (Access& access : spill.reads_of) {
    access.bytes &= static_cast<uint16_t>(~bytes);
    if (access.bytes == 0) access.clock = 0;
    any |= access.bytes != 0;
  }
  if (!any) spill.reads_of.clear();
}

void SharedMemory::Fail(Fault fault, const Accessor& by, const std::string& what) {
  report_(fault, by.thread, what);
  std::abort();  // report_ throws
}

namespace {
std::string At(uint32_t address, uint32_t bytes) {
  const std::string offset =
      address >= kSharedBase ? std::to_string(address - kSharedBase) : "−" + std::to_string(kSharedBase - address);
  return std::to_string(bytes) + " bytes at shared offset " + offset;
}
}  // namespace

SharedMemory::Granule& SharedMemory::Locate(uint32_t address, uint32_t bytes, const Accessor& by, const char* what,
                                            uint16_t& mask) {
  const uint32_t offset = address - kSharedBase;
  if (address < kSharedBase || offset > size_ || size_ - offset < bytes) {
    Fail(Fault::kOutOfBounds, by,
         std::string(what) + " of " + At(address, bytes) + ": the block has " + std::to_string(size_) + " bytes");
  }
  if (address % bytes != 0) {
    Fail(Fault::kMisaligned, by,
         std::string(what) + " of " + At(address, bytes) + ": not a multiple of " + std::to_string(bytes));
  }
  mask = static_cast<uint16_t>(((1u << bytes) - 1) << offset % 16);
  Granule& granule = granules_[offset / 16];
  ForgetOldEpochs(granule);
  return granule;
}

void SharedMemory::CheckAfterWrites(Granule& g, uint16_t mask, const Accessor& by, Fault fault, uint32_t address,
                                    const char* what) {
  const List writes = Writes(g);
  for (size_t i = 0; i < writes.size; ++i) {
    const Access& write = writes.data[i];
    if ((write.bytes & mask) == 0 || IsBefore(write, by)) continue;
    const auto bytes = static_cast<uint32_t>(std::popcount(mask));
    const std::string who = write.thread == by.thread ? "this thread" : "thread " + std::to_string(write.thread);
    Fail(fault, by,
         std::string(what) + " of " + At(address, bytes) +
             (write.clock == kInFlight ? ": a copy into it that " + who + " began is in flight, not waited for"
                                       : ": no barrier since " + who + " wrote it"));
  }
}

void SharedMemory::CheckAfterReads(Granule& g, uint16_t mask, const Accessor& by, uint32_t address, const char* what) {
  const auto check = [&](const Access& read) {
    if ((read.bytes & mask) == 0 || IsBefore(read, by)) return;
    Fail(Fault::kOverwrite, by,
         std::string(what) + " of " + At(address, static_cast<uint32_t>(std::popcount(mask))) +
             ": no barrier since thread " + std::to_string(read.thread) + " read it");
  };
  const List reads = Reads(g);
  for (size_t i = 0; i < reads.size; ++i) check(reads.data[i]);
  if (g.spill == nullptr) return;
  for (const Access& read : g.spill->reads_of) check(read);
}

void SharedMemory::CheckAfterAtomics(Granule& g, uint16_t mask, const Accessor& by, Fault fault, uint32_t address,
                                     const char* what) {
  if (g.spill == nullptr) return;
  for (const Access& atomic : g.spill->atomics) {
    if ((atomic.bytes & mask) == 0 || IsBefore(atomic, by)) continue;
    Fail(fault, by,
         std::string(what) + " of " + At(address, static_cast<uint32_t>(std::popcount(mask))) +
             ": no barrier since an atomic of thread " + std::to_string(atomic.thread));
  }
}

const std::byte* SharedMemory::Read(uint32_t address, uint32_t bytes, const Accessor& by, const char* what) {
  uint16_t mask;
  Granule& g = Locate(address, bytes, by, what, mask);
  if ((g.written & mask) != mask) {
    Fail(Fault::kUnwritten, by, std::string(what) + " of " + At(address, bytes) + ": nobody wrote it");
  }
  CheckAfterWrites(g, mask, by, Fault::kNotVisible, address, what);
  CheckAfterAtomics(g, mask, by, Fault::kNotVisible, address, what);

  AddRead(g, {by.clock->now, static_cast<uint16_t>(by.thread), mask}, by);
  g.read_epoch = epoch_;
  return bytes_ + (address - kSharedBase);
}

std::byte* SharedMemory::Write(uint32_t address, uint32_t bytes, const Accessor& by, const char* what) {
  uint16_t mask;
  Granule& g = Locate(address, bytes, by, what, mask);
  CheckAfterWrites(g, mask, by, Fault::kOverwrite, address, what);
  CheckAfterReads(g, mask, by, address, what);
  CheckAfterAtomics(g, mask, by, Fault::kOverwrite, address, what);
  Forget(g, mask);
  AddWrite(g, {by.clock->now, static_cast<uint16_t>(by.thread), mask});
  g.written |= mask;
  g.write_epoch = epoch_;
  g.proxy = by.proxy;
  return bytes_ + (address - kSharedBase);
}

std::byte* SharedMemory::Atomic(uint32_t address, uint32_t bytes, const Accessor& by, const char* what) {
  uint16_t mask;
  Granule& g = Locate(address, bytes, by, what, mask);
  if ((g.written & mask) != mask) {
    Fail(Fault::kUnwritten, by, std::string(what) + " of " + At(address, bytes) + ": nobody wrote it");
  }
  CheckAfterWrites(g, mask, by, Fault::kNotVisible, address, what);
  CheckAfterReads(g, mask, by, address, what);
  std::vector<Access>& atomics = SpillOf(g).atomics;
  std::erase_if(atomics, [&](const Access& a) { return (a.bytes & ~mask) == 0 && IsBefore(a, by); });
  atomics.push_back({by.clock->now, static_cast<uint16_t>(by.thread), mask});
  return bytes_ + (address - kSharedBase);
}

std::byte* SharedMemory::BeginCopy(uint32_t address, uint32_t bytes, const Accessor& by, const char* what) {
  std::byte* to = Write(address, bytes, by, what);
  Granule& g = granules_[(address - kSharedBase) / 16];
  const List writes = Writes(g);
  writes.data[writes.size - 1].clock = kInFlight;
  ++g.in_flight;
  return to;
}

void SharedMemory::EndCopy(uint32_t address, uint32_t bytes, const Accessor& by) {
  const uint32_t offset = address - kSharedBase;
  const auto mask = static_cast<uint16_t>(((1u << bytes) - 1) << offset % 16);
  Granule& g = granules_[offset / 16];
  const List writes = Writes(g);
  for (size_t i = 0; i < writes.size; ++i) {
    Access& write = writes.data[i];
    if (write.clock != kInFlight || write.thread != by.thread || write.bytes != mask) continue;
    write.clock = by.clock->now;
    --g.in_flight;
  }
  g.write_epoch = epoch_;
}

}  // namespace cuda_emulation
