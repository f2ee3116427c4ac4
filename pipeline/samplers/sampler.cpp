#include "pipeline/samplers/sampler.h"

#include "attention/base/error.h"
#include "pipeline/samplers/flow_euler.h"
#include "pipeline/samplers/unipc.h"

namespace pipeline {

using base::Check;
using base::ErrorCode;

void Sampler::Restore(int64_t step, const std::map<std::string, at::Tensor>& state) {
  Check(step >= 1 && step < num_steps(), ErrorCode::kInvalidInput, "a start after ", step,
        " steps is none for a render of ", num_steps());
  const std::vector<std::string> names = StateNames(step);
  bool fits = state.size() == names.size();
  for (const std::string& name : names) fits = fits && state.count(name) > 0;
  Check(fits, ErrorCode::kInvalidInput, "the scheduler's state after ", step, " steps has ", state.size(),
        " tensors, not the ", names.size(), " that this scheduler keeps");
  step_ = step;
  SetState(state);
}

std::unique_ptr<Sampler> MakeSampler(const SamplerConfig& config, int64_t num_steps, at::Device device) {
  if (config.kind == "unipc") return std::make_unique<UniPCSampler>(config, num_steps, device);
  if (config.kind == "euler") return std::make_unique<FlowEulerSampler>(config, num_steps, device);
  base::Fail(ErrorCode::kUnsupported, "scheduler '", config.kind, "' is not there; there are unipc, euler");
}

}  // namespace pipeline
