#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attention/stats.h"
#include "pipeline/attention_settings.h"
#include "pipeline/host_tensor.h"
#include "pipeline/preview.h"
#include "pipeline/progress.h"

namespace attention {
class CallTap;
}

namespace pipeline {

// One part of a model folder, as its files say.
struct ComponentInfo {
  std::string name;        // "transformer", "vae", "text_encoder", "tokenizer", "scheduler"
  std::string class_name;  // "WanTransformer3DModel", …
  int64_t parameters = 0;
  int64_t bytes = 0;                                       // of weights on disk
  std::map<std::string, int64_t> dtypes;                   // safetensors dtype name → number of tensors
  std::vector<std::string> weight_files;                   // absolute, in order of name
  std::vector<std::pair<std::string, std::string>> facts;  // for people: "layers" → "30", "heads" → "12 x 128", …
};

// What a clip of this model may look like: sizes are multiples up to a maximum, frames = first + n·multiple.
struct SizeRules {
  int64_t width_multiple = 16, height_multiple = 16;  // px
  int64_t max_width = 0, max_height = 0;              // px
  int64_t frames_first = 1, frames_multiple = 4, max_frames = 0;
};

// What the diffusers pipeline class uses where the caller says nothing.
struct FamilyDefaults {
  int64_t width_px = 832, height_px = 480, num_frames = 81, num_steps = 50, max_sequence_length = 512;
  double guidance = 5.0, fps = 16.0;
};

// Sizes from which the memory that a render takes follows (memory_estimate.h).
struct MemoryFacts {
  int64_t text_dim = 0, text_ffn = 0, text_heads = 0;  // of the text encoder
  int64_t dim = 0, ffn = 0, latent_channels = 0;       // of the DiT
  std::array<int64_t, 3> patch = {1, 1, 1};            // of latent pixels (t, h, w) a token
  int64_t temporal_factor = 1, spatial_factor = 1;     // frames and pixels a latent pixel
  // Of the VAE's decoder: the frames that it makes at a time; numbers of its widest layer for a pixel of the clip; and
  // those that it keeps from one chunk to the next.
  int64_t chunk_frames = 1, decoder_width = 0, decoder_kept = 0;
};

struct ModelInfo {
  std::string path;            // absolute, no trailing slash
  std::string pipeline_class;  // "WanPipeline"
  std::vector<ComponentInfo> components;
  SizeRules size_rules;
  FamilyDefaults defaults;
  std::vector<std::string>
      config_files;  // absolute: model_index.json, every component's config, the tokenizer's files; in order of name
  std::vector<std::string> notices;                     // unknown keys that were ignored, and the like
  std::string scheduler;                                // "unipc" or "euler": what the folder asks for
  int64_t num_layers = 0, num_heads = 0, head_dim = 0;  // of the DiT
  int64_t max_sequence_length_limit = 0;                // 0: none
  MemoryFacts memory;
};

// Reads a diffusers folder's configs and weight headers, no weights. Throws Error{kInvalidInput} with every missing,
// unexpected or mis-shaped tensor and file, Error{kUnsupported} with the name of a class or option that is not there.
ModelInfo Inspect(const std::string& model_dir);

// Settings of the group "how".
struct RuntimeOptions {
  std::string device = "auto";  // auto, cpu, cuda, cuda:N
  std::string dtype = "auto";   // auto, float32, bfloat16, float16
  int threads = 0;              // 0: libtorch's choice
};

// Where it runs.
struct Machine {
  bool cuda = false;
  int64_t element_bytes = 4;     // of the model's dtype: 4 or 2
  int64_t base_bytes = 0;        // of host memory: the program without a model
  int64_t host_available = 0;    // that may still be taken; 0: unknown
  int64_t device_available = 0;  // of the CUDA device; 0: unknown
};

// Whether clips are decoded in tiles: `auto` where memory is too short for the whole picture.
enum class VAETiling { kAuto, kOn, kOff };

struct StageSeconds {
  double load = 0, encode_prompt = 0, denoise = 0, decode = 0;
  std::vector<double> steps;
};

// A tensor of a DenoiseState: its values, and the dtype that it has while it is used ("float32", "bfloat16",
// "float16"). The way to float32 and back changes no bit.
struct StateTensor {
  HostTensor values;
  std::string dtype;
};

// A clip between two steps of its denoising: all that going on from there needs, besides the request that it is of.
struct DenoiseState {
  int64_t step = 0;                            // steps that are done, from 1
  std::string scheduler;                       // "unipc", "euler"
  StateTensor latents;                         // [C, T, h, w]
  std::map<std::string, StateTensor> sampler;  // the scheduler's own, each of the latents' shape
  // What the steps so far took and did, for the record of the whole render.
  StageSeconds seconds;
  attention::StatsRecorder attention;
  std::vector<std::string> notices;
  std::vector<int64_t> redone_steps;
};

// Steps in while a clip is denoised; called from the thread that denoises. `TakeState` copies where the clip is.
class DenoiseControl {
 public:
  using TakeState = std::function<DenoiseState()>;
  using TakePreview = std::function<PreviewFrames()>;
  virtual ~DenoiseControl() = default;
  // Before step `step` (from 0); `state` may be called where a step is done. It may wait, and it may throw to end the
  // render. What it returns is the attention from this step on; the order of the tokens stays. None: as before.
  virtual std::optional<AttentionSettings> BeforeStep(int64_t step, const TakeState& state) = 0;
  // Step `step` (from 0) is done. `preview` shows the estimate of the whole clip that the step made, and costs what it
  // does; null unless the request has `preview` and latent_rgb() is known.
  virtual void AfterStep(int64_t /*step*/, const TakePreview& /*preview*/) {}
  // The render was cancelled, `state().step` steps are whole. Not called where none is.
  virtual void Cancelled(const TakeState& state) = 0;
};

struct Request {
  std::string prompt, negative_prompt;
  int64_t width_px = 0, height_px = 0, num_frames = 0, num_steps = 0, max_sequence_length = 512;
  double guidance = 5.0;             // > 1 runs the unconditional pass too
  int64_t seed = 0;                  // as torch.Generator("cpu").manual_seed(seed)
  std::string scheduler;             // "", "unipc", "euler"; "" = the folder's
  std::optional<double> flow_shift;  // absent = the folder's
  AttentionSettings attention;
  attention::CallTap* attention_tap = nullptr;  // sees every attention call of the DiT; null: nobody
  const DenoiseState* start = nullptr;          // null: from noise; else the bits are those of never having stopped
  DenoiseControl* control = nullptr;            // null: nobody
  bool preview = false;                         // the control may look at the clip after each step; changes no bit
};

// What a text encoder is asked for.
struct PromptText {
  std::string text;
  int64_t max_sequence_length = 512;
};

struct Denoised {
  HostTensor latents;  // [C, T, h, w], what diffusers returns for output_type="latent" without the batch dimension
  std::vector<double> sigmas;  // one a step
  std::vector<std::string> notices;
  std::vector<int64_t> redone_steps;  // that ran again, dense, after their latents were not finite
};

// A loaded model folder. Components are loaded when they are first needed; a text encoder is freed before the DiT is
// loaded unless both fit. Not for two threads at once.
class Pipeline {
 public:
  // Checks everything that Inspect checks and the runtime options; loads no weights. Throws as Inspect does, and
  // Error{kUnsupported} where the device is not there.
  static std::unique_ptr<Pipeline> Open(const std::string& model_dir, const RuntimeOptions& options);
  virtual ~Pipeline() = default;

  virtual const ModelInfo& info() const = 0;
  virtual Machine machine() const { return {}; }  // what models it has loaded counts as available
  virtual std::string device_name() const = 0;    // "cpu", "cuda:0"
  virtual std::string dtype_name() const = 0;     // of the DiT's products: "bfloat16", …

  // A render begins: seconds() and attention_stats() count from here, from what an earlier part of it took and did.
  virtual void StartRender(const StageSeconds& seconds, const attention::StatsRecorder& attention) = 0;

  // Prompts of renders to come. Where the text encoder cannot stay in memory, the next Denoise encodes them too before
  // it lets go of it, so that it need not be loaded again. Replaces what was said before.
  virtual void WillNeed(std::vector<PromptText> prompts) = 0;

  // Prompt to latents; requests may differ in anything, attention included, without loading again. A step whose latents
  // are not finite though not all of its attention was dense is run again, dense. Throws Error{kCancelled} within one
  // DiT block of Progress::Cancel, Error{kNonFinite} with the step, Error{kInvalidInput} or Error{kUnsupported} for
  // what the model cannot do or a start that is not of this request, before it loads anything; Error{kOutOfMemory}
  // where what it needs is not there.
  virtual Denoised Denoise(const Request& request, Progress& progress) = 0;

  // Latents [C, T, h, w] to frames [F, H, W, 3] in 0…1 (RGB). Throws Error{kCancelled} within one VAE chunk,
  // Error{kInvalidInput} when the shape is not one of this model's, Error{kNonFinite}, Error{kOutOfMemory}.
  virtual HostTensor Decode(const HostTensor& latents, Progress& progress) = 0;

  // How Decode goes about it from now on, and what people should know of the last one: that it went in tiles because
  // memory was short; "" otherwise.
  virtual void set_vae_tiling(VAETiling /*tiling*/) {}
  virtual std::string decode_notice() const { return ""; }

  // Frames [F, H, W, 3] in 0…1 to the normalised latents that Decode takes (the mode of the VAE's posterior).
  virtual HostTensor Encode(const HostTensor& frames, Progress& progress) = 0;

  // How this model's latents look; null: not known. A Denoise with `preview` finds out by encoding a pattern of colours
  // where memory allows it, the first Decode after it better, by least squares on its own frames. What is set is
  // ignored where it has another shape.
  virtual std::shared_ptr<const LatentRGB> latent_rgb() const { return nullptr; }
  virtual void set_latent_rgb(std::shared_ptr<const LatentRGB> /*map*/) {}

  virtual const StageSeconds& seconds() const = 0;  // accumulated since Open or StartRender
  // Of the last Denoise, and what was encoded or decoded since. Within a Denoise it grows step by step.
  virtual const attention::StatsRecorder& attention_stats() const = 0;
};

}  // namespace pipeline
