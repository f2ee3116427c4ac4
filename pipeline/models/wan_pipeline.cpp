#include "pipeline/models/wan_pipeline.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "attention/attention.h"
#include "attention/base/error.h"
#include "pipeline/attention_policy.h"
#include "pipeline/models/wan_folder.h"
#include "pipeline/runtime.h"
#include "pipeline/tokenizers/prompt_clean.h"
#include "pipeline/tokenizers/tokenizer.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;
using base::Fail;

class Stopwatch {
 public:
  double Seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Adds the life of this object to `total`.
class Timed {
 public:
  explicit Timed(double& total) : total_(total) {}
  ~Timed() { total_ += watch_.Seconds(); }

 private:
  double& total_;
  Stopwatch watch_;
};

HostTensor ToHost(const at::Tensor& tensor) {
  const at::Tensor host = tensor.to(at::kCPU, at::kFloat).contiguous();
  const float* data = host.const_data_ptr<float>();
  return {host.sizes().vec(), std::vector<float>(data, data + host.numel())};
}

at::Tensor FromHost(const HostTensor& host) {
  return at::from_blob(const_cast<float*>(host.data.data()), host.shape, at::kFloat);
}

bool AllFinite(const at::Tensor& x) { return at::isfinite(x).all().item<bool>(); }

bool AllDense(const attention::StatsRecorder& calls) {
  const auto& by_mode = calls.calls_by_mode();
  return by_mode.empty() || (by_mode.size() == 1 && by_mode.begin()->first == "dense");
}

class WanPipeline : public Pipeline {
 public:
  WanPipeline(WanFolder folder, const RuntimeOptions& options)
      : folder_(std::move(folder)),
        runtime_(Runtime::Choose(options)),
        tokenizer_(OpenTokenizer(folder_.tokenizer_dir, folder_.tokenizer_class)) {}

  const ModelInfo& info() const override { return folder_.info; }
  std::string device_name() const override { return runtime_.device_name(); }
  std::string dtype_name() const override { return runtime_.dtype_name(); }
  const StageSeconds& seconds() const override { return seconds_; }
  const attention::StatsRecorder& attention_stats() const override { return stats_; }

  Denoised Denoise(const Request& request, Progress& progress) override;
  HostTensor Decode(const HostTensor& latents, Progress& progress) override;
  HostTensor Encode(const HostTensor& frames, Progress& progress) override;

 private:
  struct Prompt {
    at::Tensor
        embeddings;  // [1, max_sequence_length, d_model], zeros past the prompt's length, the text encoder's dtype
    std::vector<std::string> notices;
  };

  template <class Model, class ModelConfig>
  void Load(std::unique_ptr<Model>& model, const ModelConfig& config, const WeightFiles& files,
            WeightLoader::KeepFloat32 keep, Stage stage, Progress& progress) {
    if (model) return;
    const Timed timed(seconds_.load);
    const int64_t total = static_cast<int64_t>(files.tensors().size());
    int64_t done = 0;
    WeightLoader loader(&files, runtime_.dtype, runtime_.device, keep, [&] {
      progress.ThrowIfCancelled();
      progress.Update(stage, std::min(done++, total - 1), total);
    });
    model = std::make_unique<Model>(config, loader);
    progress.Update(stage, total, total);
  }

  void CheckRequest(const Request& request) const;
  AttentionPlan PlanAttention(const Request& request) const;
  bool RoomForEverything() const;
  Prompt EncodePrompt(const std::string& text, int64_t max_length, Progress& progress);
  std::unique_ptr<Sampler> MakeSamplerFor(const Request& request) const;
  at::Tensor DrawNoise(const Request& request) const;
  // What stays the same at every step of a clip.
  struct Conditioning {
    WanTransformer::TextContext cond, uncond;  // uncond only when guided
    WanTransformer::Positions positions;
    double guidance = 1;
    bool guided = false;
  };
  at::Tensor Velocity(const at::Tensor& input, const at::Tensor& timestep, const Conditioning& conditioning,
                      attention::AttentionContext ctx, Progress& progress) const;
  // A clip on its way from noise.
  struct Denoising {
    std::unique_ptr<Sampler> sampler;
    at::Tensor latents;
    Conditioning conditioning;
    AttentionPolicy policy;
    attention::CallTap* tap = nullptr;
  };
  // Latents after a step, and what its attention did.
  struct StepResult {
    at::Tensor latents;
    attention::StatsRecorder calls;
    bool finite = false;
  };
  Conditioning Prepare(const Request& request, const AttentionPlan& plan, const at::Tensor& latents,
                       const at::Tensor& cond, const at::Tensor& uncond, Progress& progress) const;
  StepResult TryStep(int64_t step, Denoising& run, Progress& progress) const;
  void Step(int64_t step, Denoising& run, Denoised& result, Progress& progress);
  [[noreturn]] void FailNonFinite(const std::string& what, const WeightFiles& files) const;
  // Of the text encoder and the VAE: dense.
  attention::AttentionContext Context() {
    attention::AttentionContext ctx;
    ctx.stats = &stats_;
    return ctx;
  }

  WanFolder folder_;
  Runtime runtime_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<UMT5Encoder> text_encoder_;
  std::unique_ptr<WanTransformer> transformer_;
  std::unique_ptr<WanVAE> vae_;
  std::map<std::pair<std::string, int64_t>, Prompt> prompts_;  // encoded so far
  StageSeconds seconds_;
  attention::StatsRecorder stats_;
};

void WanPipeline::CheckRequest(const Request& r) const {
  const SizeRules& rules = folder_.info.size_rules;
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

AttentionPlan WanPipeline::PlanAttention(const Request& request) const {
  const auto [pt, ph, pw] = folder_.transformer.patch_size;
  const WanVAEConfig& vae = folder_.vae;
  const int64_t frames = (request.num_frames - 1) / vae.scale_factor_temporal + 1;
  const int64_t tokens = frames / pt * (request.height_px / vae.scale_factor_spatial / ph) *
                         (request.width_px / vae.scale_factor_spatial / pw);
  return {request.attention,
          {request.num_steps, folder_.transformer.num_layers, folder_.transformer.num_heads, tokens}};
}

// Whether the text encoder may stay while the transformer runs: all weights twice over fit into what memory is left.
bool WanPipeline::RoomForEverything() const {
  if (!runtime_.device.is_cpu()) return false;
  int64_t bytes = 0;
  for (const ComponentInfo& component : folder_.info.components)
    bytes += component.parameters * static_cast<int64_t>(c10::elementSize(runtime_.dtype));
  return 2 * bytes < AvailableMemoryBytes();
}

WanPipeline::Prompt WanPipeline::EncodePrompt(const std::string& text, int64_t max_length, Progress& progress) {
  const auto key = std::pair(text, max_length);
  if (auto found = prompts_.find(key); found != prompts_.end()) return found->second;
  Load(text_encoder_, folder_.text_encoder, folder_.text_encoder_files,
       runtime_.dtype == at::kHalf ? UMT5Encoder::KeepsFloat32InHalf : nullptr, Stage::kLoadTextEncoder, progress);

  const Timed timed(seconds_.encode_prompt);
  Prompt prompt;
  const CleanedPrompt cleaned = CleanPrompt(text);
  const std::vector<int32_t> all = tokenizer_->Encode(cleaned.text);
  const Tokenizer::Padded encoded = tokenizer_->EncodePadded(cleaned.text, max_length);
  if (static_cast<int64_t>(all.size()) > max_length)
    prompt.notices.push_back(base::StrCat("the prompt has ", all.size(), " tokens; the model reads the first ",
                                          max_length, " (max_sequence_length)"));
  const at::Tensor hidden = text_encoder_->Forward(encoded.ids, encoded.length, Context(), progress);
  if (!AllFinite(hidden)) FailNonFinite("the text encoder's output", folder_.text_encoder_files);
  prompt.embeddings = at::constant_pad_nd(hidden, {0, 0, 0, max_length - hidden.size(1)});
  prompts_[key] = prompt;
  return prompt;
}

std::unique_ptr<Sampler> WanPipeline::MakeSamplerFor(const Request& request) const {
  SamplerConfig config = folder_.sampler;
  if (!request.scheduler.empty()) config.kind = request.scheduler;
  if (request.flow_shift) config.flow_shift = *request.flow_shift;
  return MakeSampler(config, request.num_steps, runtime_.device);
}

at::Tensor WanPipeline::DrawNoise(const Request& request) const {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(request.seed));
  const std::vector<int64_t> shape = {
      1, folder_.transformer.in_channels, (request.num_frames - 1) / folder_.vae.scale_factor_temporal + 1,
      request.height_px / folder_.vae.scale_factor_spatial, request.width_px / folder_.vae.scale_factor_spatial};
  return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat)).to(runtime_.device);
}

at::Tensor WanPipeline::Velocity(const at::Tensor& input, const at::Tensor& timestep, const Conditioning& conditioning,
                                 attention::AttentionContext ctx, Progress& progress) const {
  ctx.pass = attention::Pass::kCond;
  const at::Tensor velocity =
      transformer_->Forward(input, timestep, conditioning.cond, conditioning.positions, ctx, progress);
  if (!conditioning.guided) return velocity;
  ctx.pass = attention::Pass::kUncond;
  const at::Tensor base =
      transformer_->Forward(input, timestep, conditioning.uncond, conditioning.positions, ctx, progress);
  return base + conditioning.guidance * (velocity - base);
}

WanPipeline::Conditioning WanPipeline::Prepare(const Request& request, const AttentionPlan& plan,
                                               const at::Tensor& latents, const at::Tensor& cond,
                                               const at::Tensor& uncond, Progress& progress) const {
  Conditioning conditioning;
  conditioning.guidance = request.guidance;
  conditioning.guided = uncond.defined();
  conditioning.positions = transformer_->PreparePositions(latents, plan.hilbert());
  conditioning.cond = transformer_->PrepareText(cond.to(transformer_->dtype()), progress);
  if (uncond.defined()) conditioning.uncond = transformer_->PrepareText(uncond.to(transformer_->dtype()), progress);
  return conditioning;
}

WanPipeline::StepResult WanPipeline::TryStep(int64_t step, Denoising& run, Progress& progress) const {
  StepResult result;
  attention::AttentionContext ctx;
  ctx.policy = &run.policy;
  ctx.stats = &result.calls;
  ctx.tap = run.tap;
  ctx.step = static_cast<int>(step);
  const at::Tensor timestep = run.sampler->timesteps()[step].expand({1});
  const at::Tensor velocity =
      Velocity(run.latents.to(transformer_->dtype()), timestep, run.conditioning, ctx, progress);
  result.latents = run.sampler->Step(velocity, run.latents);
  result.finite = AllFinite(result.latents);
  return result;
}

// One step; if its latents are not finite though 8-bit or sparse attention had a part in it, once more, dense.
void WanPipeline::Step(int64_t step, Denoising& run, Denoised& result, Progress& progress) {
  const Stopwatch watch;
  const double watched = stats_.tap_seconds();
  std::unique_ptr<Sampler> before = run.sampler->Clone();
  StepResult tried = TryStep(step, run, progress);
  std::string again;
  if (!tried.finite && !AllDense(tried.calls)) {
    const std::string why = base::StrCat("step ", step, " ran again, dense: its latents were not finite");
    stats_.AddRedo(static_cast<int>(step), why, tried.calls);
    result.notices.push_back(why);
    result.redone_steps.push_back(step);
    run.sampler = std::move(before);
    run.policy.RunDense(why);
    tried = TryStep(step, run, progress);
    run.policy.RunDense("");
    again = ", with dense attention too,";
  }
  if (!tried.finite)
    FailNonFinite(base::StrCat("step ", step + 1, " of ", run.sampler->num_steps(), ": latents", again),
                  folder_.transformer_files);
  run.latents = tried.latents;
  stats_.Append(tried.calls);
  result.sigmas.push_back(run.sampler->sigmas()[step].item<double>());
  seconds_.steps.push_back(watch.Seconds() - (stats_.tap_seconds() - watched));
}

void WanPipeline::FailNonFinite(const std::string& what, const WeightFiles& files) const {
  const std::string weight = FindNonFinite(files);
  Fail(ErrorCode::kNonFinite, what, " has NaN or infinite values",
       weight.empty() ? base::StrCat(" (dtype ", runtime_.dtype_name(), "; try --dtype float32)")
                      : "; " + weight + " holds such values: fetch the model again");
}

Denoised WanPipeline::Denoise(const Request& request, Progress& progress) {
  const c10::InferenceMode inference;
  CheckRequest(request);
  const AttentionPlan plan = PlanAttention(request);
  const bool guided = request.guidance > 1.0;
  Denoised result;
  stats_.Clear();

  const Prompt cond = EncodePrompt(request.prompt, request.max_sequence_length, progress);
  result.notices = cond.notices;
  at::Tensor uncond;
  if (guided) {
    const Prompt negative = EncodePrompt(request.negative_prompt, request.max_sequence_length, progress);
    uncond = negative.embeddings;
    for (const std::string& notice : negative.notices) result.notices.push_back("negative prompt: " + notice);
  }
  progress.Update(Stage::kEncodePrompt, 1, 1);
  if (!RoomForEverything()) text_encoder_.reset();

  Load(transformer_, folder_.transformer, folder_.transformer_files, WanTransformer::KeepsFloat32,
       Stage::kLoadTransformer, progress);
  const Timed timed(seconds_.denoise);
  progress.Update(Stage::kDenoise, 0, request.num_steps);
  Denoising run{MakeSamplerFor(request), DrawNoise(request), {}, AttentionPolicy(&plan), request.attention_tap};
  run.conditioning = Prepare(request, plan, run.latents, cond.embeddings, uncond, progress);
  for (int64_t step = 0; step < request.num_steps; ++step) {
    progress.ThrowIfCancelled();
    Step(step, run, result, progress);
    progress.Update(Stage::kDenoise, step + 1, request.num_steps);
  }
  seconds_.denoise -= stats_.tap_seconds();
  if (const std::string notice = FallBackNotice(stats_); !notice.empty()) result.notices.push_back(notice);
  result.latents = ToHost(run.latents.squeeze(0));
  return result;
}

HostTensor WanPipeline::Decode(const HostTensor& latents, Progress& progress) {
  const c10::InferenceMode inference;
  const bool fits = latents.shape.size() == 4 && latents.shape[0] == folder_.vae.z_dim && latents.numel() > 0;
  Check(fits, ErrorCode::kInvalidInput, "latents of shape ", at::IntArrayRef(latents.shape),
        " are not of this model; its VAE takes [", folder_.vae.z_dim, ", T, h, w]");
  Load(vae_, folder_.vae, folder_.vae_files, nullptr, Stage::kLoadVAE, progress);
  const Timed timed(seconds_.decode);
  const at::Tensor input = FromHost(latents).unsqueeze(0);
  Check(AllFinite(input), ErrorCode::kNonFinite, "the latents have NaN or infinite values");
  const at::Tensor video = vae_->Decode(input, Context(), progress);
  if (!AllFinite(video)) FailNonFinite("the decoded frames", folder_.vae_files);
  // [1, 3, F, H, W] in −1…1 → [F, H, W, 3] in 0…1, as diffusers' VideoProcessor.
  const at::Tensor frames = (video[0].permute({1, 2, 3, 0}) * 0.5 + 0.5).clamp(0, 1);
  return ToHost(frames);
}

HostTensor WanPipeline::Encode(const HostTensor& frames, Progress& progress) {
  const c10::InferenceMode inference;
  const int64_t multiple = folder_.vae.spatial_factor();
  const bool fits = frames.shape.size() == 4 && frames.shape[3] == 3 && frames.numel() > 0 &&
                    frames.shape[1] % multiple == 0 && frames.shape[2] % multiple == 0;
  Check(fits, ErrorCode::kInvalidInput, "frames of shape ", at::IntArrayRef(frames.shape),
        " cannot be encoded; the VAE takes [F, H, W, 3] with H and W multiples of ", multiple);
  Load(vae_, folder_.vae, folder_.vae_files, nullptr, Stage::kLoadVAE, progress);
  const at::Tensor video = FromHost(frames).permute({3, 0, 1, 2}).unsqueeze(0) * 2 - 1;
  return ToHost(vae_->Encode(video, Context(), progress)[0]);
}

}  // namespace

ModelInfo InspectWan(const std::string& model_dir) { return WanFolder::Open(model_dir).info; }

std::unique_ptr<Pipeline> OpenWan(const std::string& model_dir, const RuntimeOptions& options) {
  return std::make_unique<WanPipeline>(WanFolder::Open(model_dir), options);
}

}  // namespace pipeline
