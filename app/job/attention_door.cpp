#include "app/job/attention_door.h"

#include "attention/attention.h"
#include "attention/cpu/kernels.h"

namespace app {

std::vector<std::string> KernelNames() { return attention::Kernels(); }

std::vector<std::string> KernelNames(const std::string& mode) { return attention::KernelsOf(mode); }

std::string AttentionCPUFeatures() { return attention::FeatureNames(attention::DetectCPUFeatures()); }

void CheckKernel(const std::string& mode, const std::string& kernel) { attention::CheckOptions({mode, kernel}); }

}  // namespace app
