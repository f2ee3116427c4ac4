#include <algorithm>
#include <cmath>

#include "attention/block_map/selector.h"

namespace attention {
namespace {

// How many of the ranked candidates have a cumulative probability of at most `cdf`; at least one.
size_t PrefixOfMass(const std::vector<int32_t>& order, const std::vector<float>& scores, float cdf,
                    std::vector<double>& weights) {
  constexpr double kSlack = 1e-5;
  if (cdf == 1.f) return order.size();
  const double top = scores[static_cast<size_t>(order[0])];
  weights.resize(order.size());
  double total = 0;
  for (size_t n = 0; n < order.size(); ++n) {
    weights[n] = std::exp(static_cast<double>(scores[static_cast<size_t>(order[n])]) - top);
    total += weights[n];
  }
  double mass = 0;
  size_t n = 0;
  for (; n < order.size(); ++n) {
    mass += weights[n];
    if (mass / total > static_cast<double>(cdf) + kSlack) break;
  }
  return std::max<size_t>(n, 1);
}

size_t CountOfShare(float topk, size_t candidates) {
  const double share = static_cast<double>(topk) * static_cast<double>(candidates);
  return std::clamp<size_t>(static_cast<size_t>(std::max(0.0, std::ceil(share - 1e-4))), 1, candidates);
}

}  // namespace

// SpargeAttn (arXiv 2502.18137), §3.3: blocks whose rows are alike are judged by their means, the others are fixed:
// kept.
void SelectSpargeAttn(const SelectionInput& in, uint8_t* kept) {
  const auto fixed = [&](float sim, bool non_finite) { return non_finite || sim < in.head.theta; };
  if (fixed(in.query.sim, in.query.non_finite)) {
    std::fill(kept, kept + in.num_visible, uint8_t{1});
    return;
  }
  std::vector<int32_t>& order = in.scratch.order;
  order.clear();
  for (int64_t j = 0; j < in.num_visible; ++j) {
    if (fixed(in.keys.sims[j], in.keys.non_finite[j] != 0)) {
      kept[j] = 1;
    } else {
      order.push_back(static_cast<int32_t>(j));
    }
  }
  if (order.empty()) return;

  const bool by_count = !std::isnan(in.head.topk), by_mass = !std::isnan(in.head.cdf);
  size_t chosen = order.size();
  if (by_count || by_mass) {
    std::vector<float>& scores = in.scratch.scores;
    scores.resize(static_cast<size_t>(in.num_visible));
    in.score_blocks(in.query.mean, in.keys.means, in.keys.head_dim, in.keys.num_blocks, in.num_visible, in.scale,
                    scores.data());
    const auto better = [&](int32_t a, int32_t b) {
      const float score_a = scores[static_cast<size_t>(a)], score_b = scores[static_cast<size_t>(b)];
      return score_a > score_b || (score_a == score_b && a < b);
    };
    chosen = by_count ? CountOfShare(in.head.topk, order.size()) : 0;
    if (by_mass) {
      std::sort(order.begin(), order.end(), better);
      chosen = std::max(chosen, PrefixOfMass(order, scores, in.head.cdf, in.scratch.weights));
    } else if (chosen < order.size()) {
      std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(chosen), order.end(), better);
    }
  }
  for (size_t n = 0; n < chosen; ++n) kept[order[n]] = 1;
}

}  // namespace attention
