#pragma once

#include "pipeline/samplers/sampler.h"

namespace pipeline {

// Euler steps along the flow, x ← x + (σ' − σ)·v. As diffusers' FlowMatchEulerDiscreteScheduler with a static shift,
// which shifts twice: once the range of sigmas, once the sigmas spread over it.
class FlowEulerSampler : public Sampler {
 public:
  FlowEulerSampler(const SamplerConfig& config, int64_t num_steps, at::Device device);
  at::Tensor Step(const at::Tensor& velocity, const at::Tensor& sample) override;
  at::Tensor Estimate() const override;
  std::unique_ptr<Sampler> Clone() const override { return std::make_unique<FlowEulerSampler>(*this); }

 private:
  at::Tensor last_sample_, last_velocity_;
};

}  // namespace pipeline
