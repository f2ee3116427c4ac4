#include "attention/base/error.h"
#include "pipeline/samplers/sampler.h"
#include "pipeline/weights/config.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;

const std::string kStatic = "static flow matching is what runs today";

SamplerConfig ParseUniPC(Config& config) {
  SamplerConfig c;
  c.kind = "unipc";
  c.num_train_timesteps = config.Int("num_train_timesteps", 1000, 1, 1000000);
  c.flow_shift = config.Number("flow_shift", 1.0);
  c.solver_order = config.Int("solver_order", 2, 1, 3);
  c.solver_type = config.String("solver_type", "bh2");
  // diffusers maps these names of other solvers to bh2.
  if (c.solver_type == "midpoint" || c.solver_type == "heun" || c.solver_type == "logrho") c.solver_type = "bh2";
  if (c.solver_type != "bh1" && c.solver_type != "bh2") config.Fail("solver_type", "is neither bh1 nor bh2");
  c.lower_order_final = config.Bool("lower_order_final", true);
  c.final_sigmas = config.String("final_sigmas_type", "zero");
  if (c.final_sigmas != "zero" && c.final_sigmas != "sigma_min")
    config.Fail("final_sigmas_type", "is neither zero nor sigma_min");
  c.disable_corrector = config.Ints("disable_corrector", {}, 0, 1000000);
  const std::string prediction = config.String("prediction_type", "epsilon");
  Check(prediction == "flow_prediction" && config.Bool("use_flow_sigmas", false), ErrorCode::kUnsupported,
        config.path(), ": prediction_type '", prediction,
        "' is not supported: UniPC needs prediction_type flow_prediction with use_flow_sigmas");
  config.Require("predict_x0", true, "flow prediction needs it");
  config.Require("use_karras_sigmas", false, kStatic);
  config.Require("use_exponential_sigmas", false, kStatic);
  config.Require("use_beta_sigmas", false, kStatic);
  config.Require("use_dynamic_shifting", false, kStatic);
  config.Require("thresholding", false, kStatic);
  config.Require("solver_p", nullptr, kStatic);
  config.Require("shift_terminal", nullptr, kStatic);
  config.Ignore({"beta_start", "beta_end", "beta_schedule", "trained_betas", "dynamic_thresholding_ratio",
                 "sample_max_value", "timestep_spacing", "steps_offset", "rescale_betas_zero_snr", "time_shift_type",
                 "sigma_min", "sigma_max"});
  return c;
}

SamplerConfig ParseEuler(Config& config) {
  SamplerConfig c;
  c.kind = "euler";
  c.num_train_timesteps = config.Int("num_train_timesteps", 1000, 1, 1000000);
  c.flow_shift = config.Number("shift", 1.0);
  config.Require("use_dynamic_shifting", false, kStatic);
  config.Require("shift_terminal", nullptr, kStatic);
  config.Require("use_karras_sigmas", false, kStatic);
  config.Require("use_exponential_sigmas", false, kStatic);
  config.Require("use_beta_sigmas", false, kStatic);
  config.Require("invert_sigmas", false, kStatic);
  config.Require("stochastic_sampling", false, kStatic);
  config.Ignore({"base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len", "time_shift_type"});
  return c;
}

}  // namespace

SamplerConfig SamplerConfig::Parse(const std::string& class_name, Config& config) {
  SamplerConfig parsed;
  if (class_name == "UniPCMultistepScheduler")
    parsed = ParseUniPC(config);
  else if (class_name == "FlowMatchEulerDiscreteScheduler")
    parsed = ParseEuler(config);
  else
    base::Fail(ErrorCode::kUnsupported, config.path(), ": scheduler '", class_name,
               "' is not supported; there are UniPCMultistepScheduler and FlowMatchEulerDiscreteScheduler");
  if (!(parsed.flow_shift > 0)) config.Fail(parsed.kind == "unipc" ? "flow_shift" : "shift", "is not above 0");
  return parsed;
}

}  // namespace pipeline
