#pragma once

#include <cstdint>
#include <vector>

#include "attention/call.h"
#include "attention/reference/reference.h"

// The parts of the reference, one batch entry and head at a time. Every array is row-major.
namespace attention::reference {

// A matrix of the call as float32, which holds every input format exactly.
struct Rows {
  int64_t count = 0, width = 0;
  std::vector<float> values;    // [count, width]
  std::vector<uint8_t> finite;  // [count]: no NaN and no infinity in the row
  const float* operator[](int64_t row) const { return values.data() + row * width; }
  float* operator[](int64_t row) { return values.data() + row * width; }
};

// The rows of one key head; those at or past `visible` are left zero, whatever the caller's memory holds.
struct KeyHead {
  int64_t visible = 0;      // keys within the length
  Rows k, smoothed, v;      // k; k' = k − km, where what float32 cannot hold is not finite either; v
  std::vector<float> mean;  // km
};

// The rows of one query head; those that see no key are left zero.
struct QueryHead {
  Rows q;
  std::vector<int64_t> seen;  // [query_length]: the row sees the keys [0, seen)
};

KeyHead LoadKeyHead(const Call& call, int64_t batch, int64_t head);
QueryHead LoadQueryHead(const Call& call, int64_t batch, int64_t head, int64_t visible_keys);

// What is known of each block of `block` rows, from its rows in [begin, end) that are finite.
struct BlockStats {
  std::vector<float> means, sims;   // [blocks, width], [blocks]
  std::vector<uint8_t> non_finite;  // [blocks]: a row of [begin, end) in it is not finite
};
BlockStats MeasureBlocks(const Rows& rows, int64_t block, int64_t begin, int64_t end);

// First stage: map[query block, key block], 1 where visible and kept. `scores` (may be null) gets score[i, j].
std::vector<uint8_t> VisibleBlocks(const Call& call, const QueryHead& queries);
std::vector<uint8_t> ChooseBlocks(const Call& call, const HeadParameters& head, const QueryHead& queries,
                                  const BlockStats& query_stats, const BlockStats& key_stats, float* scores);

// INT8 of rows [begin, end), which share one scale; a row that is not finite gives zeros.
float QuantizeRows(const Rows& rows, int64_t begin, int64_t end, int8_t* out);

// v as the product P·V takes it: v ≈ values · scale of the channel; a non-finite v stays as it is.
struct RoundedValues {
  Rows values;
  std::vector<double> scale;  // [value_dim]
};
RoundedValues RoundValues(const Rows& v, int64_t visible, PV pv);

// One head's operands of the second stage.
struct HeadOperands {
  const QueryHead* queries = nullptr;
  const KeyHead* keys = nullptr;
  const RoundedValues* values = nullptr;
  const uint8_t* map = nullptr;  // [query blocks, key blocks], 1 only where visible
  float lambda = 0;
  // 8-bit modes; null in sparge_exact.
  const int8_t *query8 = nullptr, *key8 = nullptr;
  const float *query_scales = nullptr, *key_scales = nullptr;
};

// Second stage: fills o and lse of the head, and its pv counts. Returns how far the closest λ vote was from turning out
// otherwise (infinity where none was held).
double AttendHead(const Call& call, const Arithmetic& arithmetic, const HeadOperands& operands, int64_t batch,
                  int64_t head, HeadCounts& counts);

}  // namespace attention::reference
