#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cuda_emulation/fault.h"

namespace cuda_emulation {

// The global memory of the emulated device: allocations that were registered, with a shadow of two bytes a byte that
// says whether it was ever written, and by which block of the running launch. Registered before a launch, used by all
// of its host threads.
class GlobalMemory {
 public:
  enum class Contents { kInitialised, kUnwritten };

  // Memory of the caller's, that lives until Forget or the end of this object.
  void Register(const void* begin, size_t bytes, const std::string& name, Contents contents, bool writable);
  void Forget(const void* begin);

  // Memory of this object's, aligned to 256 bytes, with a gap before and after it. kUnwritten: filled with noise.
  void* Allocate(size_t bytes, const std::string& name, Contents contents = Contents::kUnwritten);

  void Free(void* memory);  // of Allocate

  // For the whole allocation that holds `at`.
  void SetContents(const void* at, Contents contents);
  void SetWritable(const void* at, bool writable);

  // As the block of Read: what this launch writes, whoever does, may not be read.
  static constexpr uint64_t kNoBlock = ~uint64_t{0};

  // Checks an access of `bytes` by the block with the number `block` of the launch. Faults go to `report`, which
  // throws.
  using Report = std::function<void(Fault, const std::string& what)>;
  void Read(const void* from, size_t bytes, size_t alignment, uint64_t block, const char* what, const Report& report);
  void Write(void* to, size_t bytes, size_t alignment, uint64_t block, const char* what, const Report& report);
  void Atomic(void* to, size_t bytes, const char* what, const Report& report);

  // Makes everything written part of the past; called when a launch has ended.
  void EndLaunch();

 private:
  using Mark = uint16_t;
  static constexpr Mark kNever = 0, kBefore = 1, kAtomic = 2, kFirstBlock = 3;
  static Mark MarkOf(uint64_t block) {
    return block == kNoBlock ? kBefore : static_cast<Mark>(kFirstBlock + block % (0x10000 - kFirstBlock));
  }

  struct Region {
    uintptr_t begin = 0;
    size_t bytes = 0;
    std::string name;
    bool writable = false;
    std::unique_ptr<Mark[]> marks;
    mutable bool touched = false;
  };
  Region& Find(const void* at);
  Mark* Locate(const void* at, size_t bytes, size_t alignment, bool write, const char* what, const Report& report);
  std::string Nearest(uintptr_t at) const;

  std::vector<std::unique_ptr<Region>> regions_;  // by address
  std::vector<std::unique_ptr<std::byte[]>> owned_;
  uint64_t generation_ = 0;  // of the list, for what host threads remember of it
};

}  // namespace cuda_emulation
