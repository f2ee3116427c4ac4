#include "pipeline/memory_estimate.h"

#include <algorithm>

namespace pipeline {
namespace {

// What libraries allocate and map once they compute, measured on a CPU: on the first product, in the denoising, and in
// the first convolutions over space and time, which take float32 through larger buffers.
constexpr int64_t kMB = 1 << 20;
constexpr int64_t kFirstProducts = 40 * kMB, kDenoising = 25 * kMB;
constexpr int64_t kConvolutions32 = 165 * kMB, kConvolutions16 = 10 * kMB;
// A CUDA context, cuBLAS and cuDNN, on the host.
constexpr int64_t kCudaHost = 500 * kMB;
// An encoder of video, its frames in flight included, and a frame in 8 bits.
constexpr int64_t kVideoEncoder = 60 * kMB;

constexpr int64_t kTilePixels = 256;

int64_t WeightBytes(const ModelInfo& model, const std::string& component, int64_t element_bytes) {
  int64_t bytes = 0;
  for (const ComponentInfo& c : model.components) {
    if (c.name == component) bytes += c.parameters * element_bytes;
  }
  return bytes;
}

struct Latents {
  int64_t frames, height, width;
  int64_t tokens;
};

Latents LatentsOf(const ModelInfo& model, const MemoryRequest& r) {
  const MemoryFacts& m = model.memory;
  Latents l = {};
  l.frames = (r.num_frames - 1) / m.temporal_factor + 1;
  l.height = r.height_px / m.spatial_factor;
  l.width = r.width_px / m.spatial_factor;
  l.tokens = (l.frames / m.patch[0]) * (l.height / m.patch[1]) * (l.width / m.patch[2]);
  return l;
}

int64_t FramesBytes(const MemoryRequest& r, int64_t element_bytes) {
  return r.num_frames * r.width_px * r.height_px * 3 * element_bytes;
}

// Keys and values of the prompts, in every layer.
int64_t ContextBytes(const ModelInfo& model, const MemoryRequest& r, int64_t element_bytes) {
  return (r.guided ? 2 : 1) * model.num_layers * 2 * r.max_sequence_length * model.memory.dim * element_bytes;
}

int64_t EncodeWorkBytes(const ModelInfo& model, const MemoryRequest& r, int64_t element_bytes) {
  const MemoryFacts& m = model.memory;
  const int64_t length = r.max_sequence_length;
  return length * (6 * m.text_dim + 2 * m.text_ffn) * element_bytes + 3 * m.text_heads * length * length * 4;
}

}  // namespace

int64_t MemoryEstimate::host_bytes() const {
  int64_t most = 0;
  for (const StageMemory& stage : stages) most = std::max(most, stage.host_bytes);
  return most;
}

int64_t MemoryEstimate::device_bytes() const {
  int64_t most = 0;
  for (const StageMemory& stage : stages) most = std::max(most, stage.device_bytes);
  return most;
}

// Within a block: the residual stream, its norm, q, k, v as they are projected, normed and turned, the output; or the
// stream and the feed-forward network's two widest tensors; what is computed in float32 stays so beside it.
int64_t DenoiseWorkBytes(const ModelInfo& model, const MemoryRequest& request, const Machine& machine) {
  const MemoryFacts& m = model.memory;
  const Latents l = LatentsOf(model, request);
  const int64_t each = machine.element_bytes;
  const int64_t token = each * (2 * m.ffn + 6 * m.dim) + 4 * 6 * m.dim;
  const int64_t latents = l.frames * l.height * l.width * m.latent_channels * 4 * 12;  // with the scheduler's
  const int64_t query_blocks = (l.tokens + 127) / 128, key_blocks = (l.tokens + 63) / 64;
  const int64_t maps = model.num_heads * query_blocks * key_blocks * 6;
  return ContextBytes(model, request, each) + l.tokens * token + latents + maps;
}

int64_t DecodeWorkBytes(const ModelInfo& model, const MemoryRequest& request, const Machine& machine) {
  const MemoryFacts& m = model.memory;
  const int64_t each = machine.element_bytes;
  const bool tiled = request.tiled && (request.width_px > kTilePixels || request.height_px > kTilePixels);
  const int64_t height = tiled ? std::min(request.height_px, kTilePixels) : request.height_px;
  const int64_t width = tiled ? std::min(request.width_px, kTilePixels) : request.width_px;
  const int64_t pixels = height * width, chunk = std::min(request.num_frames, m.chunk_frames);
  // Of one chunk at the decoder's widest, several times over, partly in float32 whatever the dtype; the frames that its
  // causal convolutions keep; the frames of the tile, as they come out and joined.
  constexpr int64_t kCopies = 7;
  const int64_t network = chunk * pixels * m.decoder_width * kCopies * 4 + pixels * m.decoder_kept * each;
  const int64_t joined = 2 * request.num_frames * pixels * 3 * each;
  const int64_t video = FramesBytes(request, each);
  // In the end the whole clip, as it is brought to 0…1, and as the caller gets it.
  const int64_t handed_over = 3 * video + 2 * FramesBytes(request, 4);
  return std::max(network + joined + (tiled ? video : 0), handed_over);
}

MemoryEstimate EstimateMemory(const ModelInfo& model, const MemoryRequest& request, const Machine& machine) {
  const int64_t each = machine.element_bytes;
  const auto weights = [&](const char* component) { return WeightBytes(model, component, each); };
  const int64_t text = weights("text_encoder"), dit = weights("transformer"), vae = weights("vae");
  const bool cuda = machine.cuda;
  const int64_t frames = FramesBytes(request, 4);
  MemoryEstimate estimate;
  const auto add = [&](const char* stage, int64_t loaded, int64_t work, int64_t libraries, int64_t host_only) {
    const int64_t host = machine.base_bytes + host_only + (cuda ? kCudaHost : libraries + loaded + work);
    estimate.stages.push_back({stage, host, cuda ? loaded + work : 0});
  };
  // On a CUDA device the text encoder always makes room.
  const bool text_stays = !request.lean && !cuda && !request.decodes_only;
  const bool dit_stays = !request.lean && !request.decodes_only;
  if (!request.decodes_only) {
    add("encode prompt", text, EncodeWorkBytes(model, request, each), kFirstProducts, 0);
    add("denoise", dit + (text_stays ? text : 0), DenoiseWorkBytes(model, request, machine),
        kFirstProducts + kDenoising, 0);
  }
  add("decode", vae + (text_stays ? text : 0) + (dit_stays ? dit : 0), DecodeWorkBytes(model, request, machine),
      kFirstProducts + kDenoising + (each == 4 ? kConvolutions32 : kConvolutions16), cuda ? 2 * frames : 0);
  const int64_t in_8_bits = request.width_px * request.height_px * 3;
  add("write", vae + (text_stays ? text : 0) + (dit_stays ? dit : 0), 0, kFirstProducts + kDenoising,
      frames + in_8_bits + kVideoEncoder);
  return estimate;
}

}  // namespace pipeline
