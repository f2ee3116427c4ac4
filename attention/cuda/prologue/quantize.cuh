#pragma once

#include "attention/cuda/prologue/rows.cuh"

// Pass 2: INT8 of q and k with their scales, v as its kernel takes it, and what the block map is made from. A block of
// threads takes a block of q, of k or of v.
namespace attention::cuda {

template <int kChunks>
struct Quantize {
  using Params = QuantizeParams;
  static constexpr int kThreads = kPassThreads, kMinBlocks = kChunks == 4 ? 1 : 2, kWidth = kChunks * 64;
  static constexpr int kSharedBytes = kDigestBytes<kChunks> > 64 * kWidth ? kDigestBytes<kChunks> : 64 * kWidth;
  using Part = RowPart<kChunks>;

  static SPARGE_DEVICE void Body(const Params& p) {
    const int64_t task = ptx::BlockX();
    if (task < p.query_tasks) {
      Queries(p, task);
    } else if (task < p.query_tasks + p.key_tasks) {
      Keys(p, task - p.query_tasks);
    } else {
      Values(p, task - p.query_tasks - p.key_tasks);
    }
  }

 private:
  static constexpr int kKeySteps = static_cast<int>(kKeyBlock) / kStepRows;

  // The first of the block's keys that is bad; 64 where none is. All threads take part; shared memory is free after it.
  static SPARGE_DEVICE int FirstBadRow(const bool (&bad)[kKeySteps], bool any_here) {
    const int thread = ptx::ThreadIndex();
    if (!ptx::SyncThreadsOr(any_here)) return static_cast<int>(kKeyBlock);
    const ptx::SharedAddress flags = ptx::SharedMemory();
#pragma unroll
    for (int step = 0; step < kKeySteps; ++step) {
      if (thread % 8 == 0) {
        ptx::StoreShared(flags + static_cast<uint32_t>(step * kStepRows + thread / 8), uint8_t{bad[step]});
      }
    }
    ptx::SyncThreads();
    int first = 0;
    while (ptx::LoadShared<uint8_t>(flags + static_cast<uint32_t>(first)) == 0) ++first;
    ptx::SyncThreads();
    return first;
  }

  static SPARGE_DEVICE void Queries(const Params& p, int64_t task) {
    constexpr int kRows = static_cast<int>(kQueryBlock), kSteps = kRows / kStepRows;
    const Geometry& geometry = p.geometry;
    const int64_t head = task / geometry.query_blocks;
    const int block = static_cast<int>(task % geometry.query_blocks), thread = ptx::ThreadIndex();
    const int batch = static_cast<int>(head / geometry.query_heads);
    const int query_head = static_cast<int>(head % geometry.query_heads);
    const int key_head = query_head / (geometry.query_heads / geometry.key_heads);
    const int64_t start = batch * p.q.stride[0] + query_head * p.q.stride[1];
    const int first_seeing = Visibility(geometry, batch).FirstSeeingRow(geometry);
    const float* mean = p.key_mean + (static_cast<int64_t>(batch) * geometry.key_heads + key_head) * kWidth;
    const uint32_t sign = p.scale < 0 ? 0x80000000u : 0u;
    const double scale = (p.scale < 0 ? -p.scale : p.scale) * 1.4426950408889634;
    uint8_t* tile = p.query8 + task * (kRows * kWidth);

    Part km;
#pragma unroll
    for (int i = 0; i < kChunks * 2; ++i) {
      const Words4 words = ptx::LoadGlobal(reinterpret_cast<const Words4*>(mean + Part::Channel(i * 4)));
#pragma unroll
      for (int e = 0; e < 4; ++e) km.x[i * 4 + e] = ptx::FromBits(words.w[e]);
    }
    ColumnSums<kChunks> sums;
    sums.Clear();
    int count = 0;
    bool bad = false;
#pragma unroll 1
    for (int step = 0; step < kSteps; ++step) {
      const int in_block = step * kStepRows + thread / 8, row = block * kRows + in_block;
      const bool here = row < geometry.query_length;
      Part part;
      part.Clear();
      if (here) part.Load(p.q, start + row * p.q.stride[2], geometry.head_dim);
#pragma unroll
      for (int i = 0; i < kChunks * 8; ++i) part.x[i] = ptx::FromBits(ptx::FloatBits(part.x[i]) ^ sign);
      const uint32_t bits = RowMax(part.MagnitudeBits());
      const bool finite = bits < 0x7f800000u;
      if (!finite) part.Clear();
      float dot = 0;
#pragma unroll
      for (int i = 0; i < kChunks * 8; ++i) dot = ptx::FusedMultiplyAdd(part.x[i], km.x[i], dot);
      dot = RowSum(dot);
      const float row_scale = finite ? ptx::Divide(ptx::FromBits(bits), 127.f) : 0.f;
      if (p.want_levels) StoreLevels(part, row_scale, tile, in_block);
      if (thread % 8 == 0) {
        const int64_t at = task * kRows + in_block;
        const float factor = static_cast<float>(scale * static_cast<double>(row_scale));
        ptx::StoreGlobal(p.row_scale + at, finite ? factor : NaNFloat());
        ptx::StoreGlobal(p.query_km + at, dot);
      }
      if (p.want_digests) {
        const bool seeing = here && row >= first_seeing, counts = seeing && finite;
        count += ptx::SyncThreadsCount(counts && thread % 8 == 0);
        bad = bad || (seeing && !finite);
        sums.Add(part, finite ? ptx::FromBits(bits) : 0.f, counts);
      }
    }
    if (p.want_digests) {
      bad = ptx::SyncThreadsOr(bad);
      StoreDigest<kChunks>(sums, count, bad, ptx::SharedMemory(), p.query_means + task * kWidth, p.query_sims + task);
    }
  }

  static SPARGE_DEVICE void Keys(const Params& p, int64_t task) {
    constexpr int kRows = static_cast<int>(kKeyBlock), kSteps = kRows / kStepRows;
    const Geometry& geometry = p.geometry;
    const int64_t head = task / geometry.key_blocks;
    const int block = static_cast<int>(task % geometry.key_blocks), thread = ptx::ThreadIndex();
    const int batch = static_cast<int>(head / geometry.key_heads);
    const int key_head = static_cast<int>(head % geometry.key_heads);
    const int keys = Visibility(geometry, batch).keys;
    const int64_t start = batch * p.k.stride[0] + key_head * p.k.stride[1];
    const float* mean = p.key_mean + head * kWidth;
    const ptx::SharedAddress shared = ptx::SharedMemory();

    Part part[kSteps];
    uint32_t bits[kSteps];
    bool finite[kSteps], bad_row[kSteps];
    uint32_t largest = 0;
    int count = 0;
    bool bad = false;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int row = block * kRows + step * kStepRows + thread / 8;
      part[step].Clear();
      if (row < keys) part[step].Load(p.k, start + row * p.k.stride[2], geometry.head_dim);
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const bool here = block * kRows + step * kStepRows + thread / 8 < keys;
      if (here) {
#pragma unroll
        for (int i = 0; i < kChunks * 2; ++i) {
          const Words4 words = ptx::LoadGlobal(reinterpret_cast<const Words4*>(mean + Part::Channel(i * 4)));
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            part[step].x[i * 4 + e] = ptx::Subtract(part[step].x[i * 4 + e], ptx::FromBits(words.w[e]));
          }
        }
      }
      bits[step] = RowMax(part[step].MagnitudeBits());
      finite[step] = bits[step] < 0x7f800000u;
      if (!finite[step]) part[step].Clear();
      if (finite[step] && bits[step] > largest) largest = bits[step];
      bad_row[step] = !finite[step];
      bad = bad || !finite[step];
      count += ptx::SyncThreadsCount(here && finite[step] && thread % 8 == 0);
    }
    bad = ptx::SyncThreadsOr(bad);

    // The block's largest magnitude.
#pragma unroll
    for (int distance = 8; distance < 32; distance *= 2) {
      const uint32_t other = ptx::ShuffleXor(largest, distance);
      largest = other > largest ? other : largest;
    }
    const int first_bad = FirstBadRow(bad_row, bad);
    if (thread % 32 == 0) ptx::StoreShared(shared + thread / 32 * 4, largest);
    ptx::SyncThreads();
    for (int w = 0; w < kPassWarps; ++w) {
      const uint32_t other = ptx::LoadShared<uint32_t>(shared + w * 4);
      largest = other > largest ? other : largest;
    }
    const float scale = ptx::Divide(ptx::FromBits(largest), 127.f);
    if (p.want_levels) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        StoreLevels(part[step], scale, p.key8 + task * (kRows * kWidth), step * kStepRows + thread / 8);
      }
    }
    if (thread == 0) {
      ptx::StoreGlobal(p.key_scale + task, ptx::FromBits(ptx::FloatBits(scale) | (bad ? 0x80000000u : 0u)));
      ptx::StoreGlobal(p.first_bad + task, static_cast<uint8_t>(first_bad));
    }
    if (!p.want_digests) return;
    ColumnSums<kChunks> sums;
    sums.Clear();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const bool here = block * kRows + step * kStepRows + thread / 8 < keys;
      sums.Add(part[step], finite[step] ? ptx::FromBits(bits[step]) : 0.f, here && finite[step]);
    }
    ptx::SyncThreads();  // shared memory is used again
    StoreDigest<kChunks>(sums, count, bad, shared, p.key_means + task * kWidth, p.key_sims + task);
  }

  static SPARGE_DEVICE void Values(const Params& p, int64_t task) {
    constexpr int kRows = static_cast<int>(kKeyBlock), kSteps = kRows / kStepRows;
    const Geometry& geometry = p.geometry;
    const int64_t head = task / geometry.key_blocks;
    const int block = static_cast<int>(task % geometry.key_blocks), thread = ptx::ThreadIndex();
    const int batch = static_cast<int>(head / geometry.key_heads);
    const int key_head = static_cast<int>(head % geometry.key_heads);
    const int keys = Visibility(geometry, batch).keys;
    const int64_t start = batch * p.v.stride[0] + key_head * p.v.stride[1];
    const float* scale = p.value_scale + head * kWidth;
    uint8_t* tile = p.values + task * (kRows * kWidth * (p.pv == PV::kE4M3 ? 1 : 2));

    Part part[kSteps];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int row = block * kRows + step * kStepRows + thread / 8;
      part[step].Clear();
      if (row < keys) part[step].Load(p.v, start + row * p.v.stride[2], geometry.value_dim);
    }
    // What is not finite is stored as zero; a flag poisons the rows that attend to it, and no other.
    bool bad[kSteps], any_bad = false;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      bad[step] = RowMax(part[step].MagnitudeBits()) >= 0x7f800000u;
      any_bad = any_bad || bad[step];
#pragma unroll
      for (int i = 0; i < kChunks * 8; ++i) part[step].x[i] = IsFiniteFloat(part[step].x[i]) ? part[step].x[i] : 0.f;
    }
    const int first_bad = FirstBadRow(bad, any_bad);
    if (thread == 0) ptx::StoreGlobal(p.bad_value + task, first_bad);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int row = step * kStepRows + thread / 8;
#pragma unroll
      for (int i = 0; i < kChunks; ++i) {
        const int channel = Part::Channel(i * 8);
        float x[8];
#pragma unroll
        for (int e = 0; e < 8; ++e) x[e] = part[step].x[i * 8 + e];
        if (p.pv == PV::kE4M3) {
          ToE4M3(x, scale, channel, row);
          continue;
        }
        Words4 words;
        if (p.pv == PV::kFloat16) {
#pragma unroll
          for (int e = 0; e < 8; ++e) {
            // A power of two: its reciprocal by the exponent.
            x[e] *= ptx::FromBits(0x7f000000u - ptx::FloatBits(ptx::LoadGlobal(scale + channel + e)));
          }
#pragma unroll
          for (int w = 0; w < 4; ++w) words.w[w] = ptx::PackF16(x[2 * w], x[2 * w + 1]);
        } else {
#pragma unroll
          for (int w = 0; w < 4; ++w) words.w[w] = ptx::PackBF16(x[2 * w], x[2 * w + 1]);
        }
        ptx::StoreGlobal(reinterpret_cast<Words4*>(tile + ChunkOffset<kWidth * 2>(row, channel / 8)), words);
      }
    }
    if (p.pv != PV::kE4M3) return;
    ptx::SyncThreads();
    const ptx::SharedAddress shared = ptx::SharedMemory();
    for (int at = thread * 16; at < kWidth * kRows; at += kThreads * 16) {
      ptx::StoreGlobal(reinterpret_cast<Words4*>(tile + at), ptx::LoadShared<Words4>(shared + static_cast<uint32_t>(at)));
    }
  }

  // Writes 8 channels of one key into the transposed tile in shared memory.
  static SPARGE_DEVICE void ToE4M3(const float (&x)[8], const float* scale, int channel, int key) {
#if defined(SPARGE_HAS_E4M3_MMA)
    // The place that holds this key: ValueKeyOfPlace's inverse.
    const int in16 = key % 16, place = key / 16 * 16 + in16 % 8 / 2 * 4 + in16 / 8 * 2 + in16 % 2;
    const ptx::SharedAddress shared = ptx::SharedMemory();
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      const float s = ptx::LoadGlobal(scale + channel + e);
      const float y = ptx::Divide(x[e], s);
      const uint8_t byte = static_cast<uint8_t>(ptx::PackE4M3(y, 0.f, 0.f, 0.f));
      ptx::StoreShared(shared + ChunkOffset<64>(channel + e, place / 16) + static_cast<uint32_t>(place % 16), byte);
    }
#else
    (void)x, (void)scale, (void)channel, (void)key;
#endif
  }
};

}  // namespace attention::cuda
