#pragma once

#include "attention/cuda/common/layout.cuh"

// sparge_exact: both stages in float32. Made to be right and plain, not fast: it is what audits compare with.
namespace attention::cuda {

// A block of 16 × 16 threads takes a row group. Thread (y, x) has rows 4y … 4y + 3, of scores the keys 4x … 4x + 3, of the
// output the channels x, x + 16, ….
template <int kWidth>
struct AttendExact {
  using Params = ExactParams;
  static constexpr int kThreads = 256, kMinBlocks = 1, kRows = 64, kKeys = 64, kDepth = 32, kValueKeys = 16;
  static constexpr int kPitch = 68;  // of transposed tiles, in floats: [channel or key][row or key]
  static constexpr int kOutColumns = kWidth / 16;
  static constexpr int kQ = 0, kK = kQ + kDepth * kPitch * 4, kP = kK + kDepth * kPitch * 4;
  static constexpr int kV = kP + kKeys * kPitch * 4;
  static constexpr int kSharedBytes = kV + kValueKeys * kWidth * 4;

  static SPARGE_DEVICE void Body(const Params& p) {
    const Geometry& geometry = p.geometry;
    const int64_t map_row_of_order = ptx::BlockX() / 2;
    const int group = static_cast<int>(ptx::BlockX() % 2);
    const int64_t head = map_row_of_order / geometry.query_blocks;
    const int i = ptx::LoadConstant(p.order + map_row_of_order);
    const int64_t map_row = head * geometry.query_blocks + i;
    const int batch = static_cast<int>(head / geometry.query_heads);
    const int query_head = static_cast<int>(head % geometry.query_heads);
    const int key_head = query_head / (geometry.query_heads / geometry.key_heads);
    const int64_t key_row = static_cast<int64_t>(batch) * geometry.key_heads + key_head;
    const Visibility visibility(geometry, batch);
    const int in_block = group * kRows, first = i * static_cast<int>(kQueryBlock) + in_block;
    if (first >= geometry.query_length) return;
    const int rows = geometry.query_length - first < kRows ? geometry.query_length - first : kRows;
    const int group_keys = visibility.KeysOfRow(first + rows - 1), group_end = (group_keys + kKeys - 1) / kKeys;
    const float lambda = p.skipping ? LoadHead(p.heads, query_head).lambda : 0.f;
    const float scale = static_cast<float>(p.scale);
    const int thread = ptx::ThreadIndex(), x = thread % 16, y = thread / 16;
    const ptx::SharedAddress shared = ptx::SharedMemory();

    float out[4][kOutColumns], most[4], sum[4], poison[4];
    int seen[4];
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const int row = 4 * y + r;
      const bool here = row < rows;
      seen[r] = here ? visibility.KeysOfRow(first + row) : 0;
      const float flag = here ? ptx::LoadGlobal(p.row_scale + map_row * kQueryBlock + in_block + row) : 0.f;
      poison[r] = IsNaNFloat(flag) ? flag : 0.f;
      most[r] = -InfinityFloat();
      sum[r] = 0;
#pragma unroll
      for (int c = 0; c < kOutColumns; ++c) out[r][c] = 0;
    }

    const int num_blocks = ptx::LoadConstant(p.list_count + map_row);
    int tiles = 0, skipped = 0;
    for (int n = 0; n < num_blocks; ++n) {
      const int block = ptx::LoadConstant(p.list + map_row * geometry.key_blocks + n);
      if (block >= group_end) break;
      ++tiles;
      const int first_key = block * kKeys, first_bad = ptx::LoadGlobal(p.first_bad + key_row * geometry.key_blocks + block);
      float score[4][4] = {};
      Scores(p, batch, query_head, key_head, first, rows, first_key, group_keys, score);
      float tile_most[4], raised[4];
      bool wanted = false;
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const int limit = seen[r] - first_key;
        if (first_bad < kKeys && limit > first_bad) poison[r] = NaNFloat();
        tile_most[r] = -InfinityFloat();
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          score[r][c] = 4 * x + c < limit ? score[r][c] * scale + poison[r] : -InfinityFloat();
          tile_most[r] = ptx::Max(tile_most[r], score[r][c]);
        }
#pragma unroll
        for (int distance = 1; distance < 16; distance *= 2) {
          tile_most[r] = ptx::Max(tile_most[r], ptx::ShuffleXor(tile_most[r], distance));
        }
        raised[r] = ptx::Max(most[r], tile_most[r]);
        wanted = wanted || (limit > 0 && (IsNaNFloat(poison[r]) || !(tile_most[r] - raised[r] < lambda)));
      }
      if (lambda < 0 && !ptx::SyncThreadsOr(wanted)) {
        ++skipped;
        continue;
      }
      float rescale[4];
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        rescale[r] = raised[r] > most[r] ? ptx::Exp(most[r] - raised[r]) : 1.f;
        most[r] = raised[r];
        float added = 0;
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          // A seen key weighs something, so that a value that is not finite shows; an unseen one nothing.
          const float weight = ptx::Exp(score[r][c] - most[r]);
          score[r][c] = score[r][c] == -InfinityFloat() ? 0.f : weight < 1e-37f ? 1e-37f : weight;
          added += score[r][c];
        }
        sum[r] = sum[r] * rescale[r] + added;
#pragma unroll
        for (int c = 0; c < kOutColumns; ++c) out[r][c] *= rescale[r];
      }
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        Words4 words;
#pragma unroll
        for (int r = 0; r < 4; ++r) words.w[r] = ptx::FloatBits(score[r][c]);
        ptx::StoreShared(shared + kP + ((4 * x + c) * kPitch + 4 * y) * 4, words);
      }
      for (int key0 = 0; key0 < kKeys; key0 += kValueKeys) {
        ptx::SyncThreads();
        for (int at = thread; at < kValueKeys * kWidth; at += kThreads) {
          const int key = first_key + key0 + at / kWidth, channel = at % kWidth;
          const bool here = key < group_keys && channel < geometry.value_dim;
          const int64_t from = batch * p.v.stride[0] + key_head * p.v.stride[1] + key * p.v.stride[2];
          const float v = here ? LoadElement(p.v, from + channel * p.v.stride[3]) : 0.f;
          ptx::StoreShared(shared + kV + static_cast<uint32_t>(at) * 4, v);
        }
        ptx::SyncThreads();
#pragma unroll 2
        for (int key = 0; key < kValueKeys; ++key) {
          const Words4 weights = ptx::LoadShared<Words4>(shared + kP + ((key0 + key) * kPitch + 4 * y) * 4);
#pragma unroll
          for (int c = 0; c < kOutColumns; ++c) {
            const float v = ptx::LoadShared<float>(shared + kV + (key * kWidth + x + 16 * c) * 4);
#pragma unroll
            for (int r = 0; r < 4; ++r) {
              const float weight = ptx::FromBits(weights.w[r]);
              if (weight != 0) out[r][c] = ptx::FusedMultiplyAdd(weight, v, out[r][c]);
            }
          }
        }
      }
      ptx::SyncThreads();
    }

#pragma unroll
    for (int r = 0; r < 4; ++r) {
#pragma unroll
      for (int distance = 1; distance < 16; distance *= 2) sum[r] += ptx::ShuffleXor(sum[r], distance);
    }
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const int row = 4 * y + r;
      if (row >= rows) continue;
      const bool none = sum[r] == 0;
      const int64_t to = batch * p.o.stride[0] + query_head * p.o.stride[1] + (first + row) * p.o.stride[2];
#pragma unroll
      for (int c = 0; c < kOutColumns; ++c) {
        const int channel = x + 16 * c;
        if (channel < geometry.value_dim) {
          StoreElement(p.o, to + channel * p.o.stride[3], none ? 0.f : ptx::Divide(out[r][c], sum[r]));
        }
      }
      if (p.lse != nullptr && x == 0) {
        const double magnitude = p.scale < 0 ? -p.scale : p.scale;
        const double km = ptx::LoadGlobal(p.query_km + map_row * kQueryBlock + in_block + row);
        const double lse = static_cast<double>(most[r]) + static_cast<double>(ptx::Log(sum[r])) + magnitude * km;
        ptx::StoreGlobal(p.lse + head * geometry.query_length + first + row,
                         none ? -InfinityFloat() : static_cast<float>(lse));
      }
    }
    if (thread == 0 && p.counts != nullptr && tiles > 0) {
      ptx::AtomicAdd(&p.counts[head].pv_tiles, tiles);
      if (skipped > 0) ptx::AtomicAdd(&p.counts[head].pv_skipped, skipped);
    }
  }

 private:
  // score += q·k' of the thread's rows and keys; zeros stand for what is not there.
  static SPARGE_DEVICE void Scores(const Params& p, int batch, int query_head, int key_head, int first, int rows,
                                   int first_key, int keys, float (&score)[4][4]) {
    const Geometry& geometry = p.geometry;
    const int thread = ptx::ThreadIndex(), x = thread % 16, y = thread / 16;
    const ptx::SharedAddress shared = ptx::SharedMemory();
    const float* mean = p.key_mean + (static_cast<int64_t>(batch) * geometry.key_heads + key_head) * geometry.width;
    const int64_t q_start = batch * p.q.stride[0] + query_head * p.q.stride[1];
    const int64_t k_start = batch * p.k.stride[0] + key_head * p.k.stride[1];
    for (int depth = 0; depth < geometry.head_dim; depth += kDepth) {
      ptx::SyncThreads();
      for (int at = thread; at < kDepth * kRows; at += kThreads) {
        const int d = at % kDepth, line = at / kDepth, channel = depth + d, key = first_key + line;
        float q = 0, k = 0;
        if (channel < geometry.head_dim && line < rows) {
          q = LoadElement(p.q, q_start + (first + line) * p.q.stride[2] + channel * p.q.stride[3]);
        }
        if (channel < geometry.head_dim && key < keys) {
          k = LoadElement(p.k, k_start + key * p.k.stride[2] + channel * p.k.stride[3]) - ptx::LoadGlobal(mean + channel);
        }
        ptx::StoreShared(shared + kQ + (d * kPitch + line) * 4, q);
        ptx::StoreShared(shared + kK + (d * kPitch + line) * 4, k);
      }
      ptx::SyncThreads();
#pragma unroll 4
      for (int d = 0; d < kDepth; ++d) {
        const Words4 q = ptx::LoadShared<Words4>(shared + kQ + (d * kPitch + 4 * y) * 4);
        const Words4 k = ptx::LoadShared<Words4>(shared + kK + (d * kPitch + 4 * x) * 4);
#pragma unroll
        for (int r = 0; r < 4; ++r) {
#pragma unroll
          for (int c = 0; c < 4; ++c) {
            score[r][c] = ptx::FusedMultiplyAdd(ptx::FromBits(q.w[r]), ptx::FromBits(k.w[c]), score[r][c]);
          }
        }
      }
    }
  }
};

}  // namespace attention::cuda
