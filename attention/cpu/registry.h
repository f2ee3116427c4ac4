#pragma once

#include "attention/cpu/kernel.h"

// The kernels of this build: a file an instruction set, a line here and a line in cpu/dispatch.cpp.
namespace attention::cpu {

// A kernel's functions for the 8-bit modes and for sparge_exact.
struct KernelPair {
  Kernel eight_bit, exact;
};

KernelPair AVX512BF16();
KernelPair AVX512VNNI();
KernelPair AVX2VNNI();
KernelPair AVX2();
KernelPair Generic();

}  // namespace attention::cpu
