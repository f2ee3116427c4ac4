#pragma once

#include <deque>

#include "pipeline/samplers/sampler.h"

namespace pipeline {

// UniPC (arXiv 2302.04867) on flow sigmas with x0 prediction, orders 1 to 3, B(h) = h or e^h − 1, as diffusers'
// UniPCMultistepScheduler. Scalars are 0-dim tensors beside the latents, so that dtype promotion is the same.
class UniPCSampler : public Sampler {
 public:
  UniPCSampler(const SamplerConfig& config, int64_t num_steps, at::Device device);
  at::Tensor Step(const at::Tensor& velocity, const at::Tensor& sample) override;
  at::Tensor Estimate() const override { return x0_.back(); }
  std::unique_ptr<Sampler> Clone() const override { return std::make_unique<UniPCSampler>(*this); }
  // "last_sample" and "x0_0", "x0_1", …, the oldest first.
  std::map<std::string, at::Tensor> State() const override;

 protected:
  void SetState(const std::map<std::string, at::Tensor>& state) override;
  std::vector<std::string> StateNames(int64_t step) const override;

 private:
  int64_t OrderAt(int64_t step, int64_t warmup) const;
  // What predictor and corrector share for a step from sigma index `from` to `to`.
  struct Coefficients {
    at::Tensor alpha_t, sigma_ratio, h_phi_1, b_h;
    at::Tensor r, b;         // the order × order system for the weights
    at::Tensor differences;  // D1s [B, order − 1, …], undefined at order 1
  };
  // `history` counts back from the newest stored x0: the one `offset` steps before it belongs to sigma index from −
  // offset.
  Coefficients Prepare(int64_t from, int64_t to, int64_t order, at::Device device) const;
  at::Tensor Predict(const at::Tensor& sample, int64_t order) const;
  at::Tensor Correct(const at::Tensor& x0, int64_t order) const;

  SamplerConfig config_;
  std::deque<at::Tensor> x0_;  // newest last, at most solver_order
  at::Tensor last_sample_;
  int64_t last_order_ = 0, warmup_ = 0;
};

}  // namespace pipeline
