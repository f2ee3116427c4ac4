#pragma once

#include "attention/cuda/common/params.h"
#include "attention/cuda/common/ptx.cuh"

// How operands lie in shared memory, and in global memory already so that copies are linear.
namespace attention::cuda {

// Where 16-byte chunk `chunk` of row `row` of a tile with rows of kRowBytes lies. The eight rows that an ldmatrix reads at
// one chunk fall into the eight different bank groups of 16 bytes.
template <int kRowBytes>
SPARGE_DEVICE uint32_t ChunkOffset(int row, int chunk) {
  static_assert(kRowBytes == 64 || kRowBytes % 128 == 0);
  const int mix = kRowBytes == 64 ? (row >> 1) & 3 : row & 7;
  return static_cast<uint32_t>(row * kRowBytes + (chunk ^ mix) * 16);
}

// Tiles of values: fp16 and bf16 as [64 keys][width], E4M3 as [width][64 keys] with the keys of every 16 in the order in
// which the score fragments hold them: place 4·t + e holds key 2·t + e, or, for e ≥ 2, 8 + 2·t + e − 2.
SPARGE_DEVICE int ValueKeyOfPlace(int place) {
  const int t = place / 4 % 4, e = place % 4;
  return place / 16 * 16 + e / 2 * 8 + 2 * t + e % 2;
}

// ---- Which keys a query row sees: always a prefix [0, n) of the sequence ---------------------------------------------

struct Visibility {
  int keys, offset, causal;
  SPARGE_DEVICE Visibility(const Geometry& geometry, int batch)
      : keys(geometry.key_lengths ? static_cast<int>(ptx::LoadConstant(geometry.key_lengths + batch))
                                  : geometry.key_length),
        offset(geometry.key_length - geometry.query_length),
        causal(geometry.causal) {}

  SPARGE_DEVICE int KeysOfRow(int row) const {
    if (!causal) return keys;
    const int seen = row + offset + 1;
    return seen < 0 ? 0 : seen < keys ? seen : keys;
  }
  // Key blocks [0, n) are visible to the query block.
  SPARGE_DEVICE int KeyBlocks(const Geometry& geometry, int query_block) const {
    const int end = (query_block + 1) * static_cast<int>(kQueryBlock);
    const int last = (end < geometry.query_length ? end : geometry.query_length) - 1;
    return (KeysOfRow(last) + static_cast<int>(kKeyBlock) - 1) / static_cast<int>(kKeyBlock);
  }
  // The first row that sees something; query_length where none does.
  SPARGE_DEVICE int FirstSeeingRow(const Geometry& geometry) const {
    if (keys == 0) return geometry.query_length;
    if (!causal || offset >= 0) return 0;
    return -offset < geometry.query_length ? -offset : geometry.query_length;
  }
};

SPARGE_DEVICE float InfinityFloat() { return ptx::FromBits(0x7f800000u); }
SPARGE_DEVICE float NaNFloat() { return ptx::FromBits(0x7fc00000u); }
SPARGE_DEVICE bool IsFiniteFloat(float x) { return (ptx::FloatBits(x) & 0x7fffffffu) < 0x7f800000u; }
SPARGE_DEVICE bool IsNaNFloat(float x) { return (ptx::FloatBits(x) & 0x7fffffffu) > 0x7f800000u; }

struct alignas(16) Words4 {
  uint32_t w[4];
};
struct alignas(8) Words2 {
  uint32_t w[2];
};

SPARGE_DEVICE float ElementToFloat(DType dtype, uint16_t bits) {
  return dtype == DType::kBFloat16 ? ptx::FromBits(static_cast<uint32_t>(bits) << 16) : ptx::FromF16(bits);
}
SPARGE_DEVICE float LoadElement(const Input& in, int64_t index) {
  if (in.dtype == DType::kFloat32) return ptx::LoadConstant(static_cast<const float*>(in.data) + index);
  return ElementToFloat(in.dtype, ptx::LoadConstant(static_cast<const uint16_t*>(in.data) + index));
}

// Channels [channel, channel + 8) of the row that starts at element `row`, as float32; zeros past `count`.
SPARGE_DEVICE void LoadChannels(const Input& in, int64_t row, int channel, int count, float (&x)[8]) {
  if (in.vectors) {
    if (channel >= count) {
      for (int e = 0; e < 8; ++e) x[e] = 0;
    } else if (in.dtype == DType::kFloat32) {
      const float* from = static_cast<const float*>(in.data) + row + channel;
      const Words4 low = ptx::LoadConstant(reinterpret_cast<const Words4*>(from));
      const Words4 high = ptx::LoadConstant(reinterpret_cast<const Words4*>(from + 4));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        x[e] = ptx::FromBits(low.w[e]);
        x[e + 4] = ptx::FromBits(high.w[e]);
      }
    } else {
      const uint16_t* from = static_cast<const uint16_t*>(in.data) + row + channel;
      const Words4 words = ptx::LoadConstant(reinterpret_cast<const Words4*>(from));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        x[2 * e] = ElementToFloat(in.dtype, static_cast<uint16_t>(words.w[e] & 0xffffu));
        x[2 * e + 1] = ElementToFloat(in.dtype, static_cast<uint16_t>(words.w[e] >> 16));
      }
    }
    return;
  }
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    x[e] = channel + e < count ? LoadElement(in, row + (channel + e) * in.stride[3]) : 0.f;
  }
}

SPARGE_DEVICE uint16_t FloatToElement(DType dtype, float x) {
  return static_cast<uint16_t>(dtype == DType::kBFloat16 ? ptx::PackBF16(x, 0.f) : ptx::PackF16(x, 0.f));
}
SPARGE_DEVICE void StoreElement(const Output& out, int64_t index, float x) {
  if (out.dtype == DType::kFloat32) {
    ptx::StoreGlobal(static_cast<float*>(out.data) + index, x);
  } else {
    ptx::StoreGlobal(static_cast<uint16_t*>(out.data) + index, FloatToElement(out.dtype, x));
  }
}
// Channels [channel, channel + 8) of the row that starts at element `row`, of which the first `count` channels exist.
SPARGE_DEVICE void StoreChannels(const Output& out, int64_t row, int channel, int count, const float (&x)[8]) {
  if (!out.vectors) {
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      if (channel + e < count) StoreElement(out, row + (channel + e) * out.stride[3], x[e]);
    }
  } else if (out.dtype == DType::kFloat32) {
    Words4 words[2];
#pragma unroll
    for (int e = 0; e < 8; ++e) words[e / 4].w[e % 4] = ptx::FloatBits(x[e]);
    float* to = static_cast<float*>(out.data) + row + channel;
    ptx::StoreGlobal(reinterpret_cast<Words4*>(to), words[0]);
    ptx::StoreGlobal(reinterpret_cast<Words4*>(to + 4), words[1]);
  } else {
    Words4 words;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      words.w[e] = out.dtype == DType::kBFloat16 ? ptx::PackBF16(x[2 * e], x[2 * e + 1])
                                                 : ptx::PackF16(x[2 * e], x[2 * e + 1]);
    }
    ptx::StoreGlobal(reinterpret_cast<Words4*>(static_cast<uint16_t*>(out.data) + row + channel), words);
  }
}

// Reads of a head's parameters; the defaults where there are none.
SPARGE_DEVICE HeadParameters LoadHead(const HeadParameters* heads, int head) {
  HeadParameters p;
  p.topk = NaNFloat();
  p.cdf = NaNFloat();
  p.theta = 0.3f;
  p.lambda = -7.f;
  if (heads != nullptr) {
    p.topk = ptx::LoadConstant(&heads[head].topk);
    p.cdf = ptx::LoadConstant(&heads[head].cdf);
    p.theta = ptx::LoadConstant(&heads[head].theta);
    p.lambda = ptx::LoadConstant(&heads[head].lambda);
  }
  return p;
}

}  // namespace attention::cuda
