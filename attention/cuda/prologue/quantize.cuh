#pragma once

#include "attention/cuda/prologue/rows.cuh"

// Pass 2: INT8 of q and k with their scales, v as its kernel takes it, and what the block map is made from. A block of
// threads takes a block of q, of k or of v.
namespace attention::cuda {

template <int kWidth>
struct Quantize {
  using Params = QuantizeParams;
  using Part = RowPart<kWidth>;
  static constexpr int kThreads = kPassThreads, kMinBlocks = kWidth == 256 ? 2 : 3, kStepRows = Part::kStepRows;

  static SPARGE_DEVICE void Body(const Params& p) {
    // Tasks fit 32 bits (plan.cpp).
    const int task = static_cast<int>(ptx::BlockX()), queries = static_cast<int>(p.query_tasks),
              keys = static_cast<int>(p.key_tasks);
    if (task < queries) {
      Queries(p, task);
    } else if (task - queries < keys) {
      Keys(p, task - queries);
    } else {
      Values(p, task - queries - keys);
    }
  }

 private:
  static constexpr int kKeySteps = static_cast<int>(kKeyBlock) / kStepRows;

  // A block of a key head's rows, and a tensor's rows of it; those past the head's length are zeros.
  struct KeyRows {
    int head;  // of all batch entries
    int first, keys;
    Part part[kKeySteps];
    SPARGE_DEVICE KeyRows(const Geometry& geometry, int task, const Input& in, int dim)
        : head(task / geometry.key_blocks), first(task % geometry.key_blocks * static_cast<int>(kKeyBlock)) {
      const int batch = head / geometry.key_heads, key_head = head % geometry.key_heads;
      const int64_t start = batch * in.stride[0] + key_head * in.stride[1];
      keys = Visibility(geometry, batch).keys;
#pragma unroll
      for (int step = 0; step < kKeySteps; ++step) {
        part[step].Clear();
        if (Has(step)) part[step].Load(in, start + (first + RowOf(step)) * in.stride[2], dim);
      }
    }
    static SPARGE_DEVICE int RowOf(int step) { return step * kStepRows + Part::RowInStep(); }  // in the block
    SPARGE_DEVICE bool Has(int step) const { return first + RowOf(step) < keys; }
  };

  // The first of the block's keys that is bad; 64 where none is. All threads take part; shared memory is free after it.
  static SPARGE_DEVICE int FirstBadRow(const bool (&bad)[kKeySteps], bool any_here) {
    if (!ptx::SyncThreadsOr(any_here)) return static_cast<int>(kKeyBlock);
    const ptx::SharedAddress flags = ptx::SharedMemory();
#pragma unroll
    for (int step = 0; step < kKeySteps; ++step) {
      if (Part::IsFirstLane()) {
        ptx::StoreShared(flags + static_cast<uint32_t>(step * kStepRows + Part::RowInStep()), uint8_t{bad[step]});
      }
    }
    ptx::SyncThreads();
    int first = 0;
    while (ptx::LoadShared<uint8_t>(flags + static_cast<uint32_t>(first)) == 0) ++first;
    ptx::SyncThreads();
    return first;
  }

  static SPARGE_DEVICE Part LoadMean(const float* mean) {
    Part km;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const Words4 words = ptx::LoadGlobal(reinterpret_cast<const Words4*>(mean + Part::Channel() + i * 4));
#pragma unroll
      for (int e = 0; e < 4; ++e) km.x[i * 4 + e] = ptx::FromBits(words.w[e]);
    }
    return km;
  }

  static SPARGE_DEVICE void Queries(const Params& p, int task) {
    constexpr int kRows = static_cast<int>(kQueryBlock), kSteps = kRows / kStepRows;
    const Geometry& geometry = p.geometry;
    const int head = task / geometry.query_blocks;
    const int block = task % geometry.query_blocks;
    const int batch = head / geometry.query_heads;
    const int query_head = head % geometry.query_heads;
    const int key_head = query_head / (geometry.query_heads / geometry.key_heads);
    const int64_t start = batch * p.q.stride[0] + query_head * p.q.stride[1];
    const int row0 = block * kRows + Part::RowInStep();  // of step 0
    // Row row0 + n exists for n < rows, and sees something from `seeing_from` on.
    const int rows = geometry.query_length - row0;
    const int seeing_from = Visibility(geometry, batch).FirstSeeingRow(geometry) - row0;
    const float* mean = p.key_mean + (static_cast<int64_t>(batch) * geometry.key_heads + key_head) * kWidth;
    const double scale = (p.scale < 0 ? -p.scale : p.scale) * 1.4426950408889634;

    const Part km = LoadMean(mean);
    ColumnSums<kWidth> sums;
    sums.Clear();
    int count = 0;
    bool bad = false;
    const auto load = [&](int step, Part& into) {
      into.Clear();
      if (step * kStepRows < rows) {
        into.Load(p.q, start + (row0 + step * kStepRows) * p.q.stride[2], geometry.head_dim);
      }
    };
    Part part, next;
    load(0, next);
#pragma unroll 1
    for (int step = 0; step < kSteps; ++step) {
      const int in_block = step * kStepRows + Part::RowInStep();
      const int64_t tile = ptx::Fresh(task);  // not held as a pointer across the loop
      part = next;
      if (step + 1 < kSteps) load(step + 1, next);
      if (p.scale < 0) {
#pragma unroll
        for (int i = 0; i < 8; ++i) part.x[i] = -part.x[i];
      }
      const uint32_t bits = Part::RowMax(part.MagnitudeBits());
      const bool finite = bits < 0x7f800000u;
      if (!finite) part.Clear();
      float dot = 0;
#pragma unroll
      for (int i = 0; i < 8; ++i) dot = ptx::FusedMultiplyAdd(part.x[i], km.x[i], dot);
      dot = Part::RowSum(dot);
      const float row_scale = finite ? ptx::Divide(ptx::FromBits(bits), 127.f) : 0.f;
      if (p.want_levels) StoreLevels(part, row_scale, p.query8 + tile * (kRows * kWidth), in_block);
      if (Part::IsFirstLane()) {
        const int64_t at = tile * kRows + in_block;
        const float factor = static_cast<float>(scale * static_cast<double>(row_scale));
        ptx::StoreGlobal(p.row_scale + at, finite ? factor : NaNFloat());
        ptx::StoreGlobal(p.query_km + at, dot);
      }
      if (p.want_digests) {
        const bool seeing = step * kStepRows < rows && step * kStepRows >= seeing_from, counts = seeing && finite;
        count += Part::CountRows(counts);
        bad = bad || (seeing && !finite);
        sums.Add(part, finite ? ptx::FromBits(bits) : 0.f, counts);
      }
    }
    if (p.want_digests) {
      StoreDigest<kWidth>(sums, count, bad, ptx::SharedMemory(), p.query_means + int64_t{task} * kWidth,
                          p.query_sims + task);
    }
  }

  static SPARGE_DEVICE void Keys(const Params& p, int task) {
    constexpr int kSteps = kKeySteps;
    const int thread = ptx::ThreadIndex();
    KeyRows rows(p.geometry, task, p.k, p.geometry.head_dim);
    const Part km = LoadMean(p.key_mean + int64_t{rows.head} * kWidth);
    const ptx::SharedAddress shared = ptx::SharedMemory();
    Part(&part)[kSteps] = rows.part;

    uint32_t bits[kSteps];
    bool bad_row[kSteps];
    uint32_t largest = 0;
    int count = 0;
    bool bad = false;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const bool here = rows.Has(step);
      if (here) {
#pragma unroll
        for (int i = 0; i < 8; ++i) part[step].x[i] = ptx::Subtract(part[step].x[i], km.x[i]);
      }
      bits[step] = Part::RowMax(part[step].MagnitudeBits());
      bad_row[step] = bits[step] >= 0x7f800000u;
      if (bad_row[step]) {
        part[step].Clear();
        bits[step] = 0;
      }
      if (bits[step] > largest) largest = bits[step];
      bad = bad || bad_row[step];
      count += Part::CountRows(here && !bad_row[step]);
    }

    // The block's largest magnitude.
#pragma unroll
    for (int distance = Part::kLanes; distance < 32; distance *= 2) {
      const uint32_t other = ptx::ShuffleXor(largest, distance);
      largest = other > largest ? other : largest;
    }
    const int first_bad = FirstBadRow(bad_row, bad);
    bad = first_bad < static_cast<int>(kKeyBlock);
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
        StoreLevels(part[step], scale, p.key8 + int64_t{task} * (static_cast<int>(kKeyBlock) * kWidth),
                    rows.RowOf(step));
      }
    }
    if (thread == 0) {
      ptx::StoreGlobal(p.key_scale + task, ptx::FromBits(ptx::FloatBits(scale) | (bad ? 0x80000000u : 0u)));
      ptx::StoreGlobal(p.first_bad + task, static_cast<uint8_t>(first_bad));
    }
    if (!p.want_digests) return;
    ColumnSums<kWidth> sums;
    sums.Clear();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      sums.Add(part[step], ptx::FromBits(bits[step]), true);  // what is not there, or not finite, is zero by now
    }
    ptx::SyncThreads();  // shared memory is used again
    StoreDigest<kWidth>(sums, count, bad, shared, p.key_means + int64_t{task} * kWidth, p.key_sims + task);
  }

  static SPARGE_DEVICE void Values(const Params& p, int task) {
    constexpr int kRows = static_cast<int>(kKeyBlock), kSteps = kKeySteps;
    const int thread = ptx::ThreadIndex();
    KeyRows rows(p.geometry, task, p.v, p.geometry.value_dim);
    const float* scale = p.value_scale + int64_t{rows.head} * kWidth;
    uint8_t* tile = p.values + int64_t{task} * (kRows * kWidth * (p.pv == PV::kE4M3 ? 1 : 2));
    Part(&part)[kSteps] = rows.part;
    // What is not finite is stored as zero; a flag poisons the rows that attend to it, and no other.
    bool bad[kSteps], any_bad = false;
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      bad[step] = Part::RowMax(part[step].MagnitudeBits()) >= 0x7f800000u;
      any_bad = any_bad || bad[step];
#pragma unroll
      for (int i = 0; i < 8; ++i) part[step].x[i] = IsFiniteFloat(part[step].x[i]) ? part[step].x[i] : 0.f;
    }
    const int first_bad = FirstBadRow(bad, any_bad);
    if (thread == 0) ptx::StoreGlobal(p.bad_value + task, first_bad);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      const int row = rows.RowOf(step);
      const int channel = Part::Channel();
      float(&x)[8] = part[step].x;
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
    if (p.pv != PV::kE4M3) return;
    ptx::SyncThreads();
    const ptx::SharedAddress shared = ptx::SharedMemory();
    for (int at = thread * 16; at < kWidth * kRows; at += kThreads * 16) {
      ptx::StoreGlobal(reinterpret_cast<Words4*>(tile + at),
                       ptx::LoadShared<Words4>(shared + static_cast<uint32_t>(at)));
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
