#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "pipeline/attention_policy.h"
#include "pipeline/models/wan_components.h"
#include "pipeline/samplers/sampler.h"

namespace pipeline {

// One clip on its way from noise, or from where an earlier render stopped, to latents.
class WanDenoise {
 public:
  // Checks the request; draws the noise. Throws as Pipeline::Denoise does before it loads anything. `request` and
  // `result` outlive this.
  WanDenoise(WanComponents* components, const Request& request, Denoised* result);

  // `cond`, `uncond` [1, length, d_model]; uncond undefined where nothing guides. The transformer is loaded.
  // `latent_rgb` shows previews; null: none.
  void Run(const at::Tensor& cond, const at::Tensor& uncond, const std::shared_ptr<const LatentRGB>& latent_rgb,
           Progress& progress);

  const at::Tensor& latents() const { return latents_; }  // [1, C, T, h, w]

 private:
  // Latents after a step, and what its attention did.
  struct StepResult {
    at::Tensor latents;
    attention::StatsRecorder calls;
    bool finite = false;
  };
  void CheckRequest() const;
  void CheckStart() const;
  void TakeStart();
  AttentionPlan PlanAttention(const AttentionSettings& attention) const;
  void Prepare(const at::Tensor& cond, const at::Tensor& uncond, Progress& progress);
  at::Tensor Velocity(const at::Tensor& input, const at::Tensor& timestep, attention::AttentionContext ctx,
                      Progress& progress) const;
  StepResult TryStep(int64_t step, Progress& progress);
  void Step(int64_t step, Progress& progress);
  DenoiseState StateAfter(int64_t step, double seconds) const;

  WanComponents* parts_;
  const Request& request_;
  Denoised* result_;
  std::string scheduler_;
  std::vector<int64_t> shape_;
  int64_t tokens_ = 0;
  std::unique_ptr<AttentionPlan> plan_;  // where the policy looks
  std::unique_ptr<AttentionPolicy> policy_;
  std::unique_ptr<Sampler> sampler_;
  at::Tensor latents_;
  int64_t first_step_ = 0;
  double tap_seconds_ = 0;  // spent watching before the first step
  // What stays the same at every step.
  WanTransformer* transformer_ = nullptr;
  WanTransformer::TextContext cond_, uncond_;  // uncond only when guided
  WanTransformer::Positions positions_;
  bool guided_ = false;
};

}  // namespace pipeline
