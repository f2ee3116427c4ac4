#pragma once

#include "attention/cuda/attend/attend.cuh"

// What Attend does at its end: counts, o and LSE. Included by attend.cuh.
namespace attention::cuda {

template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::Count() const {
  const Place at(p);
  const int first = at.first_row + Group() * static_cast<int>(kRowGroup), end = first + static_cast<int>(kRowGroup);
  if (first >= p.geometry.query_length) return;
  const int last_row = (end < p.geometry.query_length ? end : p.geometry.query_length) - 1;
  const int group_end = (Visibility(p.geometry, at.batch).KeysOfRow(last_row) + 63) / 64;
  const uint16_t* list = p.list + at.row_of_map * p.geometry.key_blocks;
  int tiles = ptx::LoadConstant(p.list_count + at.row_of_map);  // those that exist for the group
  while (tiles > 0 && ptx::LoadConstant(list + tiles - 1) >= group_end) --tiles;
  if (tiles > 0) ptx::AtomicAdd(&p.counts[at.head].pv_tiles, tiles);
  const int skipped = ptx::LoadShared<int>(SkippedAddress());
  if (skipped > 0) ptx::AtomicAdd(&p.counts[at.head].pv_skipped, skipped);
}

// Divides by the sums and writes o, through shared memory so that rows go out in long runs, and LSE.
template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::Store() {
  const int thread = Thread(), lane = thread % 32, warp = thread / 32;
  const Geometry& geometry = p.geometry;
  const Place place(p);
  const float* value_scale = p.value_scale + place.key_head * kWidth;
  const int64_t start = place.batch * p.o.stride[0] + place.query_head * p.o.stride[1];
  const ptx::SharedAddress buffer = shared + static_cast<uint32_t>(warp) * (16 * kOutPitch * 4);
  ptx::SyncThreads();  // all have read their last tile
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
    const int first_row = place.first_row + (warp * kRowTiles + m) * 16;
    float inverse[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float total = sum[m][h];
      inverse[h] = total == 0 ? 0.f : ptx::Divide(1.f, total);
      const int row = first_row + lane / 4 + 8 * h;
      if (p.lse != nullptr && lane % 4 == 0 && row < geometry.query_length) {
        const float km = ptx::LoadConstant(p.query_km + place.row_of_map * kQueryBlock + row - place.first_row);
        const float scale = static_cast<float>(p.scale < 0 ? -p.scale : p.scale);
        const float lse = most[m][h] * 0.693147181f + ptx::Log(total) + scale * km;
        ptx::StoreGlobal(p.lse + place.head * geometry.query_length + row, total == 0 ? -InfinityFloat() : lse);
      }
    }
#pragma unroll
    for (int part = 0; part < kWidth / 64; ++part) {
      ptx::SyncWarp();  // the part before has been read
#pragma unroll
      for (int n = 0; n < 8; ++n) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          Words2 words;
          words.w[0] = ptx::FloatBits(out[m][part * 8 + n][2 * h] * inverse[h]);
          words.w[1] = ptx::FloatBits(out[m][part * 8 + n][2 * h + 1] * inverse[h]);
          const int at = (lane / 4 + 8 * h) * kOutPitch + n * 8 + lane % 4 * 2;
          ptx::StoreShared(buffer + static_cast<uint32_t>(at) * 4, words);
        }
      }
      ptx::SyncWarp();
      if (part * 64 >= geometry.value_dim) continue;
#pragma unroll 1
      for (int at = lane; at < 16 * 8; at += 32) {
        const int row = first_row + at / 8, channel = part * 64 + at % 8 * 8;
        if (row >= geometry.query_length || channel >= geometry.value_dim) continue;
        StoreRun(buffer + static_cast<uint32_t>(at / 8 * kOutPitch + at % 8 * 8) * 4, value_scale + channel,
                 start + row * p.o.stride[2], channel);
      }
    }
  }
}

// Eight channels of one row.
template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::StoreRun(ptx::SharedAddress from, const float* value_scale, int64_t to,
                                                 int channel) const {
  float x[8];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const Words4 words = ptx::LoadShared<Words4>(from + half * 16);
    const Words4 scale = ptx::LoadConstant(reinterpret_cast<const Words4*>(value_scale + half * 4));
#pragma unroll
    for (int e = 0; e < 4; ++e) x[half * 4 + e] = ptx::FromBits(words.w[e]) * ptx::FromBits(scale.w[e]);
  }
  StoreChannels(p.o, to, channel, p.geometry.value_dim, x);
}

}  // namespace attention::cuda
