#pragma once

#include "attention/cuda/attend/products.cuh"
#include "attention/cuda/attend/shared_bytes.h"

// The main kernel of the mma.sync family: INT8 Q·K, online softmax, λ, P·V (docs/attention_spec.md, "Second stage").
// attention/cuda/README.md draws how a tile flows.
namespace attention::cuda {

// How a block of threads shares its 128 query rows: each warp has kRowTiles tiles of 16. Wide heads need the registers.
template <int kWidth>
struct Shares {
  static constexpr int kRowTiles = kWidth <= 128 ? 2 : 1;
  static constexpr int kWarps = static_cast<int>(kQueryBlock) / (16 * kRowTiles);
};

template <PV kPV, int kWidth>
struct Attend {
  using Params = AttendParams;
  using Product = Products<kPV>;
  static constexpr int kRowTiles = Shares<kWidth>::kRowTiles, kWarps = Shares<kWidth>::kWarps;
  static constexpr int kThreads = kWarps * 32, kMinBlocks = AttendMinBlocks(kWidth);
  static constexpr int kGroupThreads = kThreads / 2;  // of a row group
  static constexpr int kKeyTileBytes = 64 * kWidth, kValueTileBytes = 64 * kWidth * ValueElementBytes(kPV);
  static constexpr int kStageBytes = kKeyTileBytes + kValueTileBytes;
  static constexpr int kKeyTiles = 8;                // of 8 columns in a block of keys
  static constexpr int kOutTiles = kWidth / 8;
  static constexpr int kOutPitch = 72;               // of 64 channels of output on their way out, in floats
  static constexpr int32_t kUnseen = INT32_MIN;      // a score that no product can be
  static constexpr float kLowest = -0x1p120f;        // stands for −infinity where that would give ∞ − ∞

  static SPARGE_DEVICE void Body(const Params& p) {
    Attend block(p);
    block.Run();
  }

 private:
  explicit SPARGE_DEVICE Attend(const Params& params)
      : p(params),
        thread(ptx::ThreadIndex()),
        lane(thread % 32),
        warp(thread / 32),
        group(warp / (kWarps / 2)),
        shared(ptx::SharedMemory()) {}

  const Params& p;
  const int thread, lane, warp, group;
  const ptx::SharedAddress shared;

  int32_t scores[kRowTiles][kKeyTiles][4];
  float out[kRowTiles][kOutTiles][4];
  // Of rows g and g + 8 of each tile of 16. `most`: the running maximum, less log2 of what a weight of 1 is stored as, so
  // that a stored weight is exp2(score − most).
  float row_scale[kRowTiles][2], most[kRowTiles][2], sum[kRowTiles][2];

  SPARGE_DEVICE ptx::SharedAddress Stage(int stage) const { return shared + 128 * kWidth + static_cast<uint32_t>(stage * kStageBytes); }
  SPARGE_DEVICE ptx::SharedAddress StageScale(int stage) const {
    return shared + 128 * kWidth + static_cast<uint32_t>(p.stages * kStageBytes + stage * 16);
  }

  // What a row group's loop needs now and then: kept in shared memory, for registers are what the loop lacks.
  struct alignas(16) Control {
    float lambda;     // log2 units; 0: off
    int masked_from;  // key blocks from here on hold a key that some row of the group does not see
    int group_end;    // from here on, none that any sees
    int first_tile;   // of the key head
  };
  struct alignas(16) Walk {
    const uint16_t* list;  // kept key blocks
    int count;
    int first_tile;  // of the key head
  };
  SPARGE_DEVICE ptx::SharedAddress ControlAddress() const { return StageScale(p.stages) + group * 64; }
  SPARGE_DEVICE ptx::SharedAddress WalkAddress() const { return ControlAddress() + 16; }
  // How many tiles the group has skipped: the first thread's alone.
  SPARGE_DEVICE ptx::SharedAddress SkippedAddress() const { return ControlAddress() + 32; }

  // Which row of the block map this block computes. Made again where it is needed: registers are what the loop lacks.
  struct Place {
    int batch, query_head, first_row;
    int64_t head, key_head, row_of_map;  // of all batch entries
    explicit SPARGE_DEVICE Place(const Params& p) {
      const Geometry& geometry = p.geometry;
      const int index = static_cast<int>(ptx::BlockX()), in_all = index / geometry.query_blocks;
      const int i = ptx::LoadConstant(p.order + index);
      batch = in_all / geometry.query_heads;
      query_head = in_all % geometry.query_heads;
      first_row = i * static_cast<int>(kQueryBlock);
      head = in_all;
      key_head =
          static_cast<int64_t>(batch) * geometry.key_heads + query_head / (geometry.query_heads / geometry.key_heads);
      row_of_map = head * geometry.query_blocks + i;
    }
  };

  SPARGE_DEVICE void Run() {
    const Geometry& geometry = p.geometry;
    const Place place(p);
    const int64_t row_of_map = place.row_of_map, key_head = place.key_head;
    const Visibility visibility(geometry, place.batch);
    const int first_row = place.first_row;
    const uint16_t* list = p.list + row_of_map * geometry.key_blocks;
    const int num_blocks = ptx::LoadConstant(p.list_count + row_of_map);
    const int first_tile = static_cast<int>(key_head) * geometry.key_blocks;
    const int group_first = first_row + group * static_cast<int>(kRowGroup);
    const int group_rows = geometry.query_length - group_first;
    const int last_row = group_first + (group_rows < 64 ? group_rows : 64) - 1;
    Control control;
    control.lambda = p.skipping ? LoadHead(p.heads, place.query_head).lambda * 1.44269504f : 0.f;
    control.masked_from = group_rows > 0 ? visibility.KeysOfRow(group_first) / 64 : 0;
    control.group_end = group_rows > 0 ? (visibility.KeysOfRow(last_row) + 63) / 64 : 0;
    control.first_tile = first_tile;
    if (thread % kGroupThreads == 0) {
      ptx::StoreShared(ControlAddress(), control);
      ptx::StoreShared(WalkAddress(), Walk{list, num_blocks, first_tile});
      ptx::StoreShared(SkippedAddress(), 0);
    }

    const int row0 = warp * 16 * kRowTiles + lane / 4;  // the thread's rows are row0 + 16·m + 8·h of the block's
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int row = row0 + 16 * m + 8 * h;
        row_scale[m][h] = ptx::LoadConstant(p.row_scale + row_of_map * kQueryBlock + row);
        // Rows past the last have an infinite maximum: they never ask for a tile, and their weights are zero.
        most[m][h] = first_row + row < geometry.query_length ? kLowest : InfinityFloat();
        sum[m][h] = 0;
      }
#pragma unroll
      for (int n = 0; n < kOutTiles; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) out[m][n][e] = 0;
      }
    }

    const uint8_t* queries = p.query8 + row_of_map * (kQueryBlock * kWidth);
    for (int at = thread * 16; at < 128 * kWidth; at += kThreads * 16) {
      ptx::CpAsync<16>(shared + static_cast<uint32_t>(at), queries + at);
    }
    // Tile n lies in stage n % stages. `stages` − 1 tiles are on their way when a tile is computed (with one stage: none).
    const int ahead = p.stages > 1 ? p.stages - 1 : 0;
    for (int n = 0; n < ahead; ++n) {
      if (n < num_blocks) Fetch(first_tile + ptx::LoadConstant(list + n), n);
      ptx::CpAsyncCommit();
    }

    ptx::SyncThreads();
    int stage = 0;
    for (int n = 0;; ++n) {
      const Walk walk = ptx::LoadShared<Walk>(WalkAddress());
      if (n >= walk.count) break;
      const int block = ptx::LoadConstant(walk.list + n);
      const bool fetches = n + ahead < walk.count;
      const int fetch_block = ptx::LoadConstant(walk.list + (fetches ? n + ahead : n));
      if (ahead == 0) {
        ptx::SyncThreads();  // all have read the tile before
        Fetch(walk.first_tile + block, 0);
        ptx::CpAsyncCommit();
        ptx::CpAsyncWait<0>();
        ptx::SyncThreads();
      } else {
        if (ahead == 1) {
          ptx::CpAsyncWait<0>();
        } else {
          ptx::CpAsyncWait<1>();  // two stages ahead at the most
        }
        ptx::SyncThreads();  // the tile is there for all, and the stage to fetch into has been read by all
        if (fetches) Fetch(walk.first_tile + fetch_block, stage == 0 ? ahead : stage - 1);
        ptx::CpAsyncCommit();
      }
      if (block < ptx::LoadShared<Control>(ControlAddress()).group_end) {
        Score(Stage(stage));
        const Words2 of_tile = ptx::LoadShared<Words2>(StageScale(stage));
        const float key_scale = ptx::FromBits(of_tile.w[0]);
        const int bad_value = static_cast<int>(of_tile.w[1]);
        const Control now = ptx::LoadShared<Control>(ControlAddress());
        const bool masked = block >= now.masked_from;
        if ((ptx::FloatBits(key_scale) & 0x80000000u) != 0) {
          Poison(Limits(*this, block), ptx::LoadConstant(p.first_bad + now.first_tile + block));
        }
        const ptx::SharedAddress values = Stage(stage) + kKeyTileBytes;
        bool computed;
        if (masked) {
          Mask(Limits(*this, block));
          computed = Weigh<true>(values, key_scale, now.lambda);
        } else {
          computed = Weigh<false>(values, key_scale, now.lambda);
        }
        if (!computed) {
          if (thread % kGroupThreads == 0) {
            ptx::StoreShared(SkippedAddress(), ptx::LoadShared<int>(SkippedAddress()) + 1);
          }
        } else if (bad_value < 64) {
          PoisonOutput(Limits(*this, block), bad_value);
        }
      }
      stage = stage + 1 == p.stages ? 0 : stage + 1;
    }
    ptx::CpAsyncWait<0>();

    if (p.counts != nullptr && thread % kGroupThreads == 0) Count();
    Store();
  }

  SPARGE_DEVICE void Count() const {
    const Place at(p);
    const int first = at.first_row + group * static_cast<int>(kRowGroup), end = first + static_cast<int>(kRowGroup);
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

  // Starts the copies of a tile; `tile` counts blocks of keys of all heads.
  SPARGE_DEVICE void Fetch(int tile, int stage) const {
    const uint8_t* keys = p.key8 + static_cast<int64_t>(tile) * kKeyTileBytes + thread * 16;
    const uint8_t* values = p.values + static_cast<int64_t>(tile) * kValueTileBytes + thread * 16;
    const ptx::SharedAddress to = Stage(stage) + static_cast<uint32_t>(thread) * 16;
#pragma unroll
    for (int at = 0; at < kKeyTileBytes; at += kThreads * 16) ptx::CpAsync<16>(to + at, keys + at);
#pragma unroll
    for (int at = 0; at < kValueTileBytes; at += kThreads * 16) ptx::CpAsync<16>(to + kKeyTileBytes + at, values + at);
    if (thread < 2) {
      const void* from = thread == 0 ? static_cast<const void*>(p.key_scale + tile) : p.bad_value + tile;
      ptx::CpAsync<4>(StageScale(stage) + static_cast<uint32_t>(thread) * 4, from);
    }
  }

  // The address `chunks` chunks on in a row, from one of the first two: the swizzle is an exclusive or of the low bits.
  static SPARGE_DEVICE ptx::SharedAddress ChunksOn(ptx::SharedAddress row, int chunks) {
    return (row ^ static_cast<uint32_t>(chunks % 8 * 16)) + static_cast<uint32_t>(chunks / 8 * 128);
  }

  // How many keys of the block the thread's rows see.
  struct Limits {
    int seen[kRowTiles][2];
    SPARGE_DEVICE Limits(const Attend& block, int key_block) {
      const Place place(block.p);
      const Visibility visibility(block.p.geometry, place.batch);
      const int row = place.first_row + block.warp * 16 * kRowTiles + block.lane / 4;
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) seen[m][h] = visibility.KeysOfRow(row + 16 * m + 8 * h) - key_block * 64;
      }
    }
  };

  // A row that sees a key that is not finite is NaN from here on, and is no reason to skip.
  SPARGE_DEVICE void Poison(const Limits& limits, int first_bad) {
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        if (limits.seen[m][h] > first_bad) row_scale[m][h] = NaNFloat();
      }
    }
  }

  // The output of a row that attends to a value that is not finite is NaN from here on; its sum is not.
  SPARGE_DEVICE void PoisonOutput(const Limits& limits, int bad_value) {
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const float poison = limits.seen[m][h] > bad_value ? NaNFloat() : 0.f;
#pragma unroll
        for (int n = 0; n < kOutTiles; ++n) {
          out[m][n][2 * h] += poison;
          out[m][n][2 * h + 1] += poison;
        }
      }
    }
  }

  // scores = q·k of the group's rows with the block's keys.
  SPARGE_DEVICE void Score(ptx::SharedAddress keys) {
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) scores[m][n][e] = 0;
      }
    }
    // ldmatrix: lanes 0–7, 8–15, … give the rows of the four matrices.
    const int here = ptx::Fresh(lane), matrix = here / 8, in8 = here % 8;
    const ptx::SharedAddress q_row =
        shared + ChunkOffset<kWidth>(warp * 16 * kRowTiles + matrix % 2 * 8 + in8, matrix / 2);
    const ptx::SharedAddress k_row = keys + ChunkOffset<kWidth>(matrix / 2 * 8 + in8, matrix % 2);
#pragma unroll
    for (int step = 0; step < kWidth / 32; ++step) {
      uint32_t a[kRowTiles][4];
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) ptx::LoadMatrices(a[m], ChunksOn(q_row, 2 * step) + m * 16 * kWidth);
#pragma unroll
      for (int n = 0; n < kKeyTiles; n += 2) {
        uint32_t b[4];
        ptx::LoadMatrices(b, ChunksOn(k_row, 2 * step) + n * 8 * kWidth);
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
          ptx::MultiplyS8(scores[m][n], a[m], b[0], b[1]);
          ptx::MultiplyS8(scores[m][n + 1], a[m], b[2], b[3]);
        }
      }
    }
  }

  // Marks the scores of keys that a row does not see.
  SPARGE_DEVICE void Mask(const Limits& limits) {
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        const int seen = limits.seen[m][h] - lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < kKeyTiles; ++n) {
          if (n * 8 >= seen) scores[m][n][2 * h] = kUnseen;
          if (n * 8 + 1 >= seen) scores[m][n][2 * h + 1] = kUnseen;
        }
      }
    }
  }

  // Online softmax and P·V of the tile. False: λ skips it. With kMasked, scores may be kUnseen.
  template <bool kMasked>
  SPARGE_DEVICE bool Weigh(ptx::SharedAddress values, float key_scale, float lambda) {
    key_scale = ptx::FromBits(ptx::FloatBits(key_scale) & 0x7fffffffu);
    float factor[kRowTiles][2], raised[kRowTiles][2];
    bool wanted = false, grew = false;
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        int32_t top = ptx::Max(scores[m][0][2 * h], scores[m][0][2 * h + 1]);
#pragma unroll
        for (int n = 1; n < kKeyTiles; ++n) top = ptx::Max(top, scores[m][n][2 * h], scores[m][n][2 * h + 1]);
        top = ptx::Max(top, ptx::ShuffleXor(top, 1));
        top = ptx::Max(top, ptx::ShuffleXor(top, 2));
        factor[m][h] = row_scale[m][h] * key_scale;
        const bool sees = !kMasked || top != kUnseen;
        const float tile_most =
            sees ? ptx::FusedMultiplyAdd(ptx::FromInt(top), factor[m][h], -Product::kTopLog2) : kLowest;
        raised[m][h] = ptx::Max(most[m][h], tile_most);
        // Not `>=`: a NaN asks for the tile.
        wanted = wanted || (sees && !(tile_most - raised[m][h] < lambda));
        grew = grew || raised[m][h] > most[m][h];
      }
    }
    if (lambda < 0 && !ptx::BarrierOr(1 + group, kGroupThreads, wanted)) return false;

    if (Product::kFlush || ptx::Any(grew)) {
      float rescale[kRowTiles][2];
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          // 1 where nothing grew, also from infinity to infinity.
          rescale[m][h] = raised[m][h] > most[m][h] ? ptx::Exp2(most[m][h] - raised[m][h]) : 1.f;
          most[m][h] = raised[m][h];
          sum[m][h] *= rescale[m][h];
        }
#pragma unroll
        for (int n = 0; n < kOutTiles && !Product::kFlush; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) out[m][n][e] *= rescale[m][e / 2];
        }
      }
      if constexpr (Product::kFlush) MultiplyFlushed<kMasked>(values, factor, rescale);
    }
    if constexpr (!Product::kFlush) MultiplyInPlace<kMasked>(values, factor);
    return true;
  }

  // exp2(score·factor − most) of four scores of a column tile: rows g, g, g + 8, g + 8.
  template <bool kMasked>
  SPARGE_DEVICE void Weights(int m, int n, const float (&factor)[2], float (&w)[4]) const {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      w[e] = ptx::Exp2(ptx::FusedMultiplyAdd(ptx::FromInt(scores[m][n][e]), factor[e / 2], -most[m][e / 2]));
    }
    if constexpr (kMasked) {
#pragma unroll
      for (int e = 0; e < 4; ++e) w[e] = scores[m][n][e] == kUnseen ? 0.f : w[e];
    }
  }

  // fp16 and bf16: V's tile is [key][channel].
  template <bool kMasked>
  SPARGE_DEVICE void MultiplyInPlace(ptx::SharedAddress values, const float (&factor)[kRowTiles][2]) {
    if constexpr (!Product::kFlush) {
      const int here = ptx::Fresh(lane), matrix = here / 8, in8 = here % 8;
      const ptx::SharedAddress v_row = values + ChunkOffset<kWidth * 2>(matrix % 2 * 8 + in8, matrix / 2);
      float total[kRowTiles][4] = {};
#pragma unroll
      for (int step = 0; step < 4; ++step) {
        uint32_t a[kRowTiles][4];
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float w[4];
            Weights<kMasked>(m, 2 * step + half, factor[m], w);
            a[m][2 * half] = Product::Pack(w[0], w[1]);
            a[m][2 * half + 1] = Product::Pack(w[2], w[3]);
          }
          Product::Multiply(total[m], a[m], Product::kOnes, Product::kOnes);
        }
#pragma unroll
        for (int n = 0; n < kOutTiles; n += 2) {
          uint32_t b[4];
          ptx::LoadMatricesTransposed(b, ChunksOn(v_row, n) + step * 16 * kWidth * 2);
#pragma unroll
          for (int m = 0; m < kRowTiles; ++m) {
            Product::Multiply(out[m][n], a[m], b[0], b[1]);
            Product::Multiply(out[m][n + 1], a[m], b[2], b[3]);
          }
        }
      }
      AddTotals(total);
    }
  }

  // E4M3: V's tile is [channel][key]; the products of a block of keys are added to the output in float32.
  template <bool kMasked>
  SPARGE_DEVICE void MultiplyFlushed(ptx::SharedAddress values, const float (&factor)[kRowTiles][2],
                                     const float (&rescale)[kRowTiles][2]) {
    if constexpr (Product::kFlush) {
      uint32_t a[2][kRowTiles][4];
      float total[kRowTiles][4] = {};
#pragma unroll
      for (int step = 0; step < 2; ++step) {
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float low[4], high[4];
            Weights<kMasked>(m, 4 * step + 2 * half, factor[m], low);
            Weights<kMasked>(m, 4 * step + 2 * half + 1, factor[m], high);
            a[step][m][2 * half] = Product::Pack(low[0], low[1], high[0], high[1]);
            a[step][m][2 * half + 1] = Product::Pack(low[2], low[3], high[2], high[3]);
          }
          Product::Multiply(total[m], a[step][m], Product::kOnes, Product::kOnes);
        }
      }
      AddTotals(total);
      const int here = ptx::Fresh(lane), matrix = here / 8, in8 = here % 8;
      const ptx::SharedAddress v_row = values + ChunkOffset<64>(matrix / 2 * 8 + in8, matrix % 2);
#pragma unroll
      for (int n = 0; n < kOutTiles; n += 2) {
        uint32_t b[2][4];
#pragma unroll
        for (int step = 0; step < 2; ++step) {
          ptx::LoadMatrices(b[step], ChunksOn(v_row, 2 * step) + n * 8 * 64);
        }
#pragma unroll
        for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
          for (int pair = 0; pair < 2; ++pair) {
            float product[4] = {};
#pragma unroll
            for (int step = 0; step < 2; ++step) {
              Product::Multiply(product, a[step][m], b[step][2 * pair], b[step][2 * pair + 1]);
            }
#pragma unroll
            for (int e = 0; e < 4; ++e) {
              out[m][n + pair][e] = ptx::FusedMultiplyAdd(out[m][n + pair][e], rescale[m][e / 2], product[e]);
            }
          }
        }
      }
    }
  }

  // Every column of a product with ones is the row's sum.
  SPARGE_DEVICE void AddTotals(const float (&total)[kRowTiles][4]) {
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m) {
      sum[m][0] += total[m][0];
      sum[m][1] += total[m][2];
    }
  }

  // Divides by the sums and writes o, through shared memory so that rows go out in long runs, and LSE.
  SPARGE_DEVICE void Store() {
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
  SPARGE_DEVICE void StoreRun(ptx::SharedAddress from, const float* value_scale, int64_t to, int channel) const {
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
};

}  // namespace attention::cuda
