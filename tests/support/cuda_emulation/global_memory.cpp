#include "cuda_emulation/global_memory.h"

#include <algorithm>
#include <atomic>
#include <sstream>
#include <stdexcept>

#include "cuda_emulation/random.h"

namespace cuda_emulation {
namespace {

std::atomic<uint64_t> next_generation{1};

uint16_t Get(uint16_t* mark) { return std::atomic_ref<uint16_t>(*mark).load(std::memory_order_relaxed); }
void Set(uint16_t* mark, uint16_t value) { std::atomic_ref<uint16_t>(*mark).store(value, std::memory_order_relaxed); }

}  // namespace

void GlobalMemory::Register(const void* begin, size_t bytes, const std::string& name, Contents contents,
                            bool writable) {
  auto region = std::make_unique<Region>();
  region->begin = reinterpret_cast<uintptr_t>(begin);
  region->bytes = bytes;
  region->name = name;
  region->writable = writable;
  region->marks = std::make_unique<Mark[]>(bytes);
  if (contents == Contents::kInitialised) std::fill_n(region->marks.get(), bytes, kBefore);
  const auto at = std::upper_bound(regions_.begin(), regions_.end(), region->begin,
                                   [](uintptr_t address, const auto& r) { return address < r->begin; });
  if ((at != regions_.begin() && (*std::prev(at))->begin + (*std::prev(at))->bytes > region->begin) ||
      (at != regions_.end() && region->begin + bytes > (*at)->begin)) {
    throw std::logic_error("the memory of '" + name + "' overlaps what is registered already");
  }
  regions_.insert(at, std::move(region));
  generation_ = next_generation++;
}

void GlobalMemory::Forget(const void* begin) {
  std::erase_if(regions_, [&](const auto& r) { return r->begin == reinterpret_cast<uintptr_t>(begin); });
  generation_ = next_generation++;
}

void* GlobalMemory::Allocate(size_t bytes, const std::string& name, Contents contents) {
  constexpr size_t kAlign = 256;
  owned_.push_back(std::make_unique<std::byte[]>(bytes + 3 * kAlign));
  auto at = reinterpret_cast<uintptr_t>(owned_.back().get());
  at = (at / kAlign + 2) * kAlign;
  auto* memory = reinterpret_cast<std::byte*>(at);
  if (contents == Contents::kUnwritten) {
    Random random(at);
    for (size_t i = 0; i < bytes; ++i) memory[i] = static_cast<std::byte>(random.Next() >> 40);
  }
  Register(memory, bytes, name, contents, true);
  return memory;
}

void GlobalMemory::Free(void* memory) {
  Forget(memory);
  const auto* at = static_cast<const std::byte*>(memory);
  // The one that begins nearest before it.
  const auto held = std::max_element(owned_.begin(), owned_.end(), [at](const auto& a, const auto& b) {
    return (a.get() <= at ? a.get() : nullptr) < (b.get() <= at ? b.get() : nullptr);
  });
  if (held != owned_.end()) owned_.erase(held);
}

GlobalMemory::Region& GlobalMemory::Find(const void* at) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  for (const auto& r : regions_) {
    if (address >= r->begin && address - r->begin < std::max<size_t>(r->bytes, 1)) return *r;
  }
  throw std::logic_error("not in registered memory");
}

void GlobalMemory::SetContents(const void* at, Contents contents) {
  Region& region = Find(at);
  std::fill_n(region.marks.get(), region.bytes, contents == Contents::kInitialised ? kBefore : kNever);
}

void GlobalMemory::SetWritable(const void* at, bool writable) { Find(at).writable = writable; }

std::string GlobalMemory::Nearest(uintptr_t at) const {
  const Region* nearest = nullptr;
  uintptr_t least = ~uintptr_t{0};
  for (const auto& r : regions_) {
    const uintptr_t distance = at < r->begin ? r->begin - at : at < r->begin + r->bytes ? 0 : at - r->begin - r->bytes;
    if (distance <= least) {
      least = distance;
      nearest = r.get();
    }
  }
  if (nearest == nullptr) return "nothing is registered";
  std::ostringstream out;
  out << "offset " << static_cast<int64_t>(at - nearest->begin) << " of '" << nearest->name << "', which has "
      << nearest->bytes << " bytes";
  return out.str();
}

GlobalMemory::Mark* GlobalMemory::Locate(const void* at, size_t bytes, size_t alignment, bool write, const char* what,
                                         const Report& report) {
  // The regions that this host thread found last.
  struct Found {
    uint64_t generation = 0;
    const Region* region = nullptr;
  };
  thread_local Found last[4];
  thread_local unsigned turn = 0;

  const auto address = reinterpret_cast<uintptr_t>(at);
  const auto holds = [&](const Region& r) {
    return address >= r.begin && address - r.begin <= r.bytes && r.bytes - (address - r.begin) >= bytes;
  };
  const Region* region = nullptr;
  for (const Found& f : last) {
    if (f.generation == generation_ && holds(*f.region)) region = f.region;
  }
  if (region == nullptr) {
    const auto after = std::upper_bound(regions_.begin(), regions_.end(), address,
                                        [](uintptr_t a, const auto& r) { return a < r->begin; });
    if (after != regions_.begin() && holds(**std::prev(after))) region = std::prev(after)->get();
    if (region == nullptr) {
      report(Fault::kOutOfBounds, std::string(what) + " of " + std::to_string(bytes) + " bytes at " + Nearest(address));
    }
    last[turn++ % std::size(last)] = {generation_, region};
  }
  if (address % alignment != 0) {
    report(Fault::kMisaligned, std::string(what) + " of " + std::to_string(bytes) + " bytes at " + Nearest(address) +
                                   ": the address is not a multiple of " + std::to_string(alignment));
  }
  if (write && !region->writable) {
    report(Fault::kOutOfBounds, std::string(what) + " of " + std::to_string(bytes) + " bytes at " + Nearest(address) +
                                    ", which is an input");
  }
  if (write) std::atomic_ref<bool>(region->touched).store(true, std::memory_order_relaxed);
  return region->marks.get() + (address - region->begin);
}

void GlobalMemory::Read(const void* from, size_t bytes, size_t alignment, uint64_t block, const char* what,
                        const Report& report) {
  Mark* marks = Locate(from, bytes, alignment, false, what, report);
  const Mark mine = MarkOf(block);
  for (size_t i = 0; i < bytes; ++i) {
    const Mark mark = Get(marks + i);
    if (mark == kBefore || mark == mine) continue;
    const std::string where =
        std::string(what) + " of " + std::to_string(bytes) + " bytes at " + Nearest(reinterpret_cast<uintptr_t>(from));
    if (mark == kNever) report(Fault::kUnwritten, where + ": nobody wrote it");
    report(Fault::kGlobalRace, where + (mark == kAtomic     ? ": this launch changes it by atomics"
                                        : block == kNoBlock ? ": this launch writes it"
                                                            : ": another block of this launch wrote it"));
  }
}

void GlobalMemory::Write(void* to, size_t bytes, size_t alignment, uint64_t block, const char* what,
                         const Report& report) {
  Mark* marks = Locate(to, bytes, alignment, true, what, report);
  const Mark mine = MarkOf(block);
  for (size_t i = 0; i < bytes; ++i) {
    const Mark mark = Get(marks + i);
    if (mark != kNever && mark != kBefore && mark != mine) {
      report(Fault::kGlobalRace, std::string(what) + " of " + std::to_string(bytes) + " bytes at " +
                                     Nearest(reinterpret_cast<uintptr_t>(to)) +
                                     (mark == kAtomic ? ": this launch changes it by atomics too"
                                                      : ": another block of this launch wrote it too"));
    }
    Set(marks + i, mine);
  }
}

void GlobalMemory::Atomic(void* to, size_t bytes, const char* what, const Report& report) {
  Mark* marks = Locate(to, bytes, bytes, true, what, report);
  for (size_t i = 0; i < bytes; ++i) {
    const Mark mark = Get(marks + i);
    const std::string where = mark == kBefore || mark == kAtomic
                                  ? ""
                                  : std::string(what) + " of " + std::to_string(bytes) + " bytes at " +
                                        Nearest(reinterpret_cast<uintptr_t>(to));
    if (mark == kNever) report(Fault::kUnwritten, where + ": nobody wrote what it adds to");
    if (mark >= kFirstBlock) report(Fault::kGlobalRace, where + ": this launch also writes it plainly");
    Set(marks + i, kAtomic);
  }
}

void GlobalMemory::EndLaunch() {
  for (const auto& r : regions_) {
    if (!r->touched) continue;
    r->touched = false;
    for (size_t i = 0; i < r->bytes; ++i) {
      if (r->marks[i] > kBefore) r->marks[i] = kBefore;
    }
  }
}

}  // namespace cuda_emulation
