#include "pipeline/models/wan_pipeline.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <list>
#include <optional>
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

// Exactly as long as the dtype is one of those below.
StateTensor ToState(const at::Tensor& tensor) {
  const c10::ScalarType dtype = tensor.scalar_type();
  const char* name = dtype == at::kFloat ? "float32" : dtype == at::kBFloat16 ? "bfloat16" : "float16";
  Check(dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf, ErrorCode::kInternal, "latents of dtype ",
        c10::toString(dtype));
  return {ToHost(tensor.squeeze(0)), name};
}

// To a tensor of its own, so that it lies in memory as one that was computed does.
at::Tensor FromState(const StateTensor& state, const std::string& name, at::IntArrayRef shape, c10::Device device) {
  const c10::ScalarType dtype = state.dtype == "bfloat16"  ? at::kBFloat16
                                : state.dtype == "float16" ? at::kHalf
                                                           : at::kFloat;
  Check(dtype != at::kFloat || state.dtype == "float32", ErrorCode::kInvalidInput, "tensor '", name, "' of dtype '",
        state.dtype, "'; expected float32, bfloat16 or float16");
  const at::Tensor values = FromHost(state.values).unsqueeze(0);
  Check(values.sizes() == shape, ErrorCode::kInvalidInput, "tensor '", name, "' of shape ", values.sizes(),
        " does not fit this clip: expected ", shape);
  Check(at::isfinite(values).all().item<bool>(), ErrorCode::kInvalidInput, "tensor '", name,
        "' has NaN or infinite values");
  return values.clone().to(device, dtype);
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

  void StartRender(const StageSeconds& seconds, const attention::StatsRecorder& attention) override {
    seconds_ = seconds;
    stats_ = attention;
  }
  void WillNeed(std::vector<PromptText> prompts) override { ahead_ = std::move(prompts); }

  Denoised Denoise(const Request& request, Progress& progress) override;
  HostTensor Decode(const HostTensor& latents, Progress& progress) override;
  HostTensor Encode(const HostTensor& frames, Progress& progress) override;

 private:
  struct Prompt {
    std::string text;
    int64_t max_length = 0;
    at::Tensor hidden;  // [1, tokens, d_model], the text encoder's dtype
    std::vector<std::string> notices;

    // [1, max_length, d_model], zeros past the prompt's length.
    at::Tensor Embeddings() const { return at::constant_pad_nd(hidden, {0, 0, 0, max_length - hidden.size(1)}); }
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
  int64_t DenoiseBytes(const Request& request) const;
  int64_t DecodeBytes(const HostTensor& latents) const;
  bool HasRoom(int64_t bytes) const;
  void CheckRoom(const char* stage, int64_t bytes) const;
  void LetGoOfTextEncoder(Progress& progress);
  const Prompt* Remembered(const std::string& text, int64_t max_length);
  void Remember(const Prompt& prompt);
  Prompt EncodePrompt(const std::string& text, int64_t max_length, Progress& progress);
  std::unique_ptr<Sampler> MakeSamplerFor(const Request& request) const;
  std::vector<int64_t> NoiseShape(const Request& request) const;
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
    explicit Denoising(AttentionPlan of) : plan(std::move(of)), policy(&plan) {}
    AttentionPlan plan;
    AttentionPolicy policy;
    std::unique_ptr<Sampler> sampler;
    at::Tensor latents;
    Conditioning conditioning;
    attention::CallTap* tap = nullptr;
    int64_t first_step = 0;
    double tap_seconds = 0;  // spent watching before the first step
    std::string scheduler;
  };
  // Latents after a step, and what its attention did.
  struct StepResult {
    at::Tensor latents;
    attention::StatsRecorder calls;
    bool finite = false;
  };
  Conditioning Prepare(const Request& request, const AttentionPlan& plan, const at::Tensor& latents,
                       const at::Tensor& cond, const at::Tensor& uncond, Progress& progress) const;
  void CheckStart(const Request& request, const std::string& scheduler) const;
  std::unique_ptr<Denoising> Begin(const Request& request, Denoised& result);
  DenoiseState StateOf(int64_t step, const Denoising& run, const Denoised& result, double seconds) const;
  void RunSteps(const Request& request, Denoising& run, Denoised& result, Progress& progress);
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
  std::list<Prompt> prompts_;  // encoded so far, the one used last in front
  std::vector<PromptText> ahead_;
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

// What denoising takes beside the weights (which may be mapped files, and then take nothing), at the least: within a
// block the residual stream, q, k, v and the attention's output are alive, or the stream and the widest layer of the
// feed-forward network.
int64_t WanPipeline::DenoiseBytes(const Request& request) const {
  const std::vector<int64_t> shape = NoiseShape(request);
  const auto [pt, ph, pw] = folder_.transformer.patch_size;
  const int64_t tokens = (shape[2] / pt) * (shape[3] / ph) * (shape[4] / pw);
  const int64_t widest =
      std::max(5 * folder_.transformer.dim(), folder_.transformer.dim() + folder_.transformer.ffn_dim);
  return tokens * widest * static_cast<int64_t>(c10::elementSize(runtime_.dtype));
}

// The same for decoding: all frames as they come out, joined, and in float32 for the caller; one chunk of them twice at
// the decoder's last width.
int64_t WanPipeline::DecodeBytes(const HostTensor& latents) const {
  const int64_t factor = folder_.vae.spatial_factor(), each = static_cast<int64_t>(c10::elementSize(runtime_.dtype));
  const int64_t frames = (latents.shape[1] - 1) * folder_.vae.scale_factor_temporal + 1;
  const int64_t pixels = latents.shape[2] * factor * latents.shape[3] * factor;
  const int64_t chunk = std::min(frames, folder_.vae.scale_factor_temporal);
  return frames * pixels * 3 * (2 * each + 4) +
         2 * chunk * pixels * folder_.vae.decoder_base_dim * folder_.vae.dim_mult.front() * each;
}

bool WanPipeline::HasRoom(int64_t bytes) const {
  const int64_t available = AvailableMemoryBytes();
  return !runtime_.device.is_cpu() || available == 0 || bytes <= available;
}

void WanPipeline::CheckRoom(const char* stage, int64_t bytes) const {
  const auto in_gb = [](int64_t count) { return std::round(1e-7 * static_cast<double>(count)) / 100; };
  const double gb = in_gb(bytes), have = in_gb(AvailableMemoryBytes());
  Check(HasRoom(bytes), ErrorCode::kOutOfMemory, "out of memory: ", stage, " needs at least ", gb, " GB, and ", have,
        " GB are available: ask for fewer frames or a smaller size, or free some memory");
}

// Whether the text encoder may stay while the transformer runs: what is still to be loaded fits into what memory is
// left twice over, and an eighth of all weights besides.
bool WanPipeline::RoomForEverything() const {
  if (!runtime_.device.is_cpu()) return false;
  int64_t all = 0, to_load = 0;
  for (const ComponentInfo& component : folder_.info.components) {
    const int64_t bytes = component.parameters * static_cast<int64_t>(c10::elementSize(runtime_.dtype));
    const bool loaded = (component.name == "text_encoder" && text_encoder_) ||
                        (component.name == "transformer" && transformer_) || (component.name == "vae" && vae_);
    all += bytes;
    to_load += loaded ? 0 : bytes;
  }
  return 2 * to_load + all / 8 < AvailableMemoryBytes();
}

// Frees the text encoder where it cannot stay, after the prompts that are to come have passed through it.
void WanPipeline::LetGoOfTextEncoder(Progress& progress) {
  if (!text_encoder_ || RoomForEverything()) return;
  for (const PromptText& prompt : std::exchange(ahead_, {})) {
    EncodePrompt(prompt.text, prompt.max_sequence_length, progress);
  }
  text_encoder_.reset();
}

const WanPipeline::Prompt* WanPipeline::Remembered(const std::string& text, int64_t max_length) {
  for (auto it = prompts_.begin(); it != prompts_.end(); ++it) {
    if (it->text != text || it->max_length != max_length) continue;
    prompts_.splice(prompts_.begin(), prompts_, it);
    return &prompts_.front();
  }
  return nullptr;
}

void WanPipeline::Remember(const Prompt& prompt) {
  constexpr size_t kMostBytes = size_t{1} << 30;
  prompts_.push_front(prompt);
  size_t bytes = 0;
  for (auto it = prompts_.begin(); it != prompts_.end();) {
    bytes += it->hidden.nbytes();
    it = bytes > kMostBytes && it != prompts_.begin() ? prompts_.erase(it) : std::next(it);
  }
}

WanPipeline::Prompt WanPipeline::EncodePrompt(const std::string& text, int64_t max_length, Progress& progress) {
  if (const Prompt* found = Remembered(text, max_length)) return *found;
  Load(text_encoder_, folder_.text_encoder, folder_.text_encoder_files,
       runtime_.dtype == at::kHalf ? UMT5Encoder::KeepsFloat32InHalf : nullptr, Stage::kLoadTextEncoder, progress);

  const Timed timed(seconds_.encode_prompt);
  Prompt prompt{text, max_length, {}, {}};
  const CleanedPrompt cleaned = CleanPrompt(text);
  const std::vector<int32_t> all = tokenizer_->Encode(cleaned.text);
  const Tokenizer::Padded encoded = tokenizer_->EncodePadded(cleaned.text, max_length);
  if (static_cast<int64_t>(all.size()) > max_length)
    prompt.notices.push_back(base::StrCat("the prompt has ", all.size(), " tokens; the model reads the first ",
                                          max_length, " (max_sequence_length)"));
  prompt.hidden = text_encoder_->Forward(encoded.ids, encoded.length, Context(), progress);
  stats_.Settle();
  if (!AllFinite(prompt.hidden)) FailNonFinite("the text encoder's output", folder_.text_encoder_files);
  Remember(prompt);
  return prompt;
}

std::unique_ptr<Sampler> WanPipeline::MakeSamplerFor(const Request& request) const {
  SamplerConfig config = folder_.sampler;
  if (!request.scheduler.empty()) config.kind = request.scheduler;
  if (request.flow_shift) config.flow_shift = *request.flow_shift;
  return MakeSampler(config, request.num_steps, runtime_.device);
}

std::vector<int64_t> WanPipeline::NoiseShape(const Request& request) const {
  return {1, folder_.transformer.in_channels, (request.num_frames - 1) / folder_.vae.scale_factor_temporal + 1,
          request.height_px / folder_.vae.scale_factor_spatial, request.width_px / folder_.vae.scale_factor_spatial};
}

at::Tensor WanPipeline::DrawNoise(const Request& request) const {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(request.seed));
  return at::randn(NoiseShape(request), generator, at::TensorOptions().dtype(at::kFloat)).to(runtime_.device);
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
  // Dense in memory at every step, as latents from a DenoiseState are.
  result.latents = run.sampler->Step(velocity.contiguous(), run.latents).contiguous();
  result.finite = AllFinite(result.latents);  // which waits for the device
  result.calls.Settle();
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

void WanPipeline::CheckStart(const Request& request, const std::string& scheduler) const {
  const DenoiseState& start = *request.start;
  Check(start.scheduler == scheduler, ErrorCode::kInvalidInput, "the start is of scheduler '", start.scheduler,
        "', the render of '", scheduler, "'");
  Check(start.step >= 1 && start.step < request.num_steps, ErrorCode::kInvalidInput, "a start after ", start.step,
        " steps is none for a render of ", request.num_steps);
}

// From noise, or from where an earlier render stopped.
std::unique_ptr<WanPipeline::Denoising> WanPipeline::Begin(const Request& request, Denoised& result) {
  auto run = std::make_unique<Denoising>(PlanAttention(request));
  run->scheduler = request.scheduler.empty() ? folder_.sampler.kind : request.scheduler;
  run->sampler = MakeSamplerFor(request);
  run->tap = request.attention_tap;
  if (request.start == nullptr) {
    run->latents = DrawNoise(request);
    return run;
  }
  CheckStart(request, run->scheduler);
  const DenoiseState& start = *request.start;
  const std::vector<int64_t> shape = NoiseShape(request);
  run->latents = FromState(start.latents, "latents", shape, runtime_.device);
  std::map<std::string, at::Tensor> state;
  for (const auto& [name, tensor] : start.sampler) state[name] = FromState(tensor, name, shape, runtime_.device);
  run->sampler->Restore(start.step, state);
  run->first_step = start.step;
  result.redone_steps = start.redone_steps;
  for (int64_t step = 0; step < start.step; ++step) {
    result.sigmas.push_back(run->sampler->sigmas()[step].item<double>());
  }
  return run;
}

// `seconds`: of the denoising so far that seconds_ does not have yet.
DenoiseState WanPipeline::StateOf(int64_t step, const Denoising& run, const Denoised& result, double seconds) const {
  DenoiseState state;
  state.step = step;
  state.scheduler = run.scheduler;
  state.latents = ToState(run.latents);
  for (const auto& [name, tensor] : run.sampler->State()) state.sampler[name] = ToState(tensor);
  state.seconds = seconds_;
  state.seconds.denoise += seconds - (stats_.tap_seconds() - run.tap_seconds);
  state.attention = stats_;
  state.notices = result.notices;
  state.redone_steps = result.redone_steps;
  return state;
}

void WanPipeline::RunSteps(const Request& request, Denoising& run, Denoised& result, Progress& progress) {
  const Stopwatch watch;
  int64_t step = run.first_step;
  const auto state = [&] { return StateOf(step, run, result, watch.Seconds()); };
  try {
    for (; step < request.num_steps; ++step) {
      progress.ThrowIfCancelled();
      if (request.control != nullptr) {
        if (const std::optional<AttentionSettings> changed = request.control->BeforeStep(step, state)) {
          Request as_changed = request;
          as_changed.attention = *changed;
          run.plan = PlanAttention(as_changed);  // where the policy looks
        }
        progress.ThrowIfCancelled();
      }
      Step(step, run, result, progress);
      progress.Update(Stage::kDenoise, step + 1, request.num_steps);
    }
  } catch (const base::Error& error) {
    if (error.code() == ErrorCode::kCancelled && request.control != nullptr && step >= 1) {
      request.control->Cancelled(state);
    }
    throw;
  }
}

Denoised WanPipeline::Denoise(const Request& request, Progress& progress) {
  const c10::InferenceMode inference;
  CheckRequest(request);
  const bool guided = request.guidance > 1.0;
  Denoised result;
  stats_.Clear();
  const std::unique_ptr<Denoising> run = Begin(request, result);

  const Prompt cond = EncodePrompt(request.prompt, request.max_sequence_length, progress);
  result.notices = cond.notices;
  at::Tensor uncond;
  if (guided) {
    const Prompt negative = EncodePrompt(request.negative_prompt, request.max_sequence_length, progress);
    uncond = negative.Embeddings();
    for (const std::string& notice : negative.notices) result.notices.push_back("negative prompt: " + notice);
  }
  LetGoOfTextEncoder(progress);
  progress.Update(Stage::kEncodePrompt, 1, 1);

  CheckRoom("denoising", DenoiseBytes(request));
  Load(transformer_, folder_.transformer, folder_.transformer_files, WanTransformer::KeepsFloat32,
       Stage::kLoadTransformer, progress);
  if (request.start != nullptr) {  // the prompts that were encoded once more count once
    stats_ = request.start->attention;
    result.notices = request.start->notices;
  }
  const Timed timed(seconds_.denoise);
  progress.Update(Stage::kDenoise, run->first_step, request.num_steps);
  run->conditioning = Prepare(request, run->plan, run->latents, cond.Embeddings(), uncond, progress);
  run->tap_seconds = stats_.tap_seconds();
  RunSteps(request, *run, result, progress);
  seconds_.denoise -= stats_.tap_seconds() - run->tap_seconds;
  if (const std::string notice = FallBackNotice(stats_); !notice.empty()) result.notices.push_back(notice);
  result.latents = ToHost(run->latents.squeeze(0));
  return result;
}

HostTensor WanPipeline::Decode(const HostTensor& latents, Progress& progress) {
  const c10::InferenceMode inference;
  const bool fits = latents.shape.size() == 4 && latents.shape[0] == folder_.vae.z_dim && latents.numel() > 0;
  Check(fits, ErrorCode::kInvalidInput, "latents of shape ", at::IntArrayRef(latents.shape),
        " are not of this model; its VAE takes [", folder_.vae.z_dim, ", T, h, w]");
  const int64_t needs = DecodeBytes(latents);
  if (!HasRoom(needs)) text_encoder_.reset();  // the next job loads them again
  if (!HasRoom(needs)) transformer_.reset();
  CheckRoom("decoding", needs);
  Load(vae_, folder_.vae, folder_.vae_files, nullptr, Stage::kLoadVAE, progress);
  const Timed timed(seconds_.decode);
  const at::Tensor input = FromHost(latents).unsqueeze(0);
  Check(AllFinite(input), ErrorCode::kNonFinite, "the latents have NaN or infinite values");
  const at::Tensor video = vae_->Decode(input, Context(), progress);
  if (!AllFinite(video)) FailNonFinite("the decoded frames", folder_.vae_files);
  stats_.Settle();
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
  HostTensor latents = ToHost(vae_->Encode(video, Context(), progress)[0]);
  stats_.Settle();
  return latents;
}

}  // namespace

ModelInfo InspectWan(const std::string& model_dir) { return WanFolder::Open(model_dir).info; }

std::unique_ptr<Pipeline> OpenWan(const std::string& model_dir, const RuntimeOptions& options) {
  return std::make_unique<WanPipeline>(WanFolder::Open(model_dir), options);
}

}  // namespace pipeline
