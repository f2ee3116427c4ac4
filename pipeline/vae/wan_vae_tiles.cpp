// Decoding in tiles, as diffusers 0.42's AutoencoderKLWan.tiled_decode (models/autoencoders/autoencoder_kl_wan.py) with
// the sizes that its enable_tiling() sets: tiles of 256 pixels, 192 apart, whose common 64 rows or columns go over from
// one to the next in a straight line, first rows then columns. What is kept of a finished tile are the rows and columns
// that its neighbours need.
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <vector>

#include "pipeline/vae/wan_vae.h"

namespace pipeline {
namespace {

constexpr int64_t kTile = 256, kStride = 192;  // px

// `after` with its first rows (dim 3) or columns (dim 4) blended with the last ones of `before`, in place.
void Blend(const at::Tensor& before, const at::Tensor& after, int64_t dim, int64_t most) {
  const int64_t extent = std::min({before.size(dim), after.size(dim), most});
  std::vector<int64_t> shape(5, 1);
  shape[static_cast<size_t>(dim)] = extent;
  const at::Tensor share =
      (at::arange(extent, at::kDouble) / static_cast<double>(extent)).view(shape).to(after.device());
  const at::Tensor from = before.narrow(dim, before.size(dim) - extent, extent), to = after.narrow(dim, 0, extent);
  const at::ScalarType dtype = after.scalar_type();
  to.copy_((from * (1 - share).to(at::kFloat)).to(dtype) + (to * share.to(at::kFloat)).to(dtype));
}

// The last `count` of a dimension, as a tensor of its own.
at::Tensor Last(const at::Tensor& x, int64_t dim, int64_t count) {
  const int64_t n = std::min(count, x.size(dim));
  return x.narrow(dim, x.size(dim) - n, n).clone();
}

}  // namespace

WanVAEConfig::TileSize WanVAEConfig::tiles() const {
  const int64_t factor = spatial_factor();
  const int64_t stride = std::max<int64_t>(1, kStride / factor);
  return {std::max(stride, kTile / factor), stride};
}

bool WanVAEConfig::WouldTile(int64_t height, int64_t width) const {
  return height > tiles().side || width > tiles().side;
}

at::Tensor WanVAE::DecodeTiles(const at::Tensor& z, const attention::AttentionContext& ctx, Progress& progress) const {
  const int64_t height = z.size(3), width = z.size(4), factor = config_.spatial_factor();
  const auto [tile_size, stride] = config_.tiles();
  const int64_t blend = (tile_size - stride) * factor, step = stride * factor;
  const int64_t columns = (width + stride - 1) / stride, rows = (height + stride - 1) / stride;
  Count count{0, rows * columns * z.size(2), &progress};
  progress.Update(Stage::kDecode, 0, count.total);
  at::Tensor video;
  std::vector<at::Tensor> above(static_cast<size_t>(columns));  // the last rows of the tiles of the row before
  for (int64_t i = 0; i < rows; ++i) {
    at::Tensor left;  // the last columns of the tile before
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t y = i * stride, x = j * stride;
      const at::Tensor part =
          z.narrow(3, y, std::min(tile_size, height - y)).narrow(4, x, std::min(tile_size, width - x));
      const at::Tensor tile = DecodeFrames(part.contiguous(), ctx, count);
      if (!video.defined()) {
        video = at::empty({1, tile.size(1), tile.size(2), height * factor, width * factor}, tile.options());
      }
      at::Tensor& over = above[static_cast<size_t>(j)];
      if (i > 0) Blend(over, tile, 3, blend);
      if (j > 0) Blend(left, tile, 4, blend);
      over = i + 1 < rows ? Last(tile, 3, blend) : at::Tensor();
      left = j + 1 < columns ? Last(tile, 4, blend) : at::Tensor();
      const int64_t used_h = std::min(step, tile.size(3)), used_w = std::min(step, tile.size(4));
      video.narrow(3, y * factor, used_h)
          .narrow(4, x * factor, used_w)
          .copy_(tile.narrow(3, 0, used_h).narrow(4, 0, used_w));
    }
  }
  return video.clamp_(-1.0, 1.0);
}

}  // namespace pipeline
