#include "pipeline/models/wan_denoise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <map>
#include <optional>
#include <utility>

#include "attention/base/error.h"
#include "pipeline/latent_rgb.h"
#include "pipeline/tensor_state.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;

bool AllDense(const attention::StatsRecorder& calls) {
  const auto& by_mode = calls.calls_by_mode();
  return by_mode.empty() || (by_mode.size() == 1 && by_mode.begin()->first == "dense");
}

at::Tensor DrawNoise(int64_t seed, at::IntArrayRef shape, c10::Device device) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(device);
}

}  // namespace

WanDenoise::WanDenoise(WanComponents* components, const Request& request, Denoised* result)
    : parts_(components), request_(request), result_(result), guided_(request.guidance > 1.0) {
  CheckRequest();
  const WanTransformerConfig& transformer = parts_->folder.transformer;
  const WanVAEConfig& vae = parts_->folder.vae;
  const int64_t frames = (request.num_frames - 1) / vae.scale_factor_temporal + 1,
                height = request.height_px / vae.scale_factor_spatial,
                width = request.width_px / vae.scale_factor_spatial;
  const auto [pt, ph, pw] = transformer.patch_size;
  shape_ = {1, transformer.in_channels, frames, height, width};
  tokens_ = (frames / pt) * (height / ph) * (width / pw);
  plan_ = std::make_unique<AttentionPlan>(PlanAttention(request.attention));
  policy_ = std::make_unique<AttentionPolicy>(plan_.get());
  SamplerConfig config = parts_->folder.sampler;
  if (!request.scheduler.empty()) config.kind = request.scheduler;
  if (request.flow_shift) config.flow_shift = *request.flow_shift;
  scheduler_ = config.kind;
  sampler_ = MakeSampler(config, request.num_steps, parts_->runtime.device);
  if (request.start == nullptr) {
    latents_ = DrawNoise(request.seed, shape_, parts_->runtime.device);
  } else {
    TakeStart();
  }
}

void WanDenoise::CheckRequest() const {
  const Request& r = request_;
  const SizeRules& rules = parts_->folder.info.size_rules;
  auto fits = [](int64_t value, int64_t first, int64_t multiple, int64_t max) {
    return value >= first && (value - first) % multiple == 0 && value <= max;
  };
  Check(fits(r.width_px, rules.width_multiple, rules.width_multiple, rules.max_width) &&
            fits(r.height_px, rules.height_multiple, rules.height_multiple, rules.max_height),
        ErrorCode::kInvalidInput, "this model cannot do ", r.width_px, " x ", r.height_px,
        " pixels: width is a multiple of ", rules.width_multiple, " up to ", rules.max_width, ", height of ",
        rules.height_multiple, " up to ", rules.max_height);
  Check(fits(r.num_frames, rules.frames_first, rules.frames_multiple, rules.max_frames), ErrorCode::kInvalidInput,
        "this model cannot do ", r.num_frames, " frames: frames are ", rules.frames_first, " + n·",
        rules.frames_multiple, " up to ", rules.max_frames);
  Check(r.num_steps >= 1, ErrorCode::kInvalidInput, "steps is ", r.num_steps, ", expected at least 1");
  Check(r.max_sequence_length >= 1, ErrorCode::kInvalidInput, "max_sequence_length is ", r.max_sequence_length,
        ", expected at least 1");
}

void WanDenoise::CheckStart() const {
  const DenoiseState& start = *request_.start;
  Check(start.scheduler == scheduler_, ErrorCode::kInvalidInput, "the start is of scheduler '", start.scheduler,
        "', the render of '", scheduler_, "'");
  Check(start.step >= 1 && start.step < request_.num_steps, ErrorCode::kInvalidInput, "a start after ", start.step,
        " steps is none for a render of ", request_.num_steps);
}

void WanDenoise::TakeStart() {
  CheckStart();
  const DenoiseState& start = *request_.start;
  const c10::Device device = parts_->runtime.device;
  latents_ = FromState(start.latents, "latents", shape_, device);
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : start.sampler) state[name] = FromState(tensor, name, shape_, device);
  sampler_->Restore(start.step, state);
  first_step_ = start.step;
  result_->redone_steps = start.redone_steps;
  for (int64_t step = 0; step < start.step; ++step) {
    result_->sigmas.push_back(sampler_->sigmas()[step].item<double>());
  }
}

AttentionPlan WanDenoise::PlanAttention(const AttentionSettings& attention) const {
  const WanTransformerConfig& transformer = parts_->folder.transformer;
  return {attention, {request_.num_steps, transformer.num_layers, transformer.num_heads, tokens_}};
}

void WanDenoise::Prepare(const at::Tensor& cond, const at::Tensor& uncond, Progress& progress) {
  transformer_ = &parts_->Transformer(progress);
  positions_ = transformer_->PreparePositions(latents_, plan_->hilbert());
  cond_ = transformer_->PrepareText(cond.to(transformer_->dtype()), progress);
  if (guided_) uncond_ = transformer_->PrepareText(uncond.to(transformer_->dtype()), progress);
}

at::Tensor WanDenoise::Velocity(const at::Tensor& input, const at::Tensor& timestep, attention::AttentionContext ctx,
                                Progress& progress) const {
  ctx.pass = attention::Pass::kCond;
  const at::Tensor velocity = transformer_->Forward(input, timestep, cond_, positions_, ctx, progress);
  if (!guided_) return velocity;
  ctx.pass = attention::Pass::kUncond;
  const at::Tensor base = transformer_->Forward(input, timestep, uncond_, positions_, ctx, progress);
  return base + request_.guidance * (velocity - base);
}

WanDenoise::StepResult WanDenoise::TryStep(int64_t step, Progress& progress) {
  StepResult result;
  attention::AttentionContext ctx;
  ctx.policy = policy_.get();
  ctx.stats = &result.calls;
  ctx.tap = request_.attention_tap;
  ctx.step = static_cast<int>(step);
  const at::Tensor timestep = sampler_->timesteps()[step].expand({1});
  const at::Tensor velocity = Velocity(latents_.to(transformer_->dtype()), timestep, ctx, progress);
  // Dense in memory at every step, as latents from a DenoiseState are.
  result.latents = sampler_->Step(velocity.contiguous(), latents_).contiguous();
  result.finite = AllFinite(result.latents);  // which waits for the device
  result.calls.Settle();
  return result;
}

// One step; if its latents are not finite though 8-bit or sparse attention had a part in it, once more, dense.
void WanDenoise::Step(int64_t step, Progress& progress) {
  attention::StatsRecorder& stats = parts_->stats;
  const Stopwatch watch;
  const double watched = stats.tap_seconds();
  std::unique_ptr<Sampler> before = sampler_->Clone();
  StepResult tried = TryStep(step, progress);
  std::string again;
  if (!tried.finite && !AllDense(tried.calls)) {
    const std::string why = base::StrCat("step ", step, " ran again, dense: its latents were not finite");
    stats.AddRedo(static_cast<int>(step), why, tried.calls);
    result_->notices.push_back(why);
    result_->redone_steps.push_back(step);
    sampler_ = std::move(before);
    policy_->RunDense(why);
    tried = TryStep(step, progress);
    policy_->RunDense("");
    again = ", with dense attention too,";
  }
  if (!tried.finite)
    parts_->FailNonFinite(base::StrCat("step ", step + 1, " of ", sampler_->num_steps(), ": latents", again),
                          parts_->folder.transformer_files);
  latents_ = tried.latents;
  stats.Append(tried.calls);
  result_->sigmas.push_back(sampler_->sigmas()[step].item<double>());
  parts_->seconds.steps.push_back(watch.Seconds() - (stats.tap_seconds() - watched));
}

// `seconds`: of the denoising so far that parts_->seconds does not have yet.
DenoiseState WanDenoise::StateAfter(int64_t step, double seconds) const {
  DenoiseState state;
  state.step = step;
  state.scheduler = scheduler_;
  state.latents = ToState(latents_);
  for (const auto& [name, tensor] : sampler_->State()) state.sampler[name] = ToState(tensor);
  state.seconds = parts_->seconds;
  state.seconds.denoise += seconds - (parts_->stats.tap_seconds() - tap_seconds_);
  state.attention = parts_->stats;
  state.notices = result_->notices;
  state.redone_steps = result_->redone_steps;
  return state;
}

void WanDenoise::Run(const at::Tensor& cond, const at::Tensor& uncond,
                     const std::shared_ptr<const LatentRGB>& latent_rgb, Progress& progress) {
  const Timed timed(parts_->seconds.denoise);
  DenoiseControl* control = request_.control;
  progress.Update(Stage::kDenoise, first_step_, request_.num_steps);
  Prepare(cond, uncond, progress);
  tap_seconds_ = parts_->stats.tap_seconds();
  const Stopwatch watch;
  int64_t step = first_step_;
  const auto state = [&] { return StateAfter(step, watch.Seconds()); };
  DenoiseControl::TakePreview preview;
  if (latent_rgb) preview = [&] { return Preview(sampler_->Estimate(), *latent_rgb); };
  try {
    for (; step < request_.num_steps; ++step) {
      progress.ThrowIfCancelled();
      if (control != nullptr) {
        if (const auto changed = control->BeforeStep(step, state)) *plan_ = PlanAttention(*changed);
        progress.ThrowIfCancelled();
      }
      Step(step, progress);
      progress.Update(Stage::kDenoise, step + 1, request_.num_steps);
      if (control != nullptr) control->AfterStep(step, preview);
    }
  } catch (const base::Error& error) {
    if (error.code() == ErrorCode::kCancelled && control != nullptr && step >= 1) control->Cancelled(state);
    throw;
  }
  parts_->seconds.denoise -= parts_->stats.tap_seconds() - tap_seconds_;
}

}  // namespace pipeline
