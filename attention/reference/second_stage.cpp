#include <algorithm>
#include <cmath>
#include <limits>

#include "attention/reference/numbers.h"
#include "attention/reference/stages.h"

namespace attention::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

double LargestWeight(PV pv) { return pv == PV::kU8S8 ? 255 : pv == PV::kE4M3 ? 448 : 1; }

double RoundWeight(double p, PV pv) {
  switch (pv) {
    case PV::kBFloat16:
      return RoundToBFloat16(p);
    case PV::kFloat16:
      return RoundToFloat16(p);
    case PV::kU8S8:
      return std::nearbyint(255 * p);
    case PV::kE4M3:
      return RoundToE4M3(448 * p);
  }
  return p;
}

// The scores of one row group with one key block; of each row, the first `seen` count.
struct Tile {
  int64_t block = 0;
  double scores[kRowGroup][kKeyBlock] = {};
  int64_t seen[kRowGroup] = {};
};

struct Row {
  double maximum = -kInfinity;  // over the tiles computed, and those waiting to be
  double base = -kInfinity;     // what o and the sum are relative to: the maximum when they were last added to
  double sum = 0;               // of the rounded weights
  bool poisoned = false;        // by its q or by a k that it saw: all of its results are NaN
};

// 64 query rows of one head. Real: what o is summed in.
template <class Real>
class RowGroup {
 public:
  RowGroup(const Call& call, const Arithmetic& arithmetic, const HeadOperands& head, int64_t begin)
      : call_(call),
        arithmetic_(arithmetic),
        head_(head),
        begin_(begin),
        rows_(std::min(kRowGroup, call.shape.query_length - begin)),
        o_(rows_.size() * call.shape.value_dim) {}

  bool Sees(int64_t block) const { return LastSeen() > block * kKeyBlock; }

  // False: λ skips the tile.
  bool Visit(int64_t block) {
    Tile tile = Score(block);
    double tile_maximum[kRowGroup];
    double closest = -kInfinity;  // to the running maximum, of the rows that see the tile
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (tile.seen[r] == 0) continue;
      tile_maximum[r] = *std::max_element(tile.scores[r], tile.scores[r] + tile.seen[r]);
      if (rows_[r].poisoned) tile_maximum[r] = kNaN;
      const double distance = tile_maximum[r] - std::max(rows_[r].maximum, tile_maximum[r]);
      closest = std::isnan(distance) ? kInfinity : std::max(closest, distance);
    }
    if (head_.lambda < 0) {
      margin_ = std::min(margin_, std::abs(closest - head_.lambda));
      if (closest < head_.lambda) return false;
    }
    for (size_t r = 0; r < rows_.size(); ++r) {
      if (tile.seen[r] > 0) rows_[r].maximum = std::max(rows_[r].maximum, tile_maximum[r]);
    }
    waiting_.push_back(std::move(tile));
    if (static_cast<int64_t>(waiting_.size()) == arithmetic_.tile_blocks) AddWaiting();
    return true;
  }

  double margin() const { return margin_; }

  void Finish(int64_t batch, int64_t head) {
    AddWaiting();
    const Shape& shape = call_.shape;
    for (size_t r = 0; r < rows_.size(); ++r) {
      const Row& row = rows_[r];
      const int64_t index = begin_ + static_cast<int64_t>(r);
      if (call_.o.data) {
        const int64_t* stride = call_.o.stride;
        const int64_t start = batch * stride[0] + head * stride[1] + index * stride[2];
        for (int64_t c = 0; c < shape.value_dim; ++c) {
          double o = row.sum > 0 ? o_[r * shape.value_dim + c] * head_.values->scale[c] / row.sum : 0;
          if (row.poisoned) o = kNaN;
          Store(call_.dtype, call_.o.data, start + c * stride[3], o);
        }
      }
      if (call_.lse) {
        double lse = row.sum > 0 ? row.base + std::log(row.sum / LargestWeight()) + SmoothedAway(index) : -kInfinity;
        if (row.poisoned) lse = kNaN;
        call_.lse[(batch * shape.query_heads + head) * shape.query_length + index] = static_cast<float>(lse);
      }
    }
  }

 private:
  bool exact() const { return call_.mode == Mode::kSpargeExact; }
  double LargestWeight() const { return exact() ? 1 : reference::LargestWeight(arithmetic_.pv); }
  int64_t LastSeen() const { return head_.queries->seen[begin_ + static_cast<int64_t>(rows_.size()) - 1]; }

  // scale · q · km: what smoothing took from every score of the row.
  double SmoothedAway(int64_t index) const {
    double dot = 0;
    for (int64_t c = 0; c < call_.shape.head_dim; ++c) {
      dot += static_cast<double>(head_.queries->q[index][c]) * head_.keys->mean[c];
    }
    return call_.scale * dot;
  }

  double Score(int64_t query, int64_t key) const {
    const int64_t width = call_.shape.head_dim;
    if (exact()) {
      const float *q = head_.queries->q[query], *k = head_.keys->k[key], *km = head_.keys->mean.data();
      double dot = 0;
      for (int64_t c = 0; c < width; ++c) dot += q[c] * (static_cast<double>(k[c]) - km[c]);
      return call_.scale * dot;
    }
    const int8_t *q = head_.query8 + query * width, *k = head_.key8 + key * width;
    int32_t dot = 0;
    for (int64_t c = 0; c < width; ++c) dot += q[c] * k[c];
    return dot * (call_.scale * head_.query_scales[query] * head_.key_scales[key / kKeyBlock]);
  }

  // Poisons the rows that see something that is not finite.
  Tile Score(int64_t block) {
    Tile tile;
    tile.block = block;
    const int64_t first = block * kKeyBlock;
    const std::vector<uint8_t>& finite_keys = exact() ? head_.keys->k.finite : head_.keys->smoothed.finite;
    for (size_t r = 0; r < rows_.size(); ++r) {
      const int64_t query = begin_ + static_cast<int64_t>(r);
      tile.seen[r] = std::clamp<int64_t>(head_.queries->seen[query] - first, 0, kKeyBlock);
      if (tile.seen[r] > 0 && !head_.queries->q.finite[query]) rows_[r].poisoned = true;
      for (int64_t t = 0; t < tile.seen[r]; ++t) {
        if (!finite_keys[first + t]) rows_[r].poisoned = true;
        if (!rows_[r].poisoned) tile.scores[r][t] = Score(query, first + t);
      }
    }
    return tile;
  }

  // Adds the tiles that wait to o and the sums: under one maximum, and with one rescaling of what was there.
  void AddWaiting() {
    for (size_t r = 0; r < rows_.size(); ++r) AddRow(static_cast<int64_t>(r));
    waiting_.clear();
  }

  void AddRow(int64_t r) {
    Row& row = rows_[r];
    double local_maximum = -kInfinity;
    for (const Tile& tile : waiting_) {
      for (int64_t t = 0; t < tile.seen[r]; ++t) local_maximum = std::max(local_maximum, tile.scores[r][t]);
    }
    if (row.poisoned || local_maximum == -kInfinity) return;

    const int64_t width = call_.shape.value_dim;
    Real* o = o_.data() + r * width;
    const double rescale = std::exp(row.base - row.maximum);
    for (int64_t c = 0; c < width; ++c) o[c] *= static_cast<Real>(rescale);
    row.sum *= rescale;
    row.base = row.maximum;

    // Eight-bit weights spend their levels on what the tile holds; the others float.
    const bool local = !exact() && arithmetic_.pv == PV::kU8S8;
    const double maximum = local ? local_maximum : row.maximum;
    const double weight = std::exp(maximum - row.maximum);
    double sum = 0;
    std::vector<Real> products(width);
    int64_t keys = 0;
    const auto flush = [&] {
      for (int64_t c = 0; c < width; ++c) o[c] += products[c] * static_cast<Real>(weight);
      std::fill(products.begin(), products.end(), Real(0));
    };
    for (const Tile& tile : waiting_) {
      for (int64_t t = 0; t < kKeyBlock; ++t) {
        if (t < tile.seen[r]) {
          const int64_t key = tile.block * kKeyBlock + t;
          const double exponential = std::exp(tile.scores[r][t] - maximum);
          const double p = exact() ? exponential : RoundWeight(exponential, arithmetic_.pv);
          sum += p;
          AddProducts(static_cast<Real>(p), key, products.data());
        }
        if (++keys % arithmetic_.flush_keys == 0) flush();
      }
    }
    flush();
    row.sum += sum * weight;
  }

  void AddProducts(Real p, int64_t key, Real* products) const {
    const Rows& values = head_.values->values;
    const float* v = values[key];
    for (int64_t c = 0; c < values.width; ++c) {
      // A value that is not finite shows, however small its weight.
      products[c] += values.finite[key] || std::isfinite(v[c]) ? p * v[c] : v[c];
    }
  }

  const Call& call_;
  const Arithmetic& arithmetic_;
  const HeadOperands& head_;
  const int64_t begin_;  // its first query row
  std::vector<Row> rows_;
  std::vector<Real> o_;        // [rows, value_dim]
  std::vector<Tile> waiting_;  // at most tile_blocks
  double margin_ = kInfinity;  // of the closest λ vote
};

template <class Real>
double Attend(const Call& call, const Arithmetic& arithmetic, const HeadOperands& operands, int64_t batch, int64_t head,
              HeadCounts& counts) {
  const int64_t nk = call.shape.key_blocks();
  double margin = kInfinity;
  for (int64_t begin = 0; begin < call.shape.query_length; begin += kRowGroup) {
    RowGroup<Real> group(call, arithmetic, operands, begin);
    const uint8_t* kept = operands.map + begin / kQueryBlock * nk;
    for (int64_t j = 0; j < nk; ++j) {
      if (!kept[j] || !group.Sees(j)) continue;
      ++counts.pv_tiles;
      if (!group.Visit(j)) ++counts.pv_skipped;
    }
    group.Finish(batch, head);
    margin = std::min(margin, group.margin());
  }
  return margin;
}

}  // namespace

float QuantizeRows(const Rows& rows, int64_t begin, int64_t end, int8_t* out) {
  float largest = 0;
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t c = 0; c < rows.width && rows.finite[row]; ++c) largest = std::max(largest, std::abs(rows[row][c]));
  }
  const float scale = largest / 127;
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t c = 0; c < rows.width; ++c) {
      const float level = scale > 0 && rows.finite[row] ? std::nearbyint(rows[row][c] / scale) : 0;
      out[row * rows.width + c] = static_cast<int8_t>(std::clamp(level, -127.f, 127.f));
    }
  }
  return scale;
}

RoundedValues RoundValues(const Rows& v, int64_t visible, PV pv) {
  RoundedValues rounded{v, std::vector<double>(v.width, 1)};
  const bool scaled = pv == PV::kU8S8 || pv == PV::kE4M3;
  for (int64_t c = 0; c < v.width; ++c) {
    float largest = 0;
    for (int64_t row = 0; row < visible; ++row) {
      if (v.finite[row]) largest = std::max(largest, std::abs(v[row][c]));
    }
    const float scale = largest / (pv == PV::kU8S8 ? 127 : 448);
    if (scaled) rounded.scale[c] = scale;
    for (int64_t row = 0; row < visible; ++row) {
      float& x = rounded.values[row][c];
      if (!std::isfinite(x)) continue;
      if (pv == PV::kBFloat16) x = static_cast<float>(RoundToBFloat16(x));
      if (pv == PV::kFloat16) x = static_cast<float>(RoundToFloat16(x));
      if (pv == PV::kU8S8) x = scale > 0 ? std::clamp(std::nearbyint(x / scale), -127.f, 127.f) : 0;
      if (pv == PV::kE4M3) x = scale > 0 ? static_cast<float>(RoundToE4M3(x / scale)) : 0;
    }
  }
  return rounded;
}

double AttendHead(const Call& call, const Arithmetic& arithmetic, const HeadOperands& operands, int64_t batch,
                  int64_t head, HeadCounts& counts) {
  return call.mode == Mode::kSpargeExact ? Attend<double>(call, arithmetic, operands, batch, head, counts)
                                         : Attend<float>(call, arithmetic, operands, batch, head, counts);
}

}  // namespace attention::reference
