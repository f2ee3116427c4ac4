#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pipeline {

class Config;

// What scheduler_config.json asks for, of the two schedulers that there are.
struct SamplerConfig {
  std::string kind = "unipc";  // "unipc": UniPCMultistepScheduler, "euler": FlowMatchEulerDiscreteScheduler
  int64_t num_train_timesteps = 1000;
  double flow_shift = 1.0;
  // UniPC
  int64_t solver_order = 2;
  std::string solver_type = "bh2";  // or "bh1"
  bool lower_order_final = true;
  std::string final_sigmas = "zero";       // or "sigma_min"
  std::vector<int64_t> disable_corrector;  // steps without corrector

  // Reads the scheduler of class `class_name` with that class's defaults. Throws Error{kUnsupported} for another class
  // or an option beyond static flow matching.
  static SamplerConfig Parse(const std::string& class_name, Config& config);
};

// Turns predicted velocities into the next latents. Holds the state of one clip's denoising.
class Sampler {
 public:
  virtual ~Sampler() = default;

  // timesteps [n] on the device, as the transformer takes them; sigmas [n + 1] float32 on the CPU.
  const at::Tensor& timesteps() const { return timesteps_; }
  const at::Tensor& sigmas() const { return sigmas_; }
  int64_t num_steps() const { return timesteps_.size(0); }

  // One step: velocity and sample of one shape → the sample at the next sigma. Called num_steps() times.
  virtual at::Tensor Step(const at::Tensor& velocity, const at::Tensor& sample) = 0;

  // The whole clip as the last Step saw it, sample − σ·velocity. After a Step.
  virtual at::Tensor Estimate() const = 0;

  // A copy in the same state, to go back to.
  virtual std::unique_ptr<Sampler> Clone() const = 0;

  // What a fresh sampler of the same configuration needs besides the number of steps done: tensors of the latents'
  // shape, by name.
  virtual std::map<std::string, at::Tensor> State() const { return {}; }
  // Takes a fresh sampler to where one was after `step` steps (1 … num_steps() − 1). Throws Error{kInvalidInput} when
  // the tensors are not those that State() gives there.
  void Restore(int64_t step, const std::map<std::string, at::Tensor>& state);

 protected:
  // `state` has exactly the names that StateNames gives.
  virtual void SetState(const std::map<std::string, at::Tensor>&) {}
  virtual std::vector<std::string> StateNames(int64_t) const { return {}; }  // after so many steps

  at::Tensor timesteps_, sigmas_;
  int64_t step_ = 0;
};

// Arithmetic in the order and dtypes of diffusers 0.42 (schedulers/scheduling_unipc_multistep.py,
// schedulers/scheduling_flow_match_euler_discrete.py).
std::unique_ptr<Sampler> MakeSampler(const SamplerConfig& config, int64_t num_steps, at::Device device);

}  // namespace pipeline
