// Whole renders of random models: a DiT of a released model's sizes and a VAE, weights made here, random text
// embeddings; our denoising loop, sampler, attention policy and decoder. Needs libtorch, no model folder and none of
// the packages.
//   gpu_product [--device cuda|cpu] [SHAPE…]       one table a shape; all but the tiny ones by default
// What is drawn is noise; times, sparsities and how far the ways are apart are what it is for.
// scripts/gpu_check.sh runs it; exit 1 where a clip is not finite or attention fell back.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <numeric>
#include <string>
#include <vector>

#include "attention/base/error.h"
#include "pipeline/models/wan_components.h"
#include "pipeline/models/wan_denoise.h"
#include "pipeline/stopwatch.h"
#include "pipeline/tensor_state.h"
#include "tests/bench/made_weights.h"

namespace {

using pipeline::WanComponents;

struct Shape {
  const char* name;
  int64_t heads, head_dim, layers, ffn, text_dim, latent_channels;
  bool small_vae;  // the demo model's, which shrinks by 4, else the released one's, by 8
  int64_t width_px, height_px, frames, steps;
  bool whole;  // every way, and decoded; else the ways that `main` says
};

// Sizes of diffusers' Wan2.1-T2V configs and of assets/toybox.
const Shape kShapes[] = {
    {"tiny", 2, 64, 2, 256, 64, 12, true, 64, 64, 9, 2, true},
    {"tiny-wan", 1, 128, 2, 256, 64, 16, false, 64, 64, 5, 2, true},
    {"toybox", 4, 64, 8, 1024, 128, 12, true, 128, 128, 33, 16, true},
    {"wan-1.3b-480p", 12, 128, 30, 8960, 4096, 16, false, 832, 480, 81, 4, true},
    {"wan-1.3b-720p", 12, 128, 30, 8960, 4096, 16, false, 1280, 720, 81, 2, false},
    {"wan-14b-480p", 40, 128, 40, 13824, 4096, 16, false, 832, 480, 81, 2, false},
};

struct Way {
  const char *name, *mode;
  double topk, theta;  // negative: the default
  bool main;
};
const Way kWays[] = {{"dense (SDPA)", "dense", -1, -1, true},        {"dense8", "dense8", -1, -1, true},
                     {"sparge, defaults", "sparge", -1, -1, true},   {"sparge, topk 0.5", "sparge", 0.5, 0, false},
                     {"sparge, topk 0.25", "sparge", 0.25, 0, true}, {"sparge, topk 0.1", "sparge", 0.1, 0, false}};

pipeline::WanFolder FolderOf(const Shape& shape) {
  pipeline::WanFolder folder;
  pipeline::WanTransformerConfig& dit = folder.transformer;
  dit.num_heads = shape.heads;
  dit.head_dim = shape.head_dim;
  dit.num_layers = shape.layers;
  dit.ffn_dim = shape.ffn;
  dit.text_dim = shape.text_dim;
  dit.in_channels = dit.out_channels = shape.latent_channels;
  pipeline::WanVAEConfig& vae = folder.vae;
  vae.z_dim = shape.latent_channels;
  if (shape.small_vae) {
    vae.base_dim = 16;
    vae.decoder_base_dim = 32;
    vae.num_res_blocks = 1;
    vae.dim_mult = {1, 2, 4};
    vae.temporal_downsample = {true, true};
    vae.scale_factor_spatial = 4;
  }
  const auto channels = static_cast<size_t>(shape.latent_channels);
  vae.latents_mean.assign(channels, 0.0);
  vae.latents_std.assign(channels, 1.0);
  folder.sampler.flow_shift = 3;
  pipeline::SizeRules& rules = folder.info.size_rules;
  rules.max_width = rules.max_height = 1 << 16;
  rules.max_frames = 1 << 16;
  return folder;
}

struct Outcome {
  at::Tensor latents;
  double seconds_a_step = 0, attention_share = 0;
  attention::StatsRecorder stats;
};

pipeline::Request RequestFor(const Shape& shape, int64_t steps, const Way& way) {
  pipeline::Request request;
  request.width_px = shape.width_px;
  request.height_px = shape.height_px;
  request.num_frames = shape.frames;
  request.num_steps = steps;
  request.attention.choice.mode = way.mode;
  if (way.topk >= 0) request.attention.choice.topk = way.topk;
  if (way.theta >= 0) request.attention.choice.theta = way.theta;
  return request;
}

Outcome Render(WanComponents& parts, const pipeline::Request& request, const at::Tensor& cond,
               const at::Tensor& uncond) {
  parts.seconds = {};
  parts.stats.Clear();
  pipeline::NoProgress progress;
  pipeline::Denoised denoised;
  pipeline::WanDenoise clip(&parts, request, &denoised);
  clip.Run(cond, uncond, nullptr, progress);
  Outcome out;
  out.latents = clip.latents();
  out.stats = parts.stats;
  std::vector<double> steps = parts.seconds.steps;
  const double all = std::accumulate(steps.begin(), steps.end(), 0.0);
  if (steps.size() > 1) steps.erase(steps.begin());  // the first one warms up
  std::sort(steps.begin(), steps.end());
  out.seconds_a_step = steps[steps.size() / 2];
  out.attention_share = out.stats.seconds() / all;
  return out;
}

double Norm(const at::Tensor& x) { return x.to(at::kDouble).norm().item<double>(); }
double RelativeL2(const at::Tensor& x, const at::Tensor& truth) {
  return Norm(x.to(at::kDouble) - truth.to(at::kDouble)) / Norm(truth);
}
double Cosine(const at::Tensor& x, const at::Tensor& y) {
  return (x.to(at::kDouble) * y.to(at::kDouble)).sum().item<double>() / (Norm(x) * Norm(y));
}

std::string Asked(const Way& way) {
  if (std::strcmp(way.mode, "sparge") != 0) return "100 %";
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%, theta %.1f", 100 * (way.topk < 0 ? 0.5 : way.topk),
                way.theta < 0 ? 0.3 : way.theta);
  return text;
}

// Of all visible pairs of blocks: what was computed; of their P·V tiles: what λ skipped.
std::pair<double, double> Reached(const attention::StatsRecorder& stats) {
  double visible = 0, kept = 0, tiles = 0, skipped = 0;
  for (const attention::CallRecord& call : stats.denoising_calls()) {
    for (const int64_t n : call.visible_blocks) visible += static_cast<double>(n);
    for (const int64_t n : call.kept_blocks) kept += static_cast<double>(n);
    for (const int64_t n : call.pv_tiles) tiles += static_cast<double>(n);
    for (const int64_t n : call.pv_skipped) skipped += static_cast<double>(n);
  }
  return {visible > 0 ? kept / visible : 1, tiles > 0 ? skipped / tiles : 0};
}

std::string Kernels(const attention::StatsRecorder& stats) {
  std::string text;
  for (const auto& [name, calls] : stats.calls_by_kernel()) text += name + " x " + std::to_string(calls) + "  ";
  return text;
}

struct Latents {
  at::Tensor dense, sparse;  // sparge with its defaults
};

// Renders every way and prints a line each; whether all went as asked.
bool Table(const Shape& shape, const pipeline::Runtime& runtime, Latents& latents) {
  WanComponents parts(FolderOf(shape), runtime);
  const pipeline::WanTransformerConfig& dit = parts.folder.transformer;
  at::manual_seed(1);
  pipeline::Stopwatch making;
  bench::MadeWeights weights({dit.num_heads, dit.head_dim}, runtime.device);
  pipeline::WeightLoader loader(weights.Maker(), runtime.dtype, runtime.device, pipeline::WanTransformer::KeepsFloat32);
  parts.Use(std::make_unique<pipeline::WanTransformer>(dit, loader));
  const double parameters = static_cast<double>(weights.numbers());
  const auto embedding = [&] {
    return at::randn({1, 512, dit.text_dim}, at::TensorOptions().device(runtime.device)).to(runtime.dtype);
  };
  const at::Tensor cond = embedding(), uncond = embedding();

  const pipeline::WanVAEConfig& vae = parts.folder.vae;
  const int64_t tokens = ((shape.frames - 1) / vae.scale_factor_temporal + 1) *
                         (shape.height_px / vae.scale_factor_spatial / 2) *
                         (shape.width_px / vae.scale_factor_spatial / 2);
  std::printf(
      "\n%s: %ld layers, %ld heads of %ld, %.2f G parameters, %ld x %ld x %ld (%ld tokens), %s on %s, guidance 5 (two "
      "passes a step), %ld steps of unipc; weights made in %.1f s\n",
      shape.name, dit.num_layers, dit.num_heads, dit.head_dim, parameters / 1e9, shape.width_px, shape.height_px,
      shape.frames, tokens, runtime.dtype_name().c_str(), runtime.device_name().c_str(), shape.steps, making.Seconds());
  std::printf("%-18s %-15s | %6s %6s %8s | %8s %6s %5s | %8s %8s  kernels\n", "way", "asked", "kept", "cut", "sparsity",
              "s a step", "x", "attn", "error", "cosine");
  if (shape.whole) Render(parts, RequestFor(shape, 2, kWays[0]), cond, uncond);  // libraries load their kernels
  bool good = true;
  at::Tensor dense;
  double dense_seconds = 0;
  for (const Way& way : kWays) {
    if (!shape.whole && !way.main) continue;
    const Outcome out = Render(parts, RequestFor(shape, shape.steps, way), cond, uncond);
    if (!dense.defined()) {
      dense = out.latents;
      dense_seconds = out.seconds_a_step;
    }
    if (std::strcmp(way.name, "sparge, defaults") == 0) latents = {dense, out.latents};
    const auto [kept, cut] = Reached(out.stats);
    const bool finite = pipeline::AllFinite(out.latents), fell_back = !out.stats.fallbacks().empty(),
               again = !out.stats.redone().empty();
    good = good && finite && !fell_back && !again;
    std::printf("%-18s %-15s | %5.1f%% %5.1f%% %8.3f | %8.3f %6.2f %4.0f%% | %8.2e %8.5f  %s%s%s%s\n", way.name,
                Asked(way).c_str(), 100 * kept, 100 * cut, out.stats.sparsity(), out.seconds_a_step,
                dense_seconds / out.seconds_a_step, 100 * out.attention_share, RelativeL2(out.latents, dense),
                Cosine(out.latents, dense), Kernels(out.stats).c_str(), finite ? "" : "NOT FINITE ",
                fell_back ? "FELL BACK " : "", again ? "A STEP RAN AGAIN" : "");
    std::fflush(stdout);
  }
  return good;
}

bool Decode(const Shape& shape, const Latents& latents, const pipeline::Runtime& runtime) {
  WanComponents parts(FolderOf(shape), runtime);
  at::manual_seed(2);
  bench::MadeWeights weights({1, 1}, runtime.device);
  pipeline::WeightLoader loader(weights.Maker(), runtime.dtype, runtime.device, nullptr);
  parts.Use(std::make_unique<pipeline::WanVAE>(parts.folder.vae, loader));
  pipeline::NoProgress progress;
  double seconds = 0;
  const auto decode = [&](const at::Tensor& of) {
    const pipeline::Stopwatch watch;
    const at::Tensor frames = parts.VAE(progress).Decode(of, parts.Context(), progress).to(at::kCPU, at::kFloat);
    seconds = watch.Seconds();
    return frames;
  };
  const at::Tensor dense = decode(latents.dense);
  std::printf("decoded by a random VAE in %.2f s", seconds);
  std::fflush(stdout);
  const at::Tensor sparse = decode(latents.sparse);
  parts.stats.Settle();
  const bool good = pipeline::AllFinite(dense) && pipeline::AllFinite(sparse);
  // Of pictures in 0…1, as people quote it; the frames are in −1…1.
  const double mse = (dense - sparse).to(at::kDouble).pow(2).mean().item<double>() / 4;
  std::printf(", again in %.2f s; dense and sparge (defaults) are %.1f dB apart%s\n", seconds,
              mse > 0 ? -10 * std::log10(mse) : INFINITY, good ? "" : "; NOT FINITE");
  std::fflush(stdout);
  return good;
}

int Run(const std::vector<std::string>& args) {
  pipeline::RuntimeOptions options;
  options.device = "cuda";
  std::vector<std::string> wanted;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--device" && i + 1 < args.size())
      options.device = args[++i];
    else
      wanted.push_back(args[i]);
  }
  for (const std::string& name : wanted) {
    const bool known =
        std::any_of(std::begin(kShapes), std::end(kShapes), [&](const Shape& s) { return name == s.name; });
    base::Check(known, base::ErrorCode::kInvalidInput, "there is no shape '", name,
                "': tiny, tiny-wan, toybox, wan-1.3b-480p, wan-1.3b-720p, wan-14b-480p");
  }
  const pipeline::Runtime runtime = pipeline::Runtime::Choose(options);
  std::printf(
      "Random weights and text embeddings. asked: share of key blocks for top-k, and theta; kept: of all pairs of "
      "blocks; cut: of their P.V tiles, by lambda;\ns a step: median of all but the first; x: speed against dense; "
      "attn: attention's share of all steps; "
      "error "
      "(relative L2) and cosine: final latents against dense's\n");
  bool good = true;
  for (const Shape& shape : kShapes) {
    const bool named = std::find(wanted.begin(), wanted.end(), shape.name) != wanted.end();
    if (!named && (!wanted.empty() || std::strncmp(shape.name, "tiny", 4) == 0)) continue;
    Latents latents;
    good = Table(shape, runtime, latents) && good;
    if (shape.whole) good = Decode(shape, latents, runtime) && good;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // what is done is seen, however it ends
  const c10::InferenceMode inference;
  try {
    return Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_product: %s\n", error.what());
    return 1;
  }
}
