#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <sstream>

#include "attention/base/error.h"
#include "attention/cpu/dispatch.h"
#include "attention/cpu/kernels.h"
#include "attention/cpu/registry.h"

namespace attention {
namespace {

using base::ErrorCode;

constexpr const char* kReference = "reference";
constexpr const char* kFeaturesVariable = "SPARGE_CPU_FEATURES";
constexpr const char* kKernelVariable = "SPARGE_CPU_KERNEL";

struct FeatureName {
  const char* name;
  bool CPUFeatures::*member;
};
constexpr FeatureName kFeatureNames[] = {{"avx2", &CPUFeatures::avx2},
                                         {"avx_vnni", &CPUFeatures::avx_vnni},
                                         {"avx512", &CPUFeatures::avx512},
                                         {"avx512_vnni", &CPUFeatures::avx512_vnni},
                                         {"avx512_bf16", &CPUFeatures::avx512_bf16}};

CPUFeatures FeaturesOfMachine() {
  CPUFeatures f;
#if defined(__x86_64__)
  __builtin_cpu_init();
  f.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  f.avx_vnni = f.avx2 && __builtin_cpu_supports("avxvnni");
  f.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && f.avx2;
  f.avx512_vnni = f.avx512 && __builtin_cpu_supports("avx512vnni");
  f.avx512_bf16 = f.avx512 && __builtin_cpu_supports("avx512bf16");
#endif
  return f;
}

// The order of preference of `auto`.
const std::vector<cpu::KernelPair>& Registry() {
  static const std::vector<cpu::KernelPair> kernels = {
#if defined(__x86_64__)
    cpu::AVX512BF16(),
    cpu::AVX512VNNI(),
    cpu::AVX2VNNI(),
    cpu::AVX2(),
#endif
    cpu::Generic(),
  };
  return kernels;
}

const cpu::KernelPair* Find(const std::string& name) {
  for (const cpu::KernelPair& pair : Registry()) {
    if (pair.eight_bit.name == name) return &pair;
  }
  return nullptr;
}

std::string Join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string Lacks(const cpu::Kernel& kernel) { return base::StrCat("this CPU lacks ", kernel.needs); }

const cpu::KernelPair& Known(const std::string& name, const char* asked_by) {
  const cpu::KernelPair* pair = Find(name);
  base::Check(pair != nullptr, ErrorCode::kUnsupported, "attention kernel '", name, "'", asked_by,
              " is not in this build; there are: auto, ", Join(CPUKernelNames()));
  return *pair;
}

}  // namespace

CPUFeatures DetectCPUFeatures() {
  CPUFeatures f = FeaturesOfMachine();
  const char* listed = std::getenv(kFeaturesVariable);
  if (listed == nullptr) return f;
  CPUFeatures allowed;
  std::stringstream stream{std::string(listed)};
  for (std::string name; std::getline(stream, name, ',');) {
    if (name.empty() || name == "none") continue;
    const auto found = std::find_if(std::begin(kFeatureNames), std::end(kFeatureNames),
                                    [&](const FeatureName& feature) { return feature.name == name; });
    base::Check(found != std::end(kFeatureNames), ErrorCode::kInvalidInput, kFeaturesVariable, ": no CPU feature '",
                name, "'; there are: none, avx2, avx_vnni, avx512, avx512_vnni, avx512_bf16");
    allowed.*(found->member) = true;
  }
  for (const FeatureName& feature : kFeatureNames) f.*(feature.member) &= allowed.*(feature.member);
  return f;
}

std::string FeatureNames(const CPUFeatures& features) {
  std::vector<std::string> names;
  for (const FeatureName& feature : kFeatureNames) {
    if (features.*(feature.member)) names.push_back(feature.name);
  }
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ",") + name;
  return out.empty() ? "none" : out;
}

std::vector<std::string> CPUKernelNames() {
  std::vector<std::string> names;
  for (const cpu::KernelPair& pair : Registry()) names.push_back(pair.eight_bit.name);
  names.push_back(kReference);
  return names;
}

std::string WhyNot(const std::string& kernel, const CPUFeatures& features) {
  if (kernel == kReference) return "";
  const cpu::Kernel& found = Known(kernel, "").eight_bit;
  return found.runs_on(features) ? "" : Lacks(found);
}

namespace cpu {

Choice ChooseKernel(const std::string& asked, Mode mode) {
  const char* variable = std::getenv(kKernelVariable);
  std::string name = asked, by = "asked for by name";
  if (asked == "auto" && variable != nullptr && *variable != '\0' && std::string(variable) != "auto") {
    name = variable;
    by = base::StrCat("asked for by ", kKernelVariable);
  }
  Choice choice;
  if (name == kReference) {
    choice.reason = by;
    return choice;
  }
  const CPUFeatures features = DetectCPUFeatures();
  const KernelPair* pair = nullptr;
  if (name == "auto") {
    for (const KernelPair& candidate : Registry()) {
      if (candidate.eight_bit.runs_on(features)) {
        pair = &candidate;
        break;
      }
    }
    choice.fallback = pair->eight_bit.needs == nullptr;
    choice.reason = pair->eight_bit.needs ? base::StrCat("this CPU has ", pair->eight_bit.needs)
                                          : "this CPU lacks AVX2: loops as the compiler makes them";
  } else {
    pair = &Known(name, name == asked ? "" : base::StrCat(" (", kKernelVariable, ")").c_str());
    base::Check(pair->eight_bit.runs_on(features), ErrorCode::kUnsupported, "attention kernel '", name,
                "' cannot run: ", Lacks(pair->eight_bit), "; it has: ", FeatureNames(features));
    choice.reason = by;
  }
  choice.kernel = mode == Mode::kSpargeExact ? &pair->exact : &pair->eight_bit;
  return choice;
}

}  // namespace cpu

Ceiling MeasureCeiling(const std::string& kernel, Mode mode) {
  const cpu::Choice choice = cpu::ChooseKernel(kernel, mode);
  base::Check(choice.kernel != nullptr, ErrorCode::kUnsupported, "the reference has no ceiling to compare with");
  const auto gops = [](double (*loop)()) {
    double best = 0;
    for (int i = 0; i < 20; ++i) {
      const auto start = std::chrono::steady_clock::now();
      const double operations = loop();
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      best = std::max(best, operations / seconds / 1e9);
    }
    return best;
  };
  return {gops(choice.kernel->peak_qk), gops(choice.kernel->peak_pv)};
}

}  // namespace attention
