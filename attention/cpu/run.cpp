#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "attention/base/error.h"
#include "attention/block_map/selector.h"
#include "attention/cpu/dispatch.h"
#include "attention/reference/reference.h"

namespace attention {
namespace {

using cpu::Arithmetic;
using cpu::Kernel;
using cpu::RowMask;
using cpu::Rows;

constexpr int64_t kBlocksPerTask = 8;
// Packed keys and values held at once; more heads than fit take turns.
constexpr int64_t kPackedBytes = int64_t{512} << 20;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t PadTo(int64_t n, int64_t multiple) { return CeilDiv(n, multiple) * multiple; }

// Memory on a cache line's boundary, not initialised.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count) {
    const size_t bytes = static_cast<size_t>(PadTo(std::max<int64_t>(count, 1) * static_cast<int64_t>(sizeof(T)), 64));
    data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    base::Check(data_ != nullptr, base::ErrorCode::kOutOfMemory, "attention: no memory for ", bytes, " bytes");
  }
  T* get() const { return data_.get(); }
  T& operator[](int64_t i) const { return data_.get()[i]; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
};

class Stopwatch {
 public:
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Rows RowsOf(const TensorView& tensor, DType dtype, int64_t batch, int64_t head, int64_t first, int64_t count,
            int64_t width) {
  const int64_t offset = batch * tensor.stride[0] + head * tensor.stride[1] + first * tensor.stride[2];
  const int64_t element = dtype == DType::kFloat32 ? 4 : 2;
  return {static_cast<const std::byte*>(tensor.data) + offset * element,
          dtype,
          tensor.stride[2],
          tensor.stride[3],
          count,
          width};
}

// One call on one kernel: keys and values of some heads are packed, then their query blocks run.
class Run {
 public:
  Run(const Call& call, const Kernel& kernel, const Parallel& parallel)
      : call_(call),
        kernel_(kernel),
        parallel_(parallel),
        shape_(call.shape),
        scale_(std::fabs(call.scale)),
        nq_(shape_.query_blocks()),
        nk_(shape_.key_blocks()),
        dwords_(kernel.query_dwords(shape_.head_dim)),
        padded_head_(PadTo(shape_.head_dim, 16)),
        padded_value_(PadTo(shape_.value_dim, kernel.lanes)),
        key_block_bytes_(kernel.key_block_bytes(shape_.head_dim)),
        value_block_bytes_(kernel.value_block_bytes(padded_value_)),
        selector_(FindSelector(call.selector)),
        selects_(call.mode != Mode::kDense8 && call.block_map == nullptr),
        digests_(selects_ && selector_->needs_digests),
        levels_(kernel.arithmetic == Arithmetic::kU8S8),
        query_times_(static_cast<size_t>(parallel.num_threads())),
        predict_times_(static_cast<size_t>(parallel.num_threads())),
        workers_(static_cast<size_t>(parallel.num_threads())) {}

  void Execute(RunInfo& info) {
    const int64_t heads = shape_.batch * shape_.key_heads;
    const int64_t bytes = nk_ * (key_block_bytes_ + value_block_bytes_);
    const int64_t turn = std::clamp(kPackedBytes / bytes, int64_t{1}, heads);
    Allocate(turn);
    double pack_seconds = 0;
    for (int64_t first = 0; first < heads; first += turn) {
      const int64_t count = std::min(turn, heads - first);
      Stopwatch watch;
      PackHeads(first, count);
      pack_seconds += watch.Lap();
      const int64_t group = shape_.query_heads / shape_.key_heads;
      ForEachTask(parallel_, count * group * nq_, [&](int64_t task, int worker) {
        const int64_t head = task / nq_;  // among the query heads of this turn
        // With causal, later query blocks see more: the longest first.
        const int64_t i = call_.causal ? nq_ - 1 - task % nq_ : task % nq_;
        const int64_t slot = head / group, key = first + slot;
        AttendBlock(
            {key / shape_.key_heads, key % shape_.key_heads, key % shape_.key_heads * group + head % group, slot}, i,
            workers_[static_cast<size_t>(worker)], worker);
      });
    }
    const double threads = static_cast<double>(parallel_.num_threads());
    for (const double seconds : query_times_) pack_seconds += seconds / threads;
    for (const double seconds : predict_times_) info.predict_seconds += seconds / threads;
    info.quantize_seconds = pack_seconds;
  }

 private:
  struct Head {
    int64_t batch, key_head, query_head, slot;
  };

  // What a thread keeps to itself.
  struct Worker {
    Buffer<float> rows;
    Buffer<std::byte> scratch;
    Buffer<int32_t> packed, start, blocks;
    Buffer<float> query_scale, km_dot, out, query_mean;
    std::vector<uint8_t> kept;
    SelectionScratch selection;
  };

  void Allocate(int64_t heads) {
    keys_ = Buffer<std::byte>(heads * nk_ * key_block_bytes_);
    values_ = Buffer<std::byte>(heads * nk_ * value_block_bytes_);
    key_scale_ = Buffer<float>(heads * nk_);
    key_sims_ = Buffer<float>(heads * nk_);
    key_bad_ = Buffer<RowMask>(heads * nk_);
    key_mean_ = Buffer<float>(heads * padded_head_);
    block_sums_ = Buffer<double>(heads * nk_ * padded_head_);
    if (digests_) block_means_ = Buffer<float>(heads * nk_ * shape_.head_dim);
    channel_scale_ = Buffer<float>(heads * padded_value_);
    poison_ = Buffer<float>(heads * nk_ * padded_value_);
    value_bad_ = Buffer<RowMask>(heads * nk_);
    if (levels_) {
      task_maxima_ = Buffer<float>(heads * CeilDiv(nk_, kBlocksPerTask) * PadTo(shape_.value_dim, 16));
    }
    for (Worker& worker : workers_) {
      worker.rows = Buffer<float>(kQueryBlock * PadTo(std::max(shape_.head_dim, shape_.value_dim), 16));
      worker.scratch = Buffer<std::byte>(kernel_.group_scratch_bytes);
      worker.packed = Buffer<int32_t>(kQueryBlock * dwords_);
      worker.start = Buffer<int32_t>(kQueryBlock);
      worker.query_scale = Buffer<float>(kQueryBlock);
      worker.km_dot = Buffer<float>(kQueryBlock);
      worker.query_mean = Buffer<float>(shape_.head_dim);
      worker.out = Buffer<float>(kRowGroup * padded_value_);
      worker.blocks = Buffer<int32_t>(nk_);
      worker.kept.resize(static_cast<size_t>(nk_));
    }
  }

  int64_t BlockRows(int64_t keys, int64_t block) const {
    return std::clamp(keys - block * kKeyBlock, int64_t{0}, kKeyBlock);
  }

  // Packs keys and values of `count` (batch, key head) pairs from `first` on.
  void PackHeads(int64_t first, int64_t count) {
    const int64_t tasks_per_head = CeilDiv(nk_, kBlocksPerTask);
    const auto for_each_block = [&](const auto& body) {
      ForEachTask(parallel_, count * tasks_per_head, [&](int64_t task, int worker) {
        const int64_t slot = task / tasks_per_head, begin = task % tasks_per_head * kBlocksPerTask;
        const Head head{(first + slot) / shape_.key_heads, (first + slot) % shape_.key_heads, 0, slot};
        const int64_t keys = Visibility(call_, head.batch).keys;
        for (int64_t j = begin; j < std::min(begin + kBlocksPerTask, nk_); ++j) {
          body(head, task, j, BlockRows(keys, j), workers_[static_cast<size_t>(worker)]);
        }
      });
    };
    if (levels_) std::fill_n(task_maxima_.get(), count * tasks_per_head * PadTo(shape_.value_dim, 16), 0.f);
    for_each_block([&](const Head& head, int64_t task, int64_t j, int64_t rows, Worker& worker) {
      double* sums = block_sums_.get() + (head.slot * nk_ + j) * padded_head_;
      key_bad_[head.slot * nk_ + j] = kernel_.sum_rows(KeyRows(head, j, rows), sums, worker.rows.get());
      if (levels_) {
        kernel_.max_rows(ValueRows(head, j, rows), task_maxima_.get() + task * PadTo(shape_.value_dim, 16),
                         worker.rows.get());
      }
    });
    for (int64_t slot = 0; slot < count; ++slot) {
      FinishMean(slot, Visibility(call_, (first + slot) / shape_.key_heads).keys);
      FinishChannelScales(slot, tasks_per_head);
    }
    for_each_block(
        [&](const Head& head, int64_t, int64_t j, int64_t rows, Worker& worker) { PackBlock(head, j, rows, worker); });
  }

  Rows KeyRows(const Head& head, int64_t j, int64_t rows) const {
    return RowsOf(call_.k, call_.dtype, head.batch, head.key_head, j * kKeyBlock, rows, shape_.head_dim);
  }
  Rows ValueRows(const Head& head, int64_t j, int64_t rows) const {
    return RowsOf(call_.v, call_.dtype, head.batch, head.key_head, j * kKeyBlock, rows, shape_.value_dim);
  }

  void FinishMean(int64_t slot, int64_t keys) const {
    int64_t count = 0;
    std::vector<double> total(static_cast<size_t>(shape_.head_dim), 0.0);
    for (int64_t j = 0; j < nk_; ++j) {
      count += BlockRows(keys, j) - __builtin_popcountll(key_bad_[slot * nk_ + j]);
      const double* sums = block_sums_.get() + (slot * nk_ + j) * padded_head_;
      for (int64_t c = 0; c < shape_.head_dim; ++c) total[static_cast<size_t>(c)] += sums[c];
    }
    float* mean = key_mean_.get() + slot * padded_head_;
    std::fill_n(mean, padded_head_, 0.f);
    for (int64_t c = 0; c < shape_.head_dim; ++c) {
      mean[c] = count > 0 ? static_cast<float>(total[static_cast<size_t>(c)] / static_cast<double>(count)) : 0.f;
    }
  }

  void FinishChannelScales(int64_t slot, int64_t tasks_per_head) const {
    float* scale = channel_scale_.get() + slot * padded_value_;
    if (!levels_) {
      std::fill_n(scale, padded_value_, 1.f);
      return;
    }
    std::fill_n(scale, padded_value_, 0.f);
    for (int64_t task = 0; task < tasks_per_head; ++task) {
      const float* maxima = task_maxima_.get() + (slot * tasks_per_head + task) * PadTo(shape_.value_dim, 16);
      for (int64_t c = 0; c < shape_.value_dim; ++c) scale[c] = std::max(scale[c], maxima[c]);
    }
    for (int64_t c = 0; c < shape_.value_dim; ++c) scale[c] /= 127.f;
  }

  void PackBlock(const Head& head, int64_t j, int64_t rows, Worker& worker) const {
    const int64_t at = head.slot * nk_ + j;
    float* scratch = worker.rows.get();
    cpu::BlockDigest digest{worker.query_mean.get(), 0};
    kernel_.pack_keys(KeyRows(head, j, rows), key_mean_.get() + head.slot * padded_head_, key_bad_[at],
                      keys_.get() + at * key_block_bytes_, &key_scale_[at], digests_ ? &digest : nullptr, scratch);
    if (digests_) {
      key_sims_[at] = digest.sim;
      float* means = block_means_.get() + head.slot * nk_ * shape_.head_dim;
      for (int64_t c = 0; c < shape_.head_dim; ++c) means[c * nk_ + j] = digest.mean[c];
    }
    value_bad_[at] =
        kernel_.pack_values(ValueRows(head, j, rows), padded_value_, channel_scale_.get() + head.slot * padded_value_,
                            values_.get() + at * value_block_bytes_, poison_.get() + at * padded_value_, scratch);
  }

  const HeadParameters& Parameters(int64_t query_head) const {
    static constexpr HeadParameters kDefaults;
    return call_.heads ? call_.heads[query_head] : kDefaults;
  }

  void AttendBlock(const Head& head, int64_t i, Worker& worker, int thread) {
    Stopwatch watch;
    const Visibility visibility(call_, head.batch);
    const int64_t begin = i * kQueryBlock, end = visibility.RowEnd(i);
    Rows rows = RowsOf(call_.q, call_.dtype, head.batch, head.query_head, begin, end - begin, shape_.head_dim);
    RowMask non_finite[kQueryBlock / kRowGroup];
    const cpu::QueryRows packed{worker.packed.get(), dwords_,   worker.start.get(), worker.query_scale.get(),
                                worker.km_dot.get(), non_finite};
    cpu::BlockDigest digest{worker.query_mean.get(), 0};
    const int64_t first_seeing = std::max<int64_t>(visibility.FirstSeeingRow() - begin, 0);
    kernel_.pack_queries(rows, call_.scale < 0, key_mean_.get() + head.slot * padded_head_, first_seeing, packed,
                         digests_ ? &digest : nullptr, worker.rows.get());
    query_times_[static_cast<size_t>(thread)] += watch.Lap();

    HeadCounts counts = Select(head, i, visibility, digest, NonFiniteSeeing(non_finite, first_seeing), worker);
    predict_times_[static_cast<size_t>(thread)] += watch.Lap();

    for (int64_t group = 0; group * kRowGroup < end - begin; ++group) {
      AttendRows(head, i, group, visibility, non_finite[group], worker, counts);
    }
    if (call_.counts) {
      HeadCounts& total = call_.counts[head.batch * shape_.query_heads + head.query_head];
      const auto add = [](int64_t& to, int64_t n) { __atomic_fetch_add(&to, n, __ATOMIC_RELAXED); };
      add(total.visible_blocks, counts.visible_blocks);
      add(total.kept_blocks, counts.kept_blocks);
      add(total.pv_tiles, counts.pv_tiles);
      add(total.pv_skipped, counts.pv_skipped);
    }
  }

  // Rows that see nothing count neither in a digest nor here.
  static bool NonFiniteSeeing(const RowMask* masks, int64_t first_seeing) {
    for (int64_t group = 0; group < kQueryBlock / kRowGroup; ++group) {
      const int64_t blind = std::clamp(first_seeing - group * kRowGroup, int64_t{0}, kRowGroup);
      const RowMask seeing = blind >= kRowGroup ? 0 : ~RowMask{0} << blind;
      if ((masks[group] & seeing) != 0) return true;
    }
    return false;
  }

  // Fills worker.kept with the row of the block map.
  HeadCounts Select(const Head& head, int64_t i, const Visibility& visibility, const cpu::BlockDigest& digest,
                    bool non_finite, Worker& worker) const {
    const KeyDigests keys{nk_, shape_.head_dim, block_means_.get() + head.slot * nk_ * shape_.head_dim,
                          key_sims_.get() + head.slot * nk_, key_bad_.get() + head.slot * nk_};
    const QueryDigest query{digest.mean, digest.sim, non_finite};
    const SelectionInput input{
        call_, Parameters(head.query_head), visibility,      scale_, i, visibility.KeyBlocks(i), keys,
        query, kernel_.score_blocks,        worker.selection};
    const int64_t row = ((head.batch * shape_.query_heads + head.query_head) * nq_ + i) * nk_;
    HeadCounts counts;
    counts.visible_blocks = input.num_visible;
    counts.kept_blocks =
        SelectRow(input, selector_, call_.block_map ? call_.block_map + row : nullptr, worker.kept.data());
    if (call_.block_map_used) std::copy_n(worker.kept.data(), nk_, call_.block_map_used + row);
    return counts;
  }

  // One group of 64 rows of query block i: attends to its kept blocks and writes its rows.
  void AttendRows(const Head& head, int64_t i, int64_t group, const Visibility& visibility, RowMask non_finite,
                  Worker& worker, HeadCounts& counts) const {
    const int64_t first = group * kRowGroup, begin = i * kQueryBlock + first;
    const int64_t rows = std::min(kRowGroup, visibility.query_length - begin);
    alignas(64) float row_scale[kRowGroup] = {}, max[kRowGroup], sum[kRowGroup];
    int64_t visible[kRowGroup] = {};
    for (int64_t r = 0; r < rows; ++r) {
      visible[r] = visibility.KeysOfRow(begin + r);
      row_scale[r] =
          static_cast<float>(scale_ * 1.4426950408889634 * static_cast<double>(worker.query_scale[first + r]));
    }
    const int64_t reach = CeilDiv(visible[rows - 1], kKeyBlock);  // the last row sees the most
    int64_t num_blocks = 0;
    for (int64_t j = 0; j < reach; ++j) {
      worker.blocks[num_blocks] = static_cast<int32_t>(j);
      num_blocks += worker.kept[static_cast<size_t>(j)];
    }
    const int64_t at = head.slot * nk_;
    const cpu::PackedKeys keys{keys_.get() + at * key_block_bytes_, key_scale_.get() + at, key_bad_.get() + at};
    const cpu::PackedValues values{values_.get() + at * value_block_bytes_, poison_.get() + at * padded_value_,
                                   value_bad_.get() + at};
    cpu::Group g{};
    g.q = worker.packed.get() + first * dwords_;
    g.dwords = dwords_;
    g.rows = rows;
    g.start = worker.start.get() + first;
    g.row_scale = row_scale;
    g.non_finite = non_finite;
    g.visible = visible;
    g.keys = &keys;
    g.values = &values;
    g.blocks = worker.blocks.get();
    g.num_blocks = num_blocks;
    g.head_dim = shape_.head_dim;
    g.padded_value_dim = padded_value_;
    g.lambda = call_.mode == Mode::kDense8 ? 0.f : Parameters(head.query_head).lambda * 1.44269504f;
    g.scratch = worker.scratch.get();
    g.out = worker.out.get();
    g.max = max;
    g.sum = sum;
    kernel_.attend(g);
    counts.pv_tiles += num_blocks;
    counts.pv_skipped += g.skipped;
    Write(head, begin, first, rows, g, worker);
  }

  void Write(const Head& head, int64_t begin, int64_t first, int64_t rows, const cpu::Group& g,
             const Worker& worker) const {
    constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
    // Sums are in 255ths where weights are levels.
    const double unit = levels_ ? 255.0 : 1.0;
    float factor[kRowGroup];
    float* lse = call_.lse
                     ? call_.lse + (head.batch * shape_.query_heads + head.query_head) * shape_.query_length + begin
                     : nullptr;
    for (int64_t r = 0; r < rows; ++r) {
      const bool nan = (g.nan_rows >> r & 1) != 0;
      const bool any = g.sum[r] > 0;
      factor[r] = nan ? kNaN : any ? 1.f / g.sum[r] : 0.f;
      if (!lse) continue;
      const double log_sum =
          static_cast<double>(g.max[r]) * 0.6931471805599453 + std::log(static_cast<double>(g.sum[r]) / unit);
      lse[r] = nan   ? kNaN
               : any ? static_cast<float>(log_sum + scale_ * static_cast<double>(worker.km_dot[first + r]))
                     : -std::numeric_limits<float>::infinity();
    }
    const int64_t element = call_.dtype == DType::kFloat32 ? 4 : 2;
    const int64_t* stride = call_.o.stride;
    std::byte* out = static_cast<std::byte*>(call_.o.data) +
                     (head.batch * stride[0] + head.query_head * stride[1] + begin * stride[2]) * element;
    kernel_.write_rows(g.out, factor, channel_scale_.get() + head.slot * padded_value_, padded_value_, rows,
                       shape_.value_dim, call_.dtype, out, stride[2], stride[3]);
  }

  const Call& call_;
  const Kernel& kernel_;
  const Parallel& parallel_;
  const Shape& shape_;
  const double scale_;  // of the scores; where the caller's is negative, queries are negated
  const int64_t nq_, nk_, dwords_, padded_head_, padded_value_, key_block_bytes_, value_block_bytes_;
  const Selector* selector_;
  const bool selects_, digests_, levels_;
  std::vector<double> query_times_, predict_times_;
  std::vector<Worker> workers_;

  // Of the heads packed at present: [slot][block]…
  Buffer<std::byte> keys_, values_;
  Buffer<float> key_scale_, key_sims_, key_mean_, block_means_, channel_scale_, task_maxima_, poison_;
  Buffer<RowMask> key_bad_, value_bad_;
  Buffer<double> block_sums_;
};

}  // namespace

RunInfo RunOnCPU(const Call& call, const Parallel& parallel, const std::string& name) {
  CheckCall(call);
  const cpu::Choice choice = cpu::ChooseKernel(name, call.mode);
  RunInfo info;
  info.reason = choice.reason;
  info.fallback = choice.fallback;
  if (choice.kernel == nullptr) {
    info.kernel = "reference";
    reference::Run(call);
    return info;
  }
  info.kernel = choice.kernel->name;
  if (call.counts) std::fill_n(call.counts, call.shape.batch * call.shape.query_heads, HeadCounts{});
  try {
    Run(call, *choice.kernel, parallel).Execute(info);
  } catch (const std::bad_alloc&) {
    base::Fail(base::ErrorCode::kOutOfMemory, "attention: out of memory");
  }
  return info;
}

}  // namespace attention
