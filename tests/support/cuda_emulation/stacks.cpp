#include "cuda_emulation/stacks.h"

#include <sys/mman.h>

#include <new>

namespace cuda_emulation {
namespace {

constexpr size_t kPage = 4096;
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStackBytes = 256 * 1024;  // red zones in every frame
#else
constexpr size_t kStackBytes = 128 * 1024;
#endif

}  // namespace

Stacks::Stacks(uint32_t count) : bytes_(count * (kStackBytes + kPage)) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  for (uint32_t i = 0; i < count; ++i) mprotect(memory_ + i * (kStackBytes + kPage), kPage, PROT_NONE);
}

Stacks::~Stacks() { munmap(memory_, bytes_); }

Stacks::Stack Stacks::operator[](uint32_t index) const {
  // Tops lie apart modulo a page: the lanes of a warp would otherwise all compete for the same lines of the cache.
  const size_t apart = index * 320 % kPage;
  return {memory_ + index * (kStackBytes + kPage) + kPage, kStackBytes - apart};
}

}  // namespace cuda_emulation
