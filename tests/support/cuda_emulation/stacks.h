#pragma once

#include <cstddef>
#include <cstdint>

namespace cuda_emulation {

// Stacks for the threads of one block, with a guard page below each. Kept by a host thread from block to block.
class Stacks {
 public:
  explicit Stacks(uint32_t count);
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;

  struct Stack {
    void* bottom;
    size_t bytes;
  };
  Stack operator[](uint32_t index) const;

 private:
  std::byte* memory_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace cuda_emulation
