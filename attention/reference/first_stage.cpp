#include <algorithm>
#include <cmath>
#include <numeric>

#include "attention/reference/numbers.h"
#include "attention/reference/stages.h"

namespace attention::reference {
namespace {

void LoadRow(const Call& call, const TensorView& view, int64_t batch, int64_t head, int64_t row, Rows& rows) {
  const int64_t start = batch * view.stride[0] + head * view.stride[1] + row * view.stride[2];
  bool finite = true;
  for (int64_t c = 0; c < rows.width; ++c) {
    const float x = Load(call.dtype, view.data, start + c * view.stride[3]);
    rows[row][c] = x;
    finite = finite && std::isfinite(x);
  }
  rows.finite[row] = finite;
}

Rows MakeRows(int64_t count, int64_t width) {
  return {count, width, std::vector<float>(count * width), std::vector<uint8_t>(count, 1)};
}

// Per channel over the finite rows of [0, visible): in double, block by block.
std::vector<float> MeanKey(const Rows& k, int64_t visible) {
  std::vector<double> total(k.width);
  int64_t count = 0;
  for (int64_t begin = 0; begin < visible; begin += kKeyBlock) {
    std::vector<double> sum(k.width);
    for (int64_t row = begin; row < std::min(begin + kKeyBlock, visible); ++row) {
      if (!k.finite[row]) continue;
      ++count;
      for (int64_t c = 0; c < k.width; ++c) sum[c] += k[row][c];
    }
    for (int64_t c = 0; c < k.width; ++c) total[c] += sum[c];
  }
  std::vector<float> mean(k.width);
  for (int64_t c = 0; c < k.width && count > 0; ++c) mean[c] = static_cast<float>(total[c] / count);
  return mean;
}

// Adds x / ‖x‖ to `sum`. Divides by the largest element first, so that no square underflows.
void AddUnitVector(const float* x, int64_t width, std::vector<double>& sum) {
  double largest = 0, squares = 0;
  for (int64_t c = 0; c < width; ++c) largest = std::max(largest, std::abs(static_cast<double>(x[c])));
  if (largest == 0) return;
  for (int64_t c = 0; c < width; ++c) squares += x[c] / largest * (x[c] / largest);
  for (int64_t c = 0; c < width; ++c) sum[c] += x[c] / largest / std::sqrt(squares);
}

// The candidates that topk and cdf choose, of `ranked` by falling score.
int64_t CountChosen(const HeadParameters& head, const std::vector<int64_t>& ranked, const float* scores) {
  const auto n = static_cast<int64_t>(ranked.size());
  if (n == 0 || (std::isnan(head.topk) && std::isnan(head.cdf))) return n;
  int64_t chosen = 1;
  if (!std::isnan(head.topk)) {
    chosen = std::max(chosen, static_cast<int64_t>(std::ceil(static_cast<double>(head.topk) * n - 1e-4)));
  }
  if (head.cdf == 1) return n;
  if (!std::isnan(head.cdf)) {
    const double largest = scores[ranked[0]];
    double total = 0, cumulative = 0;
    for (const int64_t j : ranked) total += std::exp(scores[j] - largest);
    for (int64_t rank = 0; rank < n; ++rank) {
      cumulative += std::exp(scores[ranked[rank]] - largest) / total;
      if (!(cumulative <= static_cast<double>(head.cdf) + 1e-5)) break;
      chosen = std::max(chosen, rank + 1);
    }
  }
  return std::min(chosen, n);
}

void SelectByScore(const Call& call, const HeadParameters& head, const BlockStats& query_stats,
                   const BlockStats& key_stats, int64_t i, const std::vector<uint8_t>& fixed_key,
                   const uint8_t* visible, float* scores, uint8_t* map) {
  const int64_t width = call.shape.head_dim, nk = call.shape.key_blocks();
  std::vector<int64_t> candidates;
  for (int64_t j = 0; j < nk; ++j) {
    double dot = 0;
    for (int64_t c = 0; c < width; ++c) {
      dot += static_cast<double>(query_stats.means[i * width + c]) * key_stats.means[j * width + c];
    }
    scores[j] = static_cast<float>(call.scale * dot);
    if (visible[j] && !fixed_key[j]) candidates.push_back(j);
  }
  std::stable_sort(candidates.begin(), candidates.end(), [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  const int64_t chosen = CountChosen(head, candidates, scores);
  for (int64_t rank = 0; rank < chosen; ++rank) map[candidates[rank]] = 1;
}

void SelectByWindow(const Call& call, int64_t i, uint8_t* map) {
  const Shape& shape = call.shape;
  const int64_t begin = i * kQueryBlock, end = std::min(begin + kQueryBlock, shape.query_length);
  const int64_t middle = begin + (end - begin - 1) / 2;
  const int64_t position = call.causal ? std::max<int64_t>(0, middle + shape.key_length - shape.query_length)
                                       : middle * shape.key_length / shape.query_length;
  for (int64_t j = 0; j < shape.key_blocks(); ++j) map[j] |= std::abs(j - position / kKeyBlock) <= call.window;
}

bool Touches(const TokenRange& range, int64_t index, int64_t block) {
  return range.begin < (index + 1) * block && index * block < range.end;
}

}  // namespace

KeyHead LoadKeyHead(const Call& call, int64_t batch, int64_t head) {
  const Shape& shape = call.shape;
  KeyHead keys;
  keys.visible = call.key_lengths ? call.key_lengths[batch] : shape.key_length;
  keys.k = MakeRows(shape.key_length, shape.head_dim);
  keys.v = MakeRows(shape.key_length, shape.value_dim);
  for (int64_t row = 0; row < keys.visible; ++row) {
    LoadRow(call, call.k, batch, head, row, keys.k);
    LoadRow(call, call.v, batch, head, row, keys.v);
  }
  keys.mean = MeanKey(keys.k, keys.visible);
  keys.smoothed = keys.k;
  for (int64_t row = 0; row < keys.visible; ++row) {
    for (int64_t c = 0; c < shape.head_dim; ++c) {
      keys.smoothed[row][c] -= keys.mean[c];
      keys.smoothed.finite[row] &= std::isfinite(keys.smoothed[row][c]);
    }
  }
  return keys;
}

QueryHead LoadQueryHead(const Call& call, int64_t batch, int64_t head, int64_t visible_keys) {
  const Shape& shape = call.shape;
  QueryHead queries{MakeRows(shape.query_length, shape.head_dim), std::vector<int64_t>(shape.query_length)};
  for (int64_t row = 0; row < shape.query_length; ++row) {
    const int64_t causal = std::max<int64_t>(0, row + shape.key_length - shape.query_length + 1);
    queries.seen[row] = call.causal ? std::min(visible_keys, causal) : visible_keys;
    if (queries.seen[row] > 0) LoadRow(call, call.q, batch, head, row, queries.q);
  }
  return queries;
}

BlockStats MeasureBlocks(const Rows& rows, int64_t block, int64_t begin, int64_t end) {
  const int64_t blocks = (rows.count + block - 1) / block, width = rows.width;
  BlockStats stats{std::vector<float>(blocks * width), std::vector<float>(blocks), std::vector<uint8_t>(blocks)};
  for (int64_t i = 0; i < blocks; ++i) {
    std::vector<double> sum(width), unit_sum(width);
    int64_t count = 0;
    for (int64_t row = std::max(begin, i * block); row < std::min(end, (i + 1) * block); ++row) {
      if (!rows.finite[row]) {
        stats.non_finite[i] = 1;
        continue;
      }
      ++count;
      for (int64_t c = 0; c < width; ++c) sum[c] += rows[row][c];
      AddUnitVector(rows[row], width, unit_sum);
    }
    if (count == 0) continue;
    double sim = 0;
    for (int64_t c = 0; c < width; ++c) {
      stats.means[i * width + c] = static_cast<float>(sum[c] / count);
      sim += unit_sum[c] / count * (unit_sum[c] / count);
    }
    stats.sims[i] = static_cast<float>(sim);
  }
  return stats;
}

std::vector<uint8_t> VisibleBlocks(const Call& call, const QueryHead& queries) {
  const int64_t nq = call.shape.query_blocks(), nk = call.shape.key_blocks();
  std::vector<uint8_t> visible(nq * nk);
  for (int64_t i = 0; i < nq; ++i) {
    // A later row sees at least what an earlier one sees.
    const int64_t seen = queries.seen[std::min((i + 1) * kQueryBlock, call.shape.query_length) - 1];
    for (int64_t j = 0; j * kKeyBlock < seen; ++j) visible[i * nk + j] = 1;
  }
  return visible;
}

std::vector<uint8_t> ChooseBlocks(const Call& call, const HeadParameters& head, const QueryHead& queries,
                                  const BlockStats& query_stats, const BlockStats& key_stats, float* scores) {
  const int64_t nq = call.shape.query_blocks(), nk = call.shape.key_blocks();
  const bool by_score = call.selector == "spargeattn";
  const auto fixed = [&](const BlockStats& stats, int64_t block) {
    return stats.non_finite[block] || (by_score && stats.sims[block] < head.theta);
  };
  std::vector<uint8_t> fixed_key(nk);
  for (int64_t j = 0; j < nk; ++j) fixed_key[j] = fixed(key_stats, j);

  const std::vector<uint8_t> visible = VisibleBlocks(call, queries);
  std::vector<uint8_t> map(nq * nk);
  std::vector<float> score_row(nk);
  for (int64_t i = 0; i < nq; ++i) {
    uint8_t* row = map.data() + i * nk;
    if (by_score) {
      SelectByScore(call, head, query_stats, key_stats, i, fixed_key, visible.data() + i * nk, score_row.data(), row);
      if (scores) std::copy(score_row.begin(), score_row.end(), scores + i * nk);
    } else {
      SelectByWindow(call, i, row);
    }
    const bool whole_row = fixed(query_stats, i) || Touches(call.keep_queries, i, kQueryBlock);
    for (int64_t j = 0; j < nk; ++j) {
      row[j] |= whole_row || fixed_key[j] || Touches(call.keep_keys, j, kKeyBlock) || (call.sink && j == 0);
    }
    if (call.causal) {
      for (int64_t r = i * kQueryBlock; r < std::min((i + 1) * kQueryBlock, call.shape.query_length); ++r) {
        if (queries.seen[r] > 0) row[(queries.seen[r] - 1) / kKeyBlock] = 1;
      }
    }
    for (int64_t j = 0; j < nk; ++j) row[j] &= visible[i * nk + j];
  }
  return map;
}

}  // namespace attention::reference
