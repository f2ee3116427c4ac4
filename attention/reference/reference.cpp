#include "attention/reference/reference.h"

#include <algorithm>
#include <numeric>

#include "attention/reference/stages.h"

namespace attention::reference {
namespace {

template <class T>
void Put(std::vector<T>& all, const std::vector<T>& part, int64_t index) {
  std::copy(part.begin(), part.end(), all.begin() + index * static_cast<int64_t>(part.size()));
}

void Resize(const Shape& shape, Trace& trace) {
  const int64_t queries = shape.batch * shape.query_heads, keys = shape.batch * shape.key_heads;
  const int64_t nq = shape.query_blocks(), nk = shape.key_blocks();
  trace.key_mean.assign(keys * shape.head_dim, 0);
  trace.query_means.assign(queries * nq * shape.head_dim, 0);
  trace.key_means.assign(keys * nk * shape.head_dim, 0);
  trace.query_sims.assign(queries * nq, 0);
  trace.key_sims.assign(keys * nk, 0);
  trace.scores.assign(queries * nq * nk, 0);
  trace.query8.assign(queries * shape.query_length * shape.head_dim, 0);
  trace.key8.assign(keys * shape.key_length * shape.head_dim, 0);
  trace.query_scales.assign(queries * shape.query_length, 0);
  trace.key_scales.assign(keys * nk, 0);
  trace.lambda_margins.assign(queries, 0);
}

// One batch entry: its key heads, each with the query heads that read it.
class Entry {
 public:
  Entry(const Call& call, const Arithmetic& arithmetic, Trace& trace, int64_t batch)
      : call_(call), arithmetic_(arithmetic), trace_(trace), batch_(batch) {}

  void Run() {
    const Shape& shape = call_.shape;
    for (int64_t key_head = 0; key_head < shape.key_heads; ++key_head) {
      LoadKeys(key_head);
      const int64_t group = shape.query_heads / shape.key_heads;
      for (int64_t head = key_head * group; head < (key_head + 1) * group; ++head) RunHead(head);
    }
  }

 private:
  bool eight_bit() const { return call_.mode != Mode::kSpargeExact; }
  bool predicts() const { return call_.mode != Mode::kDense8 && !call_.block_map; }

  void LoadKeys(int64_t head) {
    const Shape& shape = call_.shape;
    const int64_t index = batch_ * shape.key_heads + head;
    keys_ = LoadKeyHead(call_, batch_, head);
    Put(trace_.key_mean, keys_.mean, index);
    if (predicts()) {
      key_stats_ = MeasureBlocks(keys_.smoothed, kKeyBlock, 0, keys_.visible);
      Put(trace_.key_means, key_stats_.means, index);
      Put(trace_.key_sims, key_stats_.sims, index);
    }
    values_ = {keys_.v, std::vector<double>(shape.value_dim, 1)};
    if (!eight_bit()) return;
    values_ = RoundValues(keys_.v, keys_.visible, arithmetic_.pv);
    key8_.assign(shape.key_length * shape.head_dim, 0);
    key_scales_.assign(shape.key_blocks(), 0);
    for (int64_t j = 0; j < shape.key_blocks(); ++j) {
      const int64_t begin = std::min(j * kKeyBlock, keys_.visible), end = std::min(begin + kKeyBlock, keys_.visible);
      key_scales_[j] = QuantizeRows(keys_.smoothed, begin, end, key8_.data());
    }
    Put(trace_.key8, key8_, index);
    Put(trace_.key_scales, key_scales_, index);
  }

  // The first stage, or what stands in for it.
  std::vector<uint8_t> Map(const QueryHead& queries, const HeadParameters& parameters, int64_t index) {
    const Shape& shape = call_.shape;
    const int64_t blocks = shape.query_blocks() * shape.key_blocks();
    std::vector<uint8_t> map = VisibleBlocks(call_, queries);
    if (call_.mode == Mode::kDense8) return map;
    if (call_.block_map) {
      for (int64_t b = 0; b < blocks; ++b) map[b] &= call_.block_map[index * blocks + b] != 0;
      return map;
    }
    const auto first = std::find_if(queries.seen.begin(), queries.seen.end(), [](int64_t seen) { return seen > 0; });
    const BlockStats stats = MeasureBlocks(queries.q, kQueryBlock, first - queries.seen.begin(), shape.query_length);
    Put(trace_.query_means, stats.means, index);
    Put(trace_.query_sims, stats.sims, index);
    return ChooseBlocks(call_, parameters, queries, stats, key_stats_, trace_.scores.data() + index * blocks);
  }

  void RunHead(int64_t head) {
    const Shape& shape = call_.shape;
    const int64_t index = batch_ * shape.query_heads + head;
    const HeadParameters parameters = call_.heads ? call_.heads[head] : HeadParameters{};
    const QueryHead queries = LoadQueryHead(call_, batch_, head, keys_.visible);
    const std::vector<uint8_t> visible = VisibleBlocks(call_, queries), map = Map(queries, parameters, index);

    HeadOperands operands{&queries, &keys_, &values_, map.data()};
    operands.lambda = call_.mode == Mode::kDense8 ? 0 : parameters.lambda;
    std::vector<int8_t> query8;
    std::vector<float> query_scales;
    if (eight_bit()) {
      query8.assign(shape.query_length * shape.head_dim, 0);
      query_scales.assign(shape.query_length, 0);
      for (int64_t r = 0; r < shape.query_length; ++r)
        query_scales[r] = QuantizeRows(queries.q, r, r + 1, query8.data());
      Put(trace_.query8, query8, index);
      Put(trace_.query_scales, query_scales, index);
      operands.query8 = query8.data();
      operands.key8 = key8_.data();
      operands.query_scales = query_scales.data();
      operands.key_scales = key_scales_.data();
    }

    HeadCounts counts;
    counts.visible_blocks = std::count(visible.begin(), visible.end(), 1);
    counts.kept_blocks = std::count(map.begin(), map.end(), 1);
    trace_.lambda_margins[index] = AttendHead(call_, arithmetic_, operands, batch_, head, counts);
    if (call_.counts) call_.counts[index] = counts;
    if (call_.block_map_used) {
      std::copy(map.begin(), map.end(), call_.block_map_used + index * static_cast<int64_t>(map.size()));
    }
  }

  const Call& call_;
  const Arithmetic& arithmetic_;
  Trace& trace_;
  const int64_t batch_;
  // Of the key head at hand.
  KeyHead keys_;
  BlockStats key_stats_;
  RoundedValues values_;
  std::vector<int8_t> key8_;
  std::vector<float> key_scales_;
};

}  // namespace

void Run(const Call& call, const Arithmetic& arithmetic, Trace* trace) {
  CheckCall(call);
  Trace unwanted;
  Trace& kept = trace ? *trace : unwanted;
  Resize(call.shape, kept);
  for (int64_t batch = 0; batch < call.shape.batch; ++batch) Entry(call, arithmetic, kept, batch).Run();
}

}  // namespace attention::reference
