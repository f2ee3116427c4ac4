#pragma once

#include <cstddef>
#include <cstdint>

#include "attention/call.h"
#include "attention/cpu/kernels.h"

// What one instruction set gives to the driver (cpu/run.cpp): functions over one block of rows or one group of 64
// queries, with packed operands in between. Nothing here allocates, throws or keeps state.
namespace attention::cpu {

// `count` rows of `width` channels in the caller's memory. Strides count elements.
struct Rows {
  const void* data;
  DType dtype;
  int64_t row_stride, channel_stride;
  int64_t count, width;
};

// Bit r of a mask of rows is row r.
using RowMask = uint64_t;

// How a kernel's products are rounded (attention/README.md).
enum class Arithmetic { kU8S8, kBFloat16, kFloat32 };

// What is left of a block of query or key rows when its values are packed.
struct BlockDigest {
  float* mean;  // [width]: of the finite rows
  float sim;    // squared norm of the mean of their unit vectors
};

struct QueryRows {
  int32_t* packed;      // [rows][dwords]: int8, int16 or float32
  int64_t dwords;       // of a row
  int32_t* start;       // [rows]: what the integer products of the row begin with (the keys' offset undone)
  float* scale;         // [rows]: 1 in float32 arithmetic
  float* km_dot;        // [rows]: q · km
  RowMask* non_finite;  // [rows/64]
};

// The packed keys and values of one batch entry and key head.
struct PackedKeys {
  std::byte* blocks;    // key_block_bytes apart
  float* scale;         // [blocks]: 1 in float32 arithmetic
  RowMask* non_finite;  // [blocks]
};
struct PackedValues {
  std::byte* blocks;    // value_block_bytes apart; zeros for non-finite values
  float* poison;        // [blocks][padded value_dim]: the sum of the block's non-finite values, where it has any
  RowMask* non_finite;  // [blocks]
};

// 64 query rows and the key blocks they attend to.
struct Group {
  const int32_t* q;  // [rows][dwords]
  int64_t dwords, rows;
  const int32_t* start;
  const float* row_scale;  // [64]: |scale| · log2(e) · the row's quantisation scale
  RowMask non_finite;
  const int64_t* visible;  // [64]: row r sees keys [0, visible[r])
  const PackedKeys* keys;
  const PackedValues* values;
  const int32_t* blocks;  // ascending; each has a key that some row sees
  int64_t num_blocks;
  int64_t head_dim, padded_value_dim;
  float lambda;  // log2 units; 0: off
  std::byte* scratch;

  float* out;        // [64][padded_value_dim]: Σ P v, in units of the row's maximum, channel scale left out
  float* max;        // [64]: log2 units
  float* sum;        // [64]: Σ P, in the same units as out
  RowMask nan_rows;  // rows that are NaN
  int64_t skipped;   // tiles
};

struct Kernel {
  const char* name;
  const char* needs;  // for a person: the instructions; null: none
  bool (*runs_on)(const CPUFeatures&);
  Arithmetic arithmetic;
  int64_t lanes;  // value_dim is padded to a multiple of it
  int64_t (*query_dwords)(int64_t head_dim);
  int64_t (*key_block_bytes)(int64_t head_dim);
  int64_t (*value_block_bytes)(int64_t padded_value_dim);
  int64_t group_scratch_bytes;

  // Scratch of these five: [128][width padded to 16], of the larger width.

  // The sums [width padded to 16] of the finite rows, one after the other, and which rows are not finite.
  RowMask (*sum_rows)(const Rows& rows, double* sums, float* scratch);
  // Raises `maxima` [width padded to 16] to the largest magnitudes of the finite rows.
  void (*max_rows)(const Rows& rows, float* maxima, float* scratch);
  // Smooths, quantises and packs a block of at most 64 keys; null digest: no first stage. `mean`: padded to 16.
  void (*pack_keys)(const Rows& rows, const float* mean, RowMask non_finite, std::byte* packed, float* scale,
                    BlockDigest* digest, float* scratch);
  // Returns the rows with non-finite values; `poison` is written only where there are any.
  RowMask (*pack_values)(const Rows& rows, int64_t padded_width, const float* channel_scale, std::byte* packed,
                         float* poison, float* scratch);
  // At most 128 query rows, negated if so told; the digest takes those from `first_seeing` on.
  void (*pack_queries)(const Rows& rows, bool negate, const float* key_mean, int64_t first_seeing, const QueryRows& out,
                       BlockDigest* digest, float* scratch);
  void (*attend)(Group& group);
  // INT32 (or float32) scores of the group's rows with one key block: [rows][64]. For tests.
  void (*scores)(const Group& group, int64_t block, int32_t* out);
  // `out` times factors, rounded to the dtype; overwrites `out`.
  void (*write_rows)(float* out, const float* factor, const float* channel_scale, int64_t padded_width, int64_t count,
                     int64_t width, DType dtype, void* data, int64_t row_stride, int64_t channel_stride);
  // scores[j] = scale · Σ_c mean[c] · means[c][j], means [width][stride], j < count.
  void (*score_blocks)(const float* mean, const float* means, int64_t width, int64_t stride, int64_t count,
                       double scale, float* scores);
  double (*peak_qk)(), (*peak_pv)();  // operations per call of a loop in registers, for MeasureCeiling
};

}  // namespace attention::cpu
