#pragma once

#include "attention/cuda/prologue/rows.cuh"

// Pass 1: what must be known of a head's keys and values before any can be quantized.
namespace attention::cuda {

// Sums of finite visible keys and, where wanted, maxima of v, a chunk of rows a block.
template <int kWidth>
struct SumKeys {
  using Params = SumKeysParams;
  using Part = RowPart<kWidth>;
  static constexpr int kThreads = kPassThreads, kMinBlocks = 3, kStepRows = Part::kStepRows;

  static SPARGE_DEVICE void Body(const Params& p) {
    const Geometry& geometry = p.geometry;
    const int chunk = static_cast<int>(ptx::BlockX()), head = static_cast<int>(ptx::BlockY());
    const int batch = head / geometry.key_heads, key_head = head % geometry.key_heads;
    const int keys = Visibility(geometry, batch).keys;
    const int thread = ptx::ThreadIndex(), warp = thread / 32;
    const int64_t k_start = batch * p.k.stride[0] + key_head * p.k.stride[1];
    const int64_t v_start = batch * p.v.stride[0] + key_head * p.v.stride[1];

    double sum[8];
    uint32_t maxima[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      sum[i] = 0;
      maxima[i] = 0;
    }
    int count = 0;
    constexpr int kAtOnce = 2;
    for (int step = 0; step < kChunkRows / kStepRows; step += kAtOnce) {
      Part k[kAtOnce], v[kAtOnce];
      bool here[kAtOnce];
#pragma unroll
      for (int s = 0; s < kAtOnce; ++s) {
        const int row = chunk * kChunkRows + (step + s) * kStepRows + Part::RowInStep();
        here[s] = row < keys;
        k[s].Clear();
        v[s].Clear();
        if (here[s]) k[s].Load(p.k, k_start + row * p.k.stride[2], geometry.head_dim);
        if (here[s] && p.want_maxima) v[s].Load(p.v, v_start + row * p.v.stride[2], geometry.value_dim);
      }
#pragma unroll
      for (int s = 0; s < kAtOnce; ++s) {
        const bool all_finite = Part::RowMax(k[s].MagnitudeBits()) < 0x7f800000u, k_finite = here[s] && all_finite;
        count += Part::CountRows(k_finite);
        if (k_finite) {
#pragma unroll
          for (int i = 0; i < 8; ++i) sum[i] += static_cast<double>(k[s].x[i]);
        }
        if (!p.want_maxima) continue;
        const bool v_finite = Part::RowMax(v[s].MagnitudeBits()) < 0x7f800000u;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          const uint32_t bits = ptx::FloatBits(v[s].x[i]) & 0x7fffffffu;
          if (v_finite && bits > maxima[i]) maxima[i] = bits;
        }
      }
    }

    const ptx::SharedAddress shared = ptx::SharedMemory(), shared_maxima = shared + kPassWarps * kWidth * 8,
                             shared_counts = shared_maxima + kPassWarps * kWidth * 4;
    if (thread % 32 == 0) ptx::StoreShared(shared_counts + warp * 4, count);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int distance = Part::kLanes; distance < 32; distance *= 2) {
        sum[i] += ptx::ShuffleXor(sum[i], distance);
        const uint32_t other = ptx::ShuffleXor(maxima[i], distance);
        maxima[i] = other > maxima[i] ? other : maxima[i];
      }
      if (thread % 32 < Part::kLanes) {
        const int at = warp * kWidth + Part::Channel() + i;
        ptx::StoreShared(shared + at * 8, sum[i]);
        ptx::StoreShared(shared_maxima + at * 4, maxima[i]);
      }
    }
    ptx::SyncThreads();
    if (thread < kWidth) {
      double total = 0;
      uint32_t most = 0;
      for (int w = 0; w < kPassWarps; ++w) {
        total += ptx::LoadShared<double>(shared + (w * kWidth + thread) * 8);
        const uint32_t bits = ptx::LoadShared<uint32_t>(shared_maxima + (w * kWidth + thread) * 4);
        most = bits > most ? bits : most;
      }
      const int64_t at = (static_cast<int64_t>(head) * p.chunks + chunk) * kWidth + thread;
      ptx::StoreGlobal(p.key_sums + at, total);
      if (p.want_maxima) ptx::StoreGlobal(p.value_maxima + at, ptx::FromBits(most));
    }
    if (thread == 0) {
      count = 0;
      for (int w = 0; w < kPassWarps; ++w) count += ptx::LoadShared<int>(shared_counts + w * 4);
      ptx::StoreGlobal(p.key_counts + static_cast<int64_t>(head) * p.chunks + chunk, count);
    }
  }
};

// The mean of a head's keys and its scales of v, from the chunks: 32 channels a block, 8 threads a channel.
struct FinishKeys {
  using Params = FinishKeysParams;
  static constexpr int kThreads = kPassThreads, kMinBlocks = 2, kSlices = kThreads / 32;
  static constexpr int kSharedBytes = kThreads * 16;

  // v ≈ stored · scale. fp16 shifts by a power of two, so that nothing is lost but beyond its range.
  static SPARGE_DEVICE float ValueScale(PV pv, float most) {
    if (pv == PV::kBFloat16 || most == 0) return 1.f;
    if (pv == PV::kE4M3) return ptx::Divide(most, 448.f);
    const int exponent = static_cast<int>(ptx::FloatBits(most) >> 23) - 127;  // most < 2^(exponent + 1)
    int shift = exponent - 13;
    if (shift < -100) shift = -100;
    return ptx::FromBits(static_cast<uint32_t>(shift + 127) << 23);
  }

  static SPARGE_DEVICE void Body(const Params& p) {
    const Geometry& geometry = p.geometry;
    const int64_t head = ptx::BlockX(), first = head * p.chunks;
    const int thread = ptx::ThreadIndex(), slice = thread / 32, lane = thread % 32;
    const int64_t channel = ptx::BlockY() * 32 + lane;
    const ptx::SharedAddress sums = ptx::SharedMemory(), maxima = sums + kThreads * 8, counts = maxima + kThreads * 4;
    double sum = 0;
    float most = 0;
    int count = 0;
#pragma unroll 4
    for (int chunk = slice; chunk < p.chunks; chunk += kSlices) {
      const int64_t at = (first + chunk) * geometry.width + channel;
      sum += ptx::LoadGlobal(p.key_sums + at);
      count += ptx::LoadGlobal(p.key_counts + first + chunk);
      if (p.want_maxima) most = ptx::Max(most, ptx::LoadGlobal(p.value_maxima + at));
    }
    ptx::StoreShared(sums + static_cast<uint32_t>(thread) * 8, sum);
    ptx::StoreShared(maxima + static_cast<uint32_t>(thread) * 4, most);
    ptx::StoreShared(counts + static_cast<uint32_t>(thread) * 4, count);
    ptx::SyncThreads();
    if (slice == 0) {
      sum = 0;
      most = 0;
      count = 0;
#pragma unroll
      for (int s = 0; s < kSlices; ++s) {
        const auto at = static_cast<uint32_t>(s * 32 + lane);
        sum += ptx::LoadShared<double>(sums + at * 8);
        most = ptx::Max(most, ptx::LoadShared<float>(maxima + at * 4));
        count += ptx::LoadShared<int>(counts + at * 4);
      }
      const int64_t at = head * geometry.width + channel;
      ptx::StoreGlobal(p.key_mean + at, count > 0 ? static_cast<float>(sum / static_cast<double>(count)) : 0.f);
      ptx::StoreGlobal(p.value_scale + at, p.want_maxima ? ValueScale(p.pv, most) : 1.f);
    }
    if (p.counts != nullptr && ptx::BlockY() == 0) {
      // The query heads that read this key head.
      const int group = geometry.query_heads / geometry.key_heads;
      int64_t* numbers = reinterpret_cast<int64_t*>(p.counts + head * group);
      for (int i = thread; i < group * 4; i += kThreads) ptx::StoreGlobal(numbers + i, int64_t{0});
    }
  }
};

}  // namespace attention::cuda
