#pragma once

#include <string>
#include <vector>

#include "attention/call.h"

namespace attention {

// What this CPU and operating system offer. SPARGE_CPU_FEATURES, a comma-separated list of the names below (or "none"),
// hides what it does not list: a smaller CPU to test with.
struct CPUFeatures {
  bool avx2 = false;         // "avx2": AVX2, FMA and F16C
  bool avx_vnni = false;     // "avx_vnni"
  bool avx512 = false;       // "avx512": F, BW, DQ and VL
  bool avx512_vnni = false;  // "avx512_vnni"
  bool avx512_bf16 = false;  // "avx512_bf16"
};
CPUFeatures DetectCPUFeatures();
std::string FeatureNames(const CPUFeatures& features);  // "avx2,avx_vnni,…" or "none"

// Every kernel of this build, the one that `auto` prefers first; "reference" is the last.
std::vector<std::string> CPUKernelNames();

// Null where the kernel runs on `features`; else what it lacks, a sentence.
std::string WhyNot(const std::string& kernel, const CPUFeatures& features);

// Billions of operations a second (a multiply and an add are two) that the two products of `kernel` reach in registers
// on one thread of this machine: the ceiling that a benchmark compares with.
struct Ceiling {
  double qk_gops = 0, pv_gops = 0;
};
Ceiling MeasureCeiling(const std::string& kernel, Mode mode);

}  // namespace attention
