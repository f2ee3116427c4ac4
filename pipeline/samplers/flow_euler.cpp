#include "pipeline/samplers/flow_euler.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include "pipeline/samplers/linspace.h"

namespace pipeline {

FlowEulerSampler::FlowEulerSampler(const SamplerConfig& config, int64_t num_steps, at::Device device) {
  const double train = static_cast<double>(config.num_train_timesteps), shift = config.flow_shift;
  // The range of sigmas, in float32 tensor arithmetic as the scheduler's constructor has it.
  const at::Tensor ends = at::tensor({1.0, train}, at::kFloat) / train;
  const at::Tensor shifted = shift * ends / (1.0 + (shift - 1.0) * ends);
  const double sigma_min = shifted[0].item<double>(), sigma_max = shifted[1].item<double>();

  std::vector<double> sigmas = Linspace(sigma_max * train, sigma_min * train, num_steps);
  for (double& sigma : sigmas) sigma = ShiftSigma(shift, sigma / train);
  const at::Tensor values = at::tensor(sigmas, at::kDouble).to(at::kFloat).to(device);
  timesteps_ = values * train;
  sigmas_ = at::cat({values, at::zeros({1}, values.options())});
}

at::Tensor FlowEulerSampler::Step(const at::Tensor& velocity, const at::Tensor& sample) {
  const at::Tensor dt = sigmas_[step_ + 1] - sigmas_[step_];
  last_sample_ = sample;
  last_velocity_ = velocity;
  ++step_;
  return (sample.to(at::kFloat) + dt * velocity).to(velocity.scalar_type());
}

at::Tensor FlowEulerSampler::Estimate() const {
  return last_sample_.to(at::kFloat) - sigmas_[step_ - 1] * last_velocity_.to(at::kFloat);
}

}  // namespace pipeline
