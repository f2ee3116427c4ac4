#pragma once

#include "attention/cuda/common/layout.cuh"

// What the passes over q, k and v share. A block has 256 threads; 8 neighbouring lanes take one row, so a step of a block
// takes 32 rows. Lane l of the eight holds kChunks runs of 8 channels, those from 8·(l + 8·i) on.
namespace attention::cuda {

inline constexpr int kPassThreads = 256, kPassWarps = kPassThreads / 32, kStepRows = kPassThreads / 8;

template <int kChunks>
struct RowPart {
  float x[kChunks * 8];

  static SPARGE_DEVICE int Channel(int i) { return (ptx::ThreadIndex() % 8 + i / 8 * 8) * 8 + i % 8; }

  SPARGE_DEVICE void Load(const Input& in, int64_t row, int count) {
#pragma unroll
    for (int i = 0; i < kChunks; ++i) {
      float run[8];
      LoadChannels(in, row, Channel(i * 8), count, run);
#pragma unroll
      for (int e = 0; e < 8; ++e) x[i * 8 + e] = run[e];
    }
  }
  SPARGE_DEVICE void Clear() {
#pragma unroll
    for (int i = 0; i < kChunks * 8; ++i) x[i] = 0;
  }
  // Of this lane's channels, as bits: they order as the magnitudes do, and a NaN is beyond infinity.
  SPARGE_DEVICE uint32_t MagnitudeBits() const {
    uint32_t most = 0;
#pragma unroll
    for (int i = 0; i < kChunks * 8; ++i) {
      const uint32_t bits = ptx::FloatBits(x[i]) & 0x7fffffffu;
      most = bits > most ? bits : most;
    }
    return most;
  }
};

// Over the eight lanes of a row.
SPARGE_DEVICE uint32_t RowMax(uint32_t x) {
#pragma unroll
  for (int distance = 1; distance < 8; distance *= 2) {
    const uint32_t other = ptx::ShuffleXor(x, distance);
    x = other > x ? other : x;
  }
  return x;
}
SPARGE_DEVICE float RowSum(float x) {
#pragma unroll
  for (int distance = 1; distance < 8; distance *= 2) x += ptx::ShuffleXor(x, distance);
  return x;
}

// Sums of rows, and of their unit vectors, a channel: of the four rows at most that a thread has, in float32; those of
// threads are added in double.
template <int kChunks>
struct ColumnSums {
  float sum[kChunks * 8];
  float unit[kChunks * 8];

  SPARGE_DEVICE void Clear() {
#pragma unroll
    for (int i = 0; i < kChunks * 8; ++i) {
      sum[i] = 0;
      unit[i] = 0;
    }
  }
  // A finite row, whose largest magnitude is `magnitude`. A power of two keeps the squares in range. All lanes of the warp
  // take part; where not `counts`, the row adds nothing.
  SPARGE_DEVICE void Add(const RowPart<kChunks>& row, float magnitude, bool counts) {
    const float power = magnitude < 1e-15f ? 0x1p100f : magnitude > 1e15f ? 0x1p-100f : 1.f;
    float squares = 0;
#pragma unroll
    for (int i = 0; i < kChunks * 8; ++i) {
      const float y = row.x[i] * power;
      squares = ptx::FusedMultiplyAdd(y, y, squares);
    }
    squares = RowSum(squares);
    const float factor = counts && magnitude > 0 ? ptx::Divide(1.f, ptx::SquareRoot(squares)) : 0.f;
#pragma unroll
    for (int i = 0; i < kChunks * 8; ++i) {
      sum[i] += counts ? row.x[i] : 0.f;
      unit[i] = ptx::FusedMultiplyAdd(counts ? row.x[i] * power : 0.f, factor, unit[i]);
    }
  }
};

// Adds up over the block what ColumnSums hold, and stores mean[width] and the squared norm of the mean unit vector.
// `count` rows; `bad`: sim becomes −1. Shared memory: kDigestBytes<kChunks> from `shared` on. All threads take part.
template <int kChunks>
inline constexpr int kDigestBytes = kPassWarps * kChunks * 64 * 12 + 64;

template <int kChunks>
SPARGE_DEVICE void StoreDigest(ColumnSums<kChunks>& sums, int count, bool bad, ptx::SharedAddress shared, float* mean,
                               float* sim) {
  constexpr int kWidth = kChunks * 64;
  const int thread = ptx::ThreadIndex(), warp = thread / 32;
  const ptx::SharedAddress units = shared + kPassWarps * kWidth * 8, norms = units + kPassWarps * kWidth * 4;
#pragma unroll
  for (int i = 0; i < kChunks * 8; ++i) {
    double sum = static_cast<double>(sums.sum[i]);
#pragma unroll
    for (int distance = 8; distance < 32; distance *= 2) {
      sum += ptx::ShuffleXor(sum, distance);
      sums.unit[i] += ptx::ShuffleXor(sums.unit[i], distance);
    }
    if (thread % 32 < 8) {
      const int channel = RowPart<kChunks>::Channel(i);
      ptx::StoreShared(shared + (warp * kWidth + channel) * 8, sum);
      ptx::StoreShared(units + (warp * kWidth + channel) * 4, sums.unit[i]);
    }
  }
  ptx::SyncThreads();
  const double divisor = count > 0 ? static_cast<double>(count) : 1.0;
  float square = 0;
  if (thread < kWidth) {
    double sum = 0, unit = 0;
    for (int w = 0; w < kPassWarps; ++w) {
      sum += ptx::LoadShared<double>(shared + (w * kWidth + thread) * 8);
      unit += static_cast<double>(ptx::LoadShared<float>(units + (w * kWidth + thread) * 4));
    }
    ptx::StoreGlobal(mean + thread, static_cast<float>(sum / divisor));
    unit /= divisor;
    square = static_cast<float>(unit * unit);
  }
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) square += ptx::ShuffleXor(square, distance);
  if (thread % 32 == 0) ptx::StoreShared(norms + warp * 4, square);
  ptx::SyncThreads();
  if (thread == 0) {
    float total = 0;
    for (int w = 0; w < kPassWarps; ++w) total += ptx::LoadShared<float>(norms + w * 4);
    ptx::StoreGlobal(sim, bad ? -1.f : total);
  }
}

// x / scale, rounded half to even, within ±127; zero for scale 0.
SPARGE_DEVICE int QuantizeLevel(float x, float scale) {
  if (scale == 0) return 0;
  const int level = ptx::RoundToInt(ptx::Divide(x, scale));
  return level < -127 ? -127 : level > 127 ? 127 : level;
}
SPARGE_DEVICE uint32_t PackLevels(const float* x, float scale) {
  uint32_t word = 0;
#pragma unroll
  for (int e = 0; e < 4; ++e) word |= (static_cast<uint32_t>(QuantizeLevel(x[e], scale)) & 0xffu) << (8 * e);
  return word;
}

// Eight levels. Multiplying by the reciprocal is at most 127 · 2⁻²² away from the quotient, so only next to a tie, and
// where 1 / scale is no normal number, is the division itself needed. Adding 1.5 · 2²³ rounds half to even into the low
// bits.
SPARGE_DEVICE Words2 QuantizeRun(const float* x, float scale) {
  constexpr float kRounder = 0x1.8p23f;
  const bool normal = scale >= 0x1p-100f && scale <= 0x1p100f;
  const float reciprocal = ptx::Divide(1.f, normal ? scale : 1.f);
  float shifted[8], furthest = normal ? 0.f : 1.f;
#pragma unroll
  for (int e = 0; e < 8; ++e) {
    const float quotient = ptx::Multiply(x[e], reciprocal);
    shifted[e] = ptx::Add(quotient, kRounder);
    const float distance = ptx::Subtract(quotient, ptx::Subtract(shifted[e], kRounder));
    furthest = ptx::Max(furthest, distance < 0 ? -distance : distance);
  }
  Words2 words;
#pragma unroll
  for (int w = 0; w < 2; ++w) {
    const uint32_t low = ptx::Permute(ptx::FloatBits(shifted[w * 4]), ptx::FloatBits(shifted[w * 4 + 1]), 0x0040u);
    const uint32_t high =
        ptx::Permute(ptx::FloatBits(shifted[w * 4 + 2]), ptx::FloatBits(shifted[w * 4 + 3]), 0x0040u);
    words.w[w] = ptx::Permute(low, high, 0x5410u);
  }
  if (furthest > 0.4999f) {
    words.w[0] = PackLevels(x, scale);
    words.w[1] = PackLevels(x + 4, scale);
  }
  return words;
}

// Stores this lane's levels of row `row` of a tile of int8.
template <int kChunks>
SPARGE_DEVICE void StoreLevels(const RowPart<kChunks>& part, float scale, uint8_t* tile, int row) {
#pragma unroll
  for (int i = 0; i < kChunks; ++i) {
    const Words2 words = QuantizeRun(&part.x[i * 8], scale);
    const int channel = RowPart<kChunks>::Channel(i * 8);
    const uint32_t offset = ChunkOffset<kChunks * 64>(row, channel / 16) + static_cast<uint32_t>(channel % 16);
    ptx::StoreGlobal(reinterpret_cast<Words2*>(tile + offset), words);
  }
}

}  // namespace attention::cuda
