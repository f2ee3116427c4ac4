#include <immintrin.h>

#include <utility>

#include "attention/cpu/kernel.h"
#include "attention/cpu/registry.h"

#define SPARGE_ISA_BF16
namespace attention::cpu {
namespace {
#include "attention/cpu/avx512/isa.h"
#include "attention/cpu/kernel_impl.h"

bool RunsOn(const CPUFeatures& f) { return f.avx512 && f.avx512_vnni && f.avx512_bf16; }
}  // namespace

KernelPair AVX512BF16() {
  constexpr const char* kName = "avx512_bf16";
  constexpr const char* kNeeds = "AVX-512 with VNNI and BF16";
  return {MakeKernel<BFloat16>(kName, kNeeds, RunsOn), MakeKernel<Float32>(kName, kNeeds, RunsOn)};
}

}  // namespace attention::cpu
