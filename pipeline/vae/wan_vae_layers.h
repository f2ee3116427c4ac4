#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "attention/attention.h"
#include "pipeline/progress.h"
#include "pipeline/weights/weights.h"

// The layers of AutoencoderKLWan. Tensors are [1, C, T, H, W].
namespace pipeline::wan_vae {

// The last frames that each causal convolution saw, keyed by the convolution; one a clip.
struct Cache {
  std::unordered_map<const void*, at::Tensor> frames;
  bool first_chunk = true;
};

// One run through encoder or decoder.
struct Run {
  Cache cache;
  const attention::AttentionContext* attention;
  int next_attention_layer = 0;  // counts the mid-block and scale attentions of one chunk
  Progress* progress;
};

// A 1×1×1 convolution, or one over space only: no state.
struct Conv {
  at::Tensor weight, bias;
  static Conv Load(WeightLoader& loader, const std::string& name, int64_t in, int64_t out, std::vector<int64_t> kernel);
  at::Tensor Pointwise(const at::Tensor& x) const;  // conv3d of a 1×1×1 kernel
};

// WanCausalConv3d with a 3×3×3 kernel: zero padding in space, the frames before in time.
struct CausalConv {
  Conv conv;
  static CausalConv Load(WeightLoader& loader, const std::string& name, int64_t in, int64_t out);
  at::Tensor operator()(const at::Tensor& x, Run& run) const;
};

// WanRMS_norm: L2-normalised over channels, times √C·γ.
struct RMSNorm {
  at::Tensor gamma;
  static RMSNorm Load(WeightLoader& loader, const std::string& name, int64_t channels, bool images);
  at::Tensor operator()(const at::Tensor& x) const;
};

// x with its channels innermost on the CPU, where convolutions and the norm over channels are faster so; elsewhere x.
at::Tensor ChannelsLast(const at::Tensor& x);

class Layer {
 public:
  virtual ~Layer() = default;
  virtual at::Tensor Forward(const at::Tensor& x, Run& run) const = 0;
};

std::unique_ptr<Layer> MakeResidualBlock(WeightLoader& loader, const std::string& name, int64_t in, int64_t out);
// Single-head attention within each frame.
std::unique_ptr<Layer> MakeAttentionBlock(WeightLoader& loader, const std::string& name, int64_t channels);
// Twice as wide and high with half of the channels; with `temporal` twice as many frames too (but for the first chunk).
std::unique_ptr<Layer> MakeUpsample(WeightLoader& loader, const std::string& name, int64_t channels, bool temporal);
// Half as wide and high; with `temporal` half as many frames too (but for the first chunk).
std::unique_ptr<Layer> MakeDownsample(WeightLoader& loader, const std::string& name, int64_t channels, bool temporal);

// conv_in, layers, norm_out, silu, conv_out: what encoder and decoder have in common.
class Net {
 public:
  at::Tensor Forward(at::Tensor x, Run& run) const;

 protected:
  CausalConv conv_in_, conv_out_;
  RMSNorm norm_out_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

struct NetConfig {
  int64_t base_dim, in_channels, out_channels, num_res_blocks;
  std::vector<int64_t> dim_mult;
  std::vector<double> attn_scales;
  std::vector<bool> temporal;  // per stage in the order of this net
};

class Encoder : public Net {
 public:
  Encoder(const NetConfig& config, WeightLoader& loader);
};

class Decoder : public Net {
 public:
  Decoder(const NetConfig& config, WeightLoader& loader);
};

}  // namespace pipeline::wan_vae
