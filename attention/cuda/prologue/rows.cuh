#pragma once

#include "attention/cuda/common/layout.cuh"

// What the passes over q, k and v share. A block has 256 threads; kWidth / 8 neighbouring lanes take one row, eight
// adjacent channels each, so a step of a block takes 256 / (kWidth / 8) rows and every row is read 16 bytes a lane.
namespace attention::cuda {

inline constexpr int kPassThreads = 256, kPassWarps = kPassThreads / 32;

template <int kWidth>
struct RowPart {
  static constexpr int kLanes = kWidth / 8;                // of a row
  static constexpr int kStepRows = kPassThreads / kLanes;  // of a step of the block
  float x[8];

  static SPARGE_DEVICE int Channel() { return ptx::ThreadIndex() % kLanes * 8; }
  static SPARGE_DEVICE int RowInStep() { return ptx::ThreadIndex() / kLanes; }
  static SPARGE_DEVICE bool IsFirstLane() { return ptx::ThreadIndex() % kLanes == 0; }  // of its row

  SPARGE_DEVICE void Load(const Input& in, int64_t row, int count) { LoadChannels(in, row, Channel(), count, x); }
  SPARGE_DEVICE void Clear() {
#pragma unroll
    for (int i = 0; i < 8; ++i) x[i] = 0;
  }
  // Of this lane's channels, as bits: they order as the magnitudes do, and a NaN is beyond infinity.
  SPARGE_DEVICE uint32_t MagnitudeBits() const {
    uint32_t most = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const uint32_t bits = ptx::FloatBits(x[i]) & 0x7fffffffu;
      most = bits > most ? bits : most;
    }
    return most;
  }

  // Over the lanes of a row.
  static SPARGE_DEVICE uint32_t RowMax(uint32_t value) {
#pragma unroll
    for (int distance = 1; distance < kLanes; distance *= 2) {
      const uint32_t other = ptx::ShuffleXor(value, distance);
      value = other > value ? other : value;
    }
    return value;
  }
  static SPARGE_DEVICE float RowSum(float value) {
#pragma unroll
    for (int distance = 1; distance < kLanes; distance *= 2) value += ptx::ShuffleXor(value, distance);
    return value;
  }
  // How many of the warp's rows of this step have the predicate, which is the same in all lanes of a row.
  static SPARGE_DEVICE int CountRows(bool predicate) { return ptx::CountBits(ptx::Ballot(predicate && IsFirstLane())); }
};

// Sums of rows, and of their unit vectors, a channel: of the sixteen rows at most that a thread has, in float32; those
// of threads are added in double.
template <int kWidth>
struct ColumnSums {
  float sum[8];
  float unit[8];

  SPARGE_DEVICE void Clear() {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      sum[i] = 0;
      unit[i] = 0;
    }
  }
  // A finite row, whose largest magnitude is `magnitude`. A power of two keeps the squares in range. All lanes of the
  // warp take part; where not `counts`, the row adds nothing.
  SPARGE_DEVICE void Add(const RowPart<kWidth>& row, float magnitude, bool counts) {
    const float power = magnitude < 1e-15f ? 0x1p100f : magnitude > 1e15f ? 0x1p-100f : 1.f;
    float squares = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float y = row.x[i] * power;
      squares = ptx::FusedMultiplyAdd(y, y, squares);
    }
    squares = RowPart<kWidth>::RowSum(squares);
    const float factor = counts && magnitude > 0 ? ptx::Divide(1.f, ptx::SquareRoot(squares)) : 0.f;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      sum[i] += counts ? row.x[i] : 0.f;
      unit[i] = ptx::FusedMultiplyAdd(counts ? row.x[i] * power : 0.f, factor, unit[i]);
    }
  }
};

// Adds up over the block what ColumnSums hold, and stores mean[width] and the squared norm of the mean unit vector.
// `count`: of this warp's rows, the same in all its lanes; `bad`: where any thread has it, sim becomes −1. Shared
// memory: kDigestBytes<kWidth> from `shared` on. All threads take part.
template <int kWidth>
inline constexpr int kDigestBytes = kPassWarps * kWidth * 12 + 64;

template <int kWidth>
SPARGE_DEVICE void StoreDigest(ColumnSums<kWidth>& sums, int count, bool bad, ptx::SharedAddress shared, float* mean,
                               float* sim) {
  using Part = RowPart<kWidth>;
  constexpr int kBad = 1 << 16;
  const int thread = ptx::ThreadIndex(), warp = thread / 32;
  const ptx::SharedAddress units = shared + kPassWarps * kWidth * 8, norms = units + kPassWarps * kWidth * 4;
  bad = ptx::Any(bad);  // behind the norms: 32 bytes of counts
  if (thread % 32 == 0) ptx::StoreShared(norms + 32 + warp * 4, bad ? count + kBad : count);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    double sum = static_cast<double>(sums.sum[i]);
#pragma unroll
    for (int distance = Part::kLanes; distance < 32; distance *= 2) {
      sum += ptx::ShuffleXor(sum, distance);
      sums.unit[i] += ptx::ShuffleXor(sums.unit[i], distance);
    }
    if (thread % 32 < Part::kLanes) {
      const int channel = Part::Channel() + i;
      ptx::StoreShared(shared + (warp * kWidth + channel) * 8, sum);
      ptx::StoreShared(units + (warp * kWidth + channel) * 4, sums.unit[i]);
    }
  }
  ptx::SyncThreads();
  count = 0;
  for (int w = 0; w < kPassWarps; ++w) count += ptx::LoadShared<int>(norms + 32 + w * 4);
  bad = count >= kBad;
  count %= kBad;
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
    const uint32_t high = ptx::Permute(ptx::FloatBits(shifted[w * 4 + 2]), ptx::FloatBits(shifted[w * 4 + 3]), 0x0040u);
    words.w[w] = ptx::Permute(low, high, 0x5410u);
  }
  if (furthest > 0.4999f) {
    words.w[0] = PackLevels(x, scale);
    words.w[1] = PackLevels(x + 4, scale);
  }
  return words;
}

// Stores this lane's levels of row `row` of a tile of int8.
template <int kWidth>
SPARGE_DEVICE void StoreLevels(const RowPart<kWidth>& part, float scale, uint8_t* tile, int row) {
  const Words2 words = QuantizeRun(part.x, scale);
  const int channel = RowPart<kWidth>::Channel();
  const uint32_t offset = ChunkOffset<kWidth>(row, channel / 16) + static_cast<uint32_t>(channel % 16);
  ptx::StoreGlobal(reinterpret_cast<Words2*>(tile + offset), words);
}

}  // namespace attention::cuda
