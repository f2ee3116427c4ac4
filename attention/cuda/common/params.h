#pragma once

#include <cstdint>

#include "attention/call.h"

// What the kernels are given: plain structs, no CUDA. Every pointer is device memory. "Padded" channels: head_dim and
// value_dim rounded up together to `width`, 64, 128 or 256, with zeros.
namespace attention::cuda {

// How P·V is computed, and so how V is stored.
enum class PV : int { kFloat16, kE4M3, kBFloat16 };

// What all kernels know of the call. Lengths fit 32 bits (PlanLaunches refuses others).
struct Geometry {
  int batch, query_heads, key_heads, query_length, key_length, head_dim, value_dim;
  int query_blocks, key_blocks;
  int width;                   // padded channels
  int causal;                  // query i sees key j iff j ≤ i + key_length − query_length
  const int64_t* key_lengths;  // [batch] or null
};

struct Input {
  const void* data;
  int64_t stride[4];  // in elements
  DType dtype;
  int vectors;  // rows may be read 16 bytes at a time: channels are adjacent, rows aligned, their count a multiple of 8
};

// Rows of keys that one block of the first pass takes.
inline constexpr int kChunkRows = 256;

// Pass 1. Grid (chunks, batch · key_heads).
struct SumKeysParams {
  Geometry geometry;
  Input k, v;
  int chunks;
  int want_maxima;       // of v
  double* key_sums;      // [batch · key_heads, chunks, width]: of the finite visible rows
  int32_t* key_counts;   // [batch · key_heads, chunks]: how many those are
  float* value_maxima;   // [batch · key_heads, chunks, width]
};

// Grid (batch · key_heads, width / 32).
struct FinishKeysParams {
  Geometry geometry;
  PV pv;
  int chunks, want_maxima;
  const double* key_sums;
  const int32_t* key_counts;
  const float* value_maxima;
  float* key_mean;     // [batch · key_heads, width]
  float* value_scale;  // [batch · key_heads, width]: v = stored value · scale
  HeadCounts* counts;  // [batch · query_heads] or null: set to zero
};

// Pass 2. Grid (query_tasks + key_tasks + value_tasks), a task a block of one head, in this order.
struct QuantizeParams {
  Geometry geometry;
  Input q, k, v;
  PV pv;
  int64_t query_tasks, key_tasks, value_tasks;
  int want_levels;   // INT8 of q and k
  int want_digests;  // means and similarities
  double scale;
  const float* key_mean;
  const float* value_scale;
  uint8_t* query8;     // [batch · query_heads, query_blocks] tiles of 128 × width int8 (common/layout.cuh)
  float* row_scale;    // [batch · query_heads, query_blocks · 128]: |scale| · log2(e) · the row's scale; NaN: poisoned
  float* query_km;     // the same: q · km (of −q where scale is negative)
  float* query_means;  // [batch · query_heads, query_blocks, width], of −q where scale is negative
  float* query_sims;   // [batch · query_heads, query_blocks]; −1: a row is not finite
  uint8_t* key8;       // [batch · key_heads, key_blocks] tiles of 64 × width int8
  float* key_scale;    // [batch · key_heads, key_blocks]; the sign bit set: a key is not finite
  uint8_t* first_bad;  // [batch · key_heads, key_blocks]: the first such key; 64: none
  float* key_means;    // [batch · key_heads, key_blocks, width]
  float* key_sims;     // [batch · key_heads, key_blocks]; −1: a key is not finite
  uint8_t* values;     // [batch · key_heads, key_blocks] tiles of v (common/layout.cuh), zeros for what is not finite
  int32_t* bad_value;  // [batch · key_heads, key_blocks]: the first key whose v is not finite; 64: none
};

// Grid (score tiles, batch · query_heads).
struct ScoreParams {
  Geometry geometry;
  double scale;  // not negative
  const float *query_means, *key_means;
  float* scores;  // [batch · query_heads, query_blocks, key_blocks]
};

enum class Selection : int { kAll, kGiven, kSpargeAttn, kSlidingWindow };

// Grid (rows of the map / kSelectRows).
struct SelectParams {
  Geometry geometry;
  Selection selection;
  int window, sink;
  int keep_keys[2], keep_queries[2];
  const HeadParameters* heads;  // [query_heads] or null
  const float *query_sims, *key_sims, *scores;
  const uint8_t* block_map;  // the caller's
  uint16_t* list;            // [rows, key_blocks]: kept key blocks, ascending
  int32_t* list_count;       // [rows]
  uint8_t* block_map_used;   // [rows, key_blocks] or null
  HeadCounts* counts;        // or null
};
inline constexpr int kSelectRows = 4;

// Grid (batch · query_heads).
struct OrderParams {
  Geometry geometry;
  const int32_t* list_count;
  int32_t* order;  // [batch · query_heads, query_blocks]: query blocks, those with the longest lists first
};

struct Output {
  void* data;
  int64_t stride[4];
  DType dtype;
  int vectors;  // as of Input
};

// Grid (batch · query_heads · query_blocks), in the order of OrderParams.
struct AttendParams {
  Geometry geometry;
  const uint8_t* query8;
  const float *row_scale, *query_km;
  const uint8_t* key8;
  const float* key_scale;
  const uint8_t *first_bad, *values;
  const int32_t* bad_value;
  const float* value_scale;
  const uint16_t* list;
  const int32_t *list_count, *order;
  const HeadParameters* heads;
  int skipping;  // λ counts
  int stages;    // tiles in shared memory, 1 or more
  double scale;  // of the call
  Output o;
  float* lse;          // or null
  HeadCounts* counts;  // or null
};

// Grid (batch · query_heads · query_blocks · 2), a block a row group.
struct ExactParams {
  Geometry geometry;
  Input q, k, v;
  double scale;
  const float *row_scale, *query_km;  // row_scale: NaN where the row is not finite
  const float* key_mean;
  const uint8_t* first_bad;
  const uint16_t* list;
  const int32_t *list_count, *order;
  const HeadParameters* heads;
  int skipping;
  Output o;
  float* lse;
  HeadCounts* counts;
};

}  // namespace attention::cuda
