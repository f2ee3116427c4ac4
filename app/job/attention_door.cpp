#include "app/job/attention_door.h"

#include "attention/attention.h"

namespace app {

std::vector<std::string> KernelNames() { return attention::Kernels(); }

void CheckAttention(const std::string& mode, const std::string& kernel) { attention::CheckOptions({mode, kernel}); }

}  // namespace app
