#include "pipeline/models/wan_pipeline.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>

#include <exception>
#include <new>
#include <utility>

#include "attention/base/error.h"
#include "pipeline/latent_rgb.h"
#include "pipeline/memory_estimate.h"
#include "pipeline/models/wan_components.h"
#include "pipeline/models/wan_denoise.h"
#include "pipeline/models/wan_folder.h"
#include "pipeline/models/wan_prompts.h"
#include "pipeline/tensor_state.h"

namespace pipeline {
namespace {

using base::Check;
using base::ErrorCode;

class WanPipeline : public Pipeline {
 public:
  WanPipeline(WanFolder folder, const RuntimeOptions& options)
      : parts_(std::move(folder), Runtime::Choose(options)), prompts_(&parts_) {}

  const ModelInfo& info() const override { return parts_.folder.info; }
  Machine machine() const override { return MachineOf(parts_.runtime); }
  std::string device_name() const override { return parts_.runtime.device_name(); }
  std::string dtype_name() const override { return parts_.runtime.dtype_name(); }
  const StageSeconds& seconds() const override { return parts_.seconds; }
  const attention::StatsRecorder& attention_stats() const override { return parts_.stats; }

  void StartRender(const StageSeconds& seconds, const attention::StatsRecorder& attention) override {
    parts_.seconds = seconds;
    parts_.stats = attention;
  }
  void WillNeed(std::vector<PromptText> prompts) override { prompts_.WillNeed(std::move(prompts)); }

  Denoised Denoise(const Request& request, Progress& progress) override;
  HostTensor Decode(const HostTensor& latents, Progress& progress) override;
  HostTensor Encode(const HostTensor& frames, Progress& progress) override;
  std::shared_ptr<const LatentRGB> latent_rgb() const override { return latent_rgb_; }
  void set_latent_rgb(std::shared_ptr<const LatentRGB> map) override;
  void set_vae_tiling(VAETiling tiling) override { tiling_ = tiling; }
  std::string decode_notice() const override { return decode_notice_; }

 private:
  MemoryRequest Size(const HostTensor& latents, bool tiled) const;
  bool MakeRoomForDecoding(const HostTensor& latents);
  at::Tensor DecodeOnce(const at::Tensor& latents, bool tiled, Progress& progress);
  void LearnLook(Progress& progress);

  WanComponents parts_;
  WanPrompts prompts_;
  std::shared_ptr<const LatentRGB> latent_rgb_;
  bool learns_look_ = false;  // from the next Decode
  VAETiling tiling_ = VAETiling::kAuto;
  std::string decode_notice_;
};

// A failed allocation, as libtorch or the C++ library says it.
bool IsOutOfMemory(const std::exception& error) {
  const std::string text = error.what();
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         text.find("can't allocate memory") != std::string::npos || text.find("out of memory") != std::string::npos;
}

void WanPipeline::set_latent_rgb(std::shared_ptr<const LatentRGB> map) {
  const bool fits = map && map->channels == parts_.folder.vae.z_dim && map->frames_each >= 1 && map->patch >= 1 &&
                    static_cast<int64_t>(map->weights.size()) == (map->channels + 1) * map->outputs();
  if (fits) latent_rgb_ = std::move(map);
}

// Before the first preview: from what the VAE makes of a pattern of colours. The first decode then shows more.
void WanPipeline::LearnLook(Progress& progress) {
  learns_look_ = !latent_rgb_ || !latent_rgb_->from_decode;
  if (latent_rgb_ || (!parts_.has_vae() && !parts_.HasRoom(2 * parts_.WeightBytes("vae")))) return;
  constexpr int64_t kFrames = 9, kLatentPixels = 16;
  const int64_t side = kLatentPixels * parts_.folder.vae.spatial_factor();
  const at::Tensor pattern = ColourPattern(kFrames, side, side);
  const attention::AttentionContext nobody_counts;
  const at::Tensor latents = parts_.VAE(progress).Encode(pattern, nobody_counts, progress);
  if (AllFinite(latents)) latent_rgb_ = std::make_shared<LatentRGB>(FitLatentRGB(latents, pattern, nullptr));
}

Denoised WanPipeline::Denoise(const Request& request, Progress& progress) {
  const c10::InferenceMode inference;
  Denoised result;
  parts_.stats.Clear();
  WanDenoise clip(&parts_, request, &result);

  const WanPrompt cond = prompts_.Encode(request.prompt, request.max_sequence_length, progress);
  result.notices = cond.notices;
  at::Tensor uncond;
  if (request.guidance > 1.0) {
    const WanPrompt negative = prompts_.Encode(request.negative_prompt, request.max_sequence_length, progress);
    uncond = negative.Embeddings();
    for (const std::string& notice : negative.notices) result.notices.push_back("negative prompt: " + notice);
  }
  prompts_.LetGoOfTextEncoder(progress);
  progress.Update(Stage::kEncodePrompt, 1, 1);

  const MemoryRequest size = {request.width_px, request.height_px, request.num_frames, request.max_sequence_length,
                              request.guidance > 1.0};
  parts_.CheckRoom("denoising", DenoiseWorkBytes(info(), size, machine()));
  parts_.Transformer(progress);
  learns_look_ = false;
  if (request.preview) LearnLook(progress);
  if (request.start != nullptr) {  // the prompts that were encoded once more count once
    parts_.stats = request.start->attention;
    result.notices = request.start->notices;
  }
  clip.Run(cond.Embeddings(), uncond, request.preview ? latent_rgb_ : nullptr, progress);
  if (const std::string notice = FallBackNotice(parts_.stats); !notice.empty()) result.notices.push_back(notice);
  result.latents = ToHost(clip.latents().squeeze(0));
  return result;
}

MemoryRequest WanPipeline::Size(const HostTensor& latents, bool tiled) const {
  const WanVAEConfig& vae = parts_.folder.vae;
  MemoryRequest size;
  size.num_frames = (latents.shape[1] - 1) * vae.temporal_factor() + 1;
  size.height_px = latents.shape[2] * vae.spatial_factor();
  size.width_px = latents.shape[3] * vae.spatial_factor();
  size.tiled = tiled;
  return size;
}

// Frees what decoding does not need where memory is short; whether it is to go in tiles. Throws Error{kOutOfMemory}.
bool WanPipeline::MakeRoomForDecoding(const HostTensor& latents) {
  const auto needs = [&](bool tiled) { return DecodeWorkBytes(info(), Size(latents, tiled), machine()); };
  bool tiled = tiling_ == VAETiling::kOn;
  if (!parts_.HasRoom(needs(tiled))) parts_.FreeTextEncoder();  // the next job loads them again
  if (!parts_.HasRoom(needs(tiled))) parts_.FreeTransformer();
  const bool would_tile = !tiled && parts_.folder.vae.WouldTile(latents.shape[2], latents.shape[3]);
  if (would_tile && tiling_ == VAETiling::kAuto && !parts_.HasRoom(needs(false))) {
    tiled = true;
    decode_notice_ = "memory is too short to decode the whole picture at once: it is decoded in tiles (vae_tiling)";
  }
  const bool could_tile = would_tile && tiling_ == VAETiling::kOff;
  parts_.CheckRoom("decoding", needs(tiled), could_tile ? "turn vae_tiling on, " : "");
  return tiled;
}

at::Tensor WanPipeline::DecodeOnce(const at::Tensor& latents, bool tiled, Progress& progress) {
  const WanVAE& vae = parts_.VAE(progress);
  const Timed timed(parts_.seconds.decode);
  return vae.Decode(latents, parts_.Context(), progress, tiled);
}

HostTensor WanPipeline::Decode(const HostTensor& latents, Progress& progress) {
  const c10::InferenceMode inference;
  const int64_t channels = parts_.folder.vae.z_dim;
  const bool fits = latents.shape.size() == 4 && latents.shape[0] == channels && latents.numel() > 0;
  Check(fits, ErrorCode::kInvalidInput, "latents of shape ", at::IntArrayRef(latents.shape),
        " are not of this model; its VAE takes [", channels, ", T, h, w]");
  decode_notice_.clear();
  const at::Tensor input = FromHost(latents).unsqueeze(0);
  Check(AllFinite(input), ErrorCode::kNonFinite, "the latents have NaN or infinite values");
  bool tiled = MakeRoomForDecoding(latents);
  at::Tensor video;
  try {
    video = DecodeOnce(input, tiled, progress);
  } catch (const std::exception& error) {
    const bool may_tile = tiling_ == VAETiling::kAuto && !tiled &&
                          parts_.folder.vae.WouldTile(latents.shape[2], latents.shape[3]) && IsOutOfMemory(error);
    if (!may_tile) throw;
    tiled = true;
    decode_notice_ = "decoding the whole picture ran out of memory: it was decoded in tiles (vae_tiling)";
  }
  if (!video.defined()) {
    parts_.FreeTextEncoder();
    parts_.FreeTransformer();
    video = DecodeOnce(input, tiled, progress);
  }
  const Timed timed(parts_.seconds.decode);
  if (!AllFinite(video)) parts_.FailNonFinite("the decoded frames", parts_.folder.vae_files);
  parts_.stats.Settle();
  if (std::exchange(learns_look_, false)) {
    LatentRGB map = FitLatentRGB(input, video, latent_rgb_.get());
    map.from_decode = true;
    latent_rgb_ = std::make_shared<LatentRGB>(std::move(map));
  }
  // [1, 3, F, H, W] in −1…1 → [F, H, W, 3] in 0…1, as diffusers' VideoProcessor.
  const at::Tensor frames = (video[0].permute({1, 2, 3, 0}) * 0.5 + 0.5).clamp(0, 1);
  return ToHost(frames);
}

HostTensor WanPipeline::Encode(const HostTensor& frames, Progress& progress) {
  const c10::InferenceMode inference;
  const int64_t multiple = parts_.folder.vae.spatial_factor();
  const bool fits = frames.shape.size() == 4 && frames.shape[3] == 3 && frames.numel() > 0 &&
                    frames.shape[1] % multiple == 0 && frames.shape[2] % multiple == 0;
  Check(fits, ErrorCode::kInvalidInput, "frames of shape ", at::IntArrayRef(frames.shape),
        " cannot be encoded; the VAE takes [F, H, W, 3] with H and W multiples of ", multiple);
  const WanVAE& vae = parts_.VAE(progress);
  const at::Tensor video = FromHost(frames).permute({3, 0, 1, 2}).unsqueeze(0) * 2 - 1;
  HostTensor latents = ToHost(vae.Encode(video, parts_.Context(), progress)[0]);
  parts_.stats.Settle();
  return latents;
}

}  // namespace

ModelInfo InspectWan(const std::string& model_dir) { return WanFolder::Open(model_dir).info; }

std::unique_ptr<Pipeline> OpenWan(const std::string& model_dir, const RuntimeOptions& options) {
  return std::make_unique<WanPipeline>(WanFolder::Open(model_dir), options);
}

}  // namespace pipeline
