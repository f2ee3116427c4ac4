#pragma once

#include "attention/cuda/attend/attend.cuh"

// What Attend does with a tile: scores, masks, softmax and λ, P·V. Included by attend.cuh.
namespace attention::cuda {

// A row that sees a key that is not finite is NaN from here on, and is no reason to skip.
template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::Poison(const Limits& limits, int first_bad) {
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (limits.seen[m][h] > first_bad) row_scale[m][h] = NaNFloat();
    }
  }
}

// The output of a row that attends to a value that is not finite is NaN from here on; its sum is not.
template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::PoisonOutput(const Limits& limits, int bad_value) {
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
template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::Score(ptx::SharedAddress keys) {
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
    for (int n = 0; n < kKeyTiles; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) scores[m][n][e] = 0;
    }
  }
  // ldmatrix: lanes 0–7, 8–15, … give the rows of the four matrices.
  const int thread = Thread(), here = kHoldsThread ? ptx::Fresh(thread % 32) : thread % 32, matrix = here / 8,
            in8 = here % 8;
  const ptx::SharedAddress q_row =
      shared + ChunkOffset<kWidth>(thread / 32 * 16 * kRowTiles + matrix % 2 * 8 + in8, matrix / 2);
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
template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::Mask(const Limits& limits) {
  const int first = (Product::kFlush ? FreshLane() : Lane()) % 4 * 2;
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int seen = limits.seen[m][h] - first;
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n) {
        if (n * 8 >= seen) scores[m][n][2 * h] = kUnseen;
        if (n * 8 + 1 >= seen) scores[m][n][2 * h + 1] = kUnseen;
      }
    }
  }
}

// Online softmax and P·V of the tile. False: λ skips it. With kMasked, scores may be kUnseen.
template <PV kPV, int kWidth>
template <bool kMasked>
SPARGE_DEVICE bool Attend<kPV, kWidth>::Weigh(ptx::SharedAddress values, float key_scale, float lambda) {
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
  if (lambda < 0 && !ptx::BarrierOr(1 + Group(), kGroupThreads, wanted)) return false;

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
template <PV kPV, int kWidth>
template <bool kMasked>
SPARGE_DEVICE void Attend<kPV, kWidth>::Weights(int m, int n, const float (&factor)[2], float (&w)[4]) const {
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
template <PV kPV, int kWidth>
template <bool kMasked>
SPARGE_DEVICE void Attend<kPV, kWidth>::MultiplyInPlace(ptx::SharedAddress values,
                                                        const float (&factor)[kRowTiles][2]) {
  if constexpr (!Product::kFlush) {
    const int here = FreshLane(), matrix = here / 8, in8 = here % 8;
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
template <PV kPV, int kWidth>
template <bool kMasked>
SPARGE_DEVICE void Attend<kPV, kWidth>::MultiplyFlushed(ptx::SharedAddress values, const float (&factor)[kRowTiles][2],
                                                        const float (&rescale)[kRowTiles][2]) {
  if constexpr (Product::kFlush) {
    constexpr int kColumnsAtOnce = ptx::kCompiledFor == 900 ? 2 : 4;  // sm_90 makes fp16 of E4M3 first
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
    const int here = FreshLane(), matrix = here / 8, in8 = here % 8;
    const ptx::SharedAddress v_row = values + ChunkOffset<64>(matrix / 2 * 8 + in8, matrix % 2);
#pragma unroll
    for (int n = 0; n < kOutTiles; n += 2) {
      // Or the compiler has all of V's tile in registers before the first product.
      if (n > 0 && n % kColumnsAtOnce == 0) ptx::SyncWarp();
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
template <PV kPV, int kWidth>
SPARGE_DEVICE void Attend<kPV, kWidth>::AddTotals(const float (&total)[kRowTiles][4]) {
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) {
    sum[m][0] += total[m][0];
    sum[m][1] += total[m][2];
  }
}

}  // namespace attention::cuda
