#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attention/call.h"
#include "attention/visibility.h"

namespace attention {

// What the first stage knows of a block: the mean of its rows and the mean cosine between them, in [0, 1].
struct KeyDigests {
  int64_t num_blocks = 0, head_dim = 0;
  const float* means = nullptr;          // [head_dim][num_blocks], of the smoothed keys
  const float* sims = nullptr;           // [num_blocks]
  const uint64_t* non_finite = nullptr;  // [num_blocks]: rows with a NaN or infinity, a bit each
};
struct QueryDigest {
  const float* mean = nullptr;  // [head_dim]
  float sim = 0;
  bool non_finite = false;
};

// Memory that a thread keeps from row to row.
struct SelectionScratch {
  std::vector<double> weights;
  std::vector<float> scores;
  std::vector<int32_t> order;
};

// scores[j] = scale · Σ_c mean[c] · means[c][j] in double, means [width][stride], j < count.
using ScoreFunction = void (*)(const float* mean, const float* means, int64_t width, int64_t stride, int64_t count,
                               double scale, float* scores);

struct SelectionInput {
  const Call& call;
  const HeadParameters& head;
  const Visibility& visibility;
  double scale;  // of the scores; not negative, its sign is in the query's mean
  int64_t query_block;
  int64_t num_visible;  // key blocks [0, num_visible) are candidates
  const KeyDigests& keys;
  const QueryDigest& query;
  ScoreFunction score_blocks;
  SelectionScratch& scratch;
};

// Chooses key blocks for one row of the map: sets kept[j], j < num_visible, which come in as 0. What is kept in any
// case (sink, keep ranges, the causal diagonal, blocks with non-finite values) is added by SelectRow.
using SelectFunction = void (*)(const SelectionInput& input, uint8_t* kept);

struct Selector {
  const char* name;
  bool needs_digests;  // means and similarities
  SelectFunction select;
};

const std::vector<Selector>& Selectors();
const Selector* FindSelector(const std::string& name);  // null: not there

void SelectSpargeAttn(const SelectionInput& input, uint8_t* kept);
void SelectSlidingWindow(const SelectionInput& input, uint8_t* kept);

// The row of the block map, [call.shape.key_blocks()], 0 or 1: docs/attention_spec.md, "First stage". `caller_row`,
// where not null, is the caller's map for it. Returns how many are kept.
int64_t SelectRow(const SelectionInput& input, const Selector* selector, const uint8_t* caller_row, uint8_t* kept);

}  // namespace attention
