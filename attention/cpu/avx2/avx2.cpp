#include <immintrin.h>

#include <utility>

#include "attention/cpu/kernel.h"
#include "attention/cpu/registry.h"

namespace attention::cpu {
namespace {
#include "attention/cpu/avx2/isa.h"
#include "attention/cpu/kernel_impl.h"

bool RunsOn(const CPUFeatures& f) { return f.avx2; }
}  // namespace

KernelPair AVX2() {
  constexpr const char* kName = "avx2_u8s8";
  constexpr const char* kNeeds = "AVX2 and FMA";
  return {MakeKernel<U8S8>(kName, kNeeds, RunsOn), MakeKernel<Float32>(kName, kNeeds, RunsOn)};
}

}  // namespace attention::cpu
