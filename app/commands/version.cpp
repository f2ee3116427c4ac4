#include <cstdio>

#include "app/commands/commands.h"
#include "app/console/errors.h"
#include "app/job/attention_door.h"
#include "app/settings/text.h"
#include "pipeline/media/media.h"
#include "pipeline/version.h"

namespace app {

int RunVersion() {
  const pipeline::RuntimeFeatures features = pipeline::DetectRuntime();
  std::string cuda = "not built in";
  if (features.has_cuda_build) {
    cuda = features.cuda_version + ", " +
           (features.cuda_devices == 0 ? "no device found" : std::to_string(features.cuda_devices) + " device(s)");
  }
  const std::pair<const char*, std::string> rows[] = {
      {"sparge", SPARGE_VERSION},
      {"libtorch", features.torch_version},
      {"CUDA", cuda},
      {"media", pipeline::MediaLibraries()},
      {"kernels", Join(KernelNames(), ", ")},
      {"CPU", features.cpu_capability + (features.cpu_bf16 ? ", bfloat16 products, " : ", no bfloat16 products, ") +
                  std::to_string(features.threads) + " threads; for attention: " + AttentionCPUFeatures()},
  };
  for (const auto& [name, value] : rows) std::printf("%-9s %s\n", name, value.c_str());
  return kExitDone;
}

}  // namespace app
