#include <immintrin.h>

#include <utility>

#include "attention/cpu/kernel.h"
#include "attention/cpu/registry.h"

namespace attention::cpu {
namespace {
#include "attention/cpu/avx512/isa.h"
#include "attention/cpu/kernel_impl.h"

bool RunsOn(const CPUFeatures& f) { return f.avx512 && f.avx512_vnni; }
}  // namespace

KernelPair AVX512VNNI() {
  constexpr const char* kName = "avx512_u8s8";
  constexpr const char* kNeeds = "AVX-512 with VNNI";
  return {MakeKernel<U8S8>(kName, kNeeds, RunsOn), MakeKernel<Float32>(kName, kNeeds, RunsOn)};
}

}  // namespace attention::cpu
