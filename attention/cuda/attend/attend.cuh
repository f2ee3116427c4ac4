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
  static constexpr int kKeyTiles = 8;  // of 8 columns in a block of keys
  static constexpr int kOutTiles = kWidth / 8;
  static constexpr int kOutPitch = 72;           // of 64 channels of output on their way out, in floats
  static constexpr int32_t kUnseen = INT32_MIN;  // a score that no product can be
  static constexpr float kLowest = -0x1p120f;    // stands for −infinity where that would give ∞ − ∞

  static SPARGE_DEVICE void Body(const Params& p) {
    Attend block(p);
    block.Run();
  }

 protected:
  explicit SPARGE_DEVICE Attend(const Params& params)
      : p(params), held_thread(ptx::ThreadIndex()), shared(ptx::SharedMemory()) {}

  // Registers are what the loop lacks, and each compiler target and product lacks them elsewhere:
  // scripts/sass_report.sh tells. Where the thread's index is not held in one, it is read anew wherever it is wanted;
  // where the number of the tile and its stage share one, they are taken apart.
  static constexpr bool kHoldsThread = Product::kFlush || ptx::kCompiledFor < 1000;
  static constexpr bool kPacksTurn = Product::kFlush;

  const Params& p;
  const int held_thread;
  const ptx::SharedAddress shared;

  SPARGE_DEVICE int Thread() const { return kHoldsThread ? held_thread : ptx::FreshThreadIndex(); }
  SPARGE_DEVICE int Lane() const { return Thread() % 32; }
  SPARGE_DEVICE int FreshLane() const { return kHoldsThread ? ptx::Fresh(Lane()) : Lane(); }
  SPARGE_DEVICE int Warp() const { return Thread() / 32; }
  SPARGE_DEVICE int Group() const { return Thread() / kGroupThreads; }  // of rows

  int32_t scores[kRowTiles][kKeyTiles][4];
  float out[kRowTiles][kOutTiles][4];
  // Of rows g and g + 8 of each tile of 16. `most`: the running maximum, less log2 of what a weight of 1 is stored as,
  // so that a stored weight is exp2(score − most).
  float row_scale[kRowTiles][2], most[kRowTiles][2], sum[kRowTiles][2];

  SPARGE_DEVICE ptx::SharedAddress Stage(int stage) const {
    return shared + 128 * kWidth + static_cast<uint32_t>(stage * kStageBytes);
  }
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
  SPARGE_DEVICE ptx::SharedAddress ControlAddress() const { return StageScale(p.stages) + Group() * 64; }
  SPARGE_DEVICE ptx::SharedAddress WalkAddress() const { return ControlAddress() + 16; }
  // How many tiles the group has skipped: the first thread's alone.
  SPARGE_DEVICE ptx::SharedAddress SkippedAddress() const { return ControlAddress() + 32; }

  // Where the loop is: tile `number`, which lies in stage `stage`.
  class Turn {
   public:
    SPARGE_DEVICE int number() const { return kPacksTurn ? static_cast<int>(packed >> 2) : n; }
    SPARGE_DEVICE int stage() const { return kPacksTurn ? static_cast<int>(packed & 3) : in; }
    SPARGE_DEVICE void Next(int stages) {
      if constexpr (kPacksTurn) {
        packed = ptx::Fresh(packed);
        packed += stage() + 1 == stages ? 4 - (packed & 3) : 5;
      } else {
        ++n;
        in = in + 1 == stages ? 0 : in + 1;
      }
    }

   private:
    uint32_t packed = 0;
    int n = 0, in = 0;
  };

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
    const int thread = Thread(), group = thread / kGroupThreads;
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

    const int row0 =
        thread / 32 * 16 * kRowTiles + thread % 32 / 4;  // the thread's rows are row0 + 16·m + 8·h of the block's
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
    // Tile n lies in stage n % stages. `stages` − 1 tiles are on their way when a tile is computed (with one stage:
    // none).
    const int ahead = p.stages > 1 ? p.stages - 1 : 0;
    for (int n = 0; n < ahead; ++n) {
      if (n < num_blocks) Fetch(first_tile + ptx::LoadConstant(list + n), n);
      ptx::CpAsyncCommit();
    }

    ptx::SyncThreads();
    Turn turn;
    for (;;) {
      const int n = turn.number(), stage = turn.stage();
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
          if (Thread() % kGroupThreads == 0) {
            ptx::StoreShared(SkippedAddress(), ptx::LoadShared<int>(SkippedAddress()) + 1);
          }
        } else if (bad_value < 64) {
          PoisonOutput(Limits(*this, block), bad_value);
        }
      }
      turn.Next(p.stages);
    }
    ptx::CpAsyncWait<0>();

    if (p.counts != nullptr && Thread() % kGroupThreads == 0) Count();
    Store();
  }

  // Starts the copies of a tile; `tile` counts blocks of keys of all heads.
  SPARGE_DEVICE void Fetch(int tile, int stage) const {
    const int thread = Thread();
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
      const int row = place.first_row + block.Warp() * 16 * kRowTiles + block.Lane() / 4;
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) seen[m][h] = visibility.KeysOfRow(row + 16 * m + 8 * h) - key_block * 64;
      }
    }
  };

  // weigh.cuh
  SPARGE_DEVICE void Poison(const Limits& limits, int first_bad);
  SPARGE_DEVICE void PoisonOutput(const Limits& limits, int bad_value);
  SPARGE_DEVICE void Score(ptx::SharedAddress keys);
  SPARGE_DEVICE void Mask(const Limits& limits);
  template <bool kMasked>
  SPARGE_DEVICE bool Weigh(ptx::SharedAddress values, float key_scale, float lambda);
  template <bool kMasked>
  SPARGE_DEVICE void Weights(int m, int n, const float (&factor)[2], float (&w)[4]) const;
  template <bool kMasked>
  SPARGE_DEVICE void MultiplyInPlace(ptx::SharedAddress values, const float (&factor)[kRowTiles][2]);
  template <bool kMasked>
  SPARGE_DEVICE void MultiplyFlushed(ptx::SharedAddress values, const float (&factor)[kRowTiles][2],
                                     const float (&rescale)[kRowTiles][2]);
  SPARGE_DEVICE void AddTotals(const float (&total)[kRowTiles][4]);
  // store.cuh
  SPARGE_DEVICE void Count() const;
  SPARGE_DEVICE void Store();
  SPARGE_DEVICE void StoreRun(ptx::SharedAddress from, const float* value_scale, int64_t to, int channel) const;
};

}  // namespace attention::cuda

#include "attention/cuda/attend/store.cuh"
#include "attention/cuda/attend/weigh.cuh"
