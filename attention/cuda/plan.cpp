#include "attention/cuda/plan.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "attention/base/error.h"
#include "attention/cuda/attend/shared_bytes.h"

namespace attention::cuda {
namespace {

using base::Check;
using base::ErrorCode;

constexpr int64_t kMostKeyBlocks = 65536;  // lists hold 16 bits

struct KernelInfo {
  const char* name;
  bool exact;
  PV pv;
  int least_capability;
};
constexpr KernelInfo kKernels[] = {
    {"cuda_fp16", false, PV::kFloat16, 80},
    {"cuda_e4m3", false, PV::kE4M3, 89},
    {"cuda_bf16", false, PV::kBFloat16, 80},
    {"cuda_exact", true, PV::kFloat16, 80},
};

const KernelInfo* Find(const std::string& name) {
  for (const KernelInfo& kernel : kKernels) {
    if (name == kernel.name) return &kernel;
  }
  return nullptr;
}

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

int Width(const Shape& shape) {
  const int64_t most = std::max(shape.head_dim, shape.value_dim);
  return most <= 64 ? 64 : most <= 128 ? 128 : 256;
}

int64_t SelectSharedBytes(const Shape& shape) { return kSelectRows * shape.key_blocks() * 4; }

// Empty: the kernel can do it. Else what stands against it.
std::string WhyNot(const KernelInfo& kernel, Mode mode, const Shape& shape, const Device& device) {
  if (kernel.exact != (mode == Mode::kSpargeExact)) {
    return kernel.exact ? "it does float32 arithmetic: mode sparge_exact only" : "it does 8-bit arithmetic";
  }
  if (device.capability < kernel.least_capability) {
    return base::StrCat("it needs compute capability ", kernel.least_capability / 10, ".", kernel.least_capability % 10,
                        ", ", device.name, " has ", device.capability / 10, ".", device.capability % 10);
  }
  // No code that a later driver could translate: the prologue's would come from one without E4M3.
  const bool compiled = device.capability == 89 || device.capability == 90 || device.capability / 10 == 12;
  if (kernel.pv == PV::kE4M3 && !compiled) {
    return base::StrCat("it is compiled for compute capabilities 8.9, 9.0 and 12.x, ", device.name, " has ",
                        device.capability / 10, ".", device.capability % 10);
  }
  if (shape.head_dim > kWidestHead || shape.value_dim > kWidestHead) {
    return base::StrCat("heads of ", std::max(shape.head_dim, shape.value_dim), " channels are wider than ",
                        kWidestHead);
  }
  constexpr int64_t kLongest = std::numeric_limits<int32_t>::max() / 2;
  if (shape.key_blocks() > kMostKeyBlocks || shape.query_length > kLongest) {
    return base::StrCat("it takes at most ", kMostKeyBlocks * kKeyBlock, " keys and ", kLongest, " queries");
  }
  const int64_t heads = shape.batch * shape.query_heads;
  if (heads > 65535) return base::StrCat("it takes at most 65535 heads of all batch entries together, not ", heads);
  if (heads * shape.query_blocks() > kLongest || shape.batch * shape.key_heads * shape.key_blocks() > kLongest / 2) {
    return "the call has too many blocks for one launch";
  }
  if (SelectSharedBytes(shape) > device.shared_memory_per_block) {
    return base::StrCat("choosing among ", shape.key_blocks(), " key blocks takes ", SelectSharedBytes(shape),
                        " bytes of shared memory, a block of this device has ", device.shared_memory_per_block);
  }
  if (!kernel.exact && AttendSharedBytes(kernel.pv, Width(shape), 1) > device.shared_memory_per_block) {
    return base::StrCat("it needs ", AttendSharedBytes(kernel.pv, Width(shape), 1),
                        " bytes of shared memory a block, this device has ", device.shared_memory_per_block);
  }
  return "";
}

// Memory given out in order; without a base only counted.
class Arena {
 public:
  explicit Arena(void* base) : base_(static_cast<std::byte*>(base)) {}
  template <class T>
  T* Take(int64_t count) {
    const size_t at = size_;
    size_ += (static_cast<size_t>(std::max<int64_t>(count, 1)) * sizeof(T) + 255) / 256 * 256;
    return base_ ? reinterpret_cast<T*>(base_ + at) : nullptr;
  }
  size_t size() const { return size_; }

 private:
  std::byte* base_;
  size_t size_ = 0;
};

class Planner {
 public:
  Planner(const Call& call, const Choice& choice, const Device& device, void* scratch)
      : call_(call), kernel_(*Find(choice.kernel)), device_(device), arena_(scratch) {
    const Shape& s = call.shape;
    g_.batch = static_cast<int>(s.batch);
    g_.query_heads = static_cast<int>(s.query_heads);
    g_.key_heads = static_cast<int>(s.key_heads);
    g_.query_length = static_cast<int>(s.query_length);
    g_.key_length = static_cast<int>(s.key_length);
    g_.head_dim = static_cast<int>(s.head_dim);
    g_.value_dim = static_cast<int>(s.value_dim);
    g_.query_blocks = static_cast<int>(s.query_blocks());
    g_.key_blocks = static_cast<int>(s.key_blocks());
    g_.width = Width(s);
    g_.causal = call.causal ? 1 : 0;
    g_.key_lengths = call.key_lengths;
    query_heads_ = s.batch * s.query_heads;
    key_heads_ = s.batch * s.key_heads;
    map_rows_ = query_heads_ * g_.query_blocks;
    key_tiles_ = key_heads_ * g_.key_blocks;
    selection_ = call.mode == Mode::kDense8      ? Selection::kAll
                 : call.block_map                ? Selection::kGiven
                 : call.selector == "spargeattn" ? Selection::kSpargeAttn
                                                 : Selection::kSlidingWindow;
    Allocate();
  }

  size_t scratch_bytes() const { return arena_.size(); }

  std::vector<LaunchStep> Steps() const {
    std::vector<LaunchStep> steps;
    const auto add = [&](const char* name, LaunchStep::Params params, int64_t grid_x, int64_t grid_y,
                         int64_t shared_bytes) {
      steps.push_back({name, std::move(params), g_.width, kernel_.pv, grid_x, grid_y, shared_bytes});
    };
    add("sum_keys", SumKeysStep(), chunks_, key_heads_, 8 * g_.width * 12 + 32);
    add("finish_keys", FinishKeysStep(), key_heads_, g_.width / 32, 256 * 16);
    const QuantizeParams quantize = QuantizeStep();
    add("quantize", quantize, quantize.query_tasks + quantize.key_tasks + quantize.value_tasks, 1,
        std::max(8 * g_.width * 12 + 64, 64 * g_.width));
    if (scores()) {
      ScoreParams score{g_, std::abs(call_.scale), query_means_, key_means_, scores_};
      add("score_blocks", score, CeilDiv(g_.query_blocks, 32) * CeilDiv(g_.key_blocks, 64), query_heads_,
          (32 + 64) * 16 * 8);
    }
    add("select_blocks", SelectStep(), CeilDiv(map_rows_, kSelectRows), 1, SelectSharedBytes(call_.shape));
    add("order_rows", OrderParams{g_, list_count_, order_}, query_heads_, 1, 256 * 4);
    if (kernel_.exact) {
      add("attend_exact", ExactStep(), map_rows_ * 2, 1, ExactSharedBytes(g_.width));
    } else {
      const AttendParams attend = AttendStep();
      add("attend", attend, map_rows_, 1, AttendSharedBytes(kernel_.pv, g_.width, attend.stages));
    }
    return steps;
  }

 private:
  bool scores() const { return selection_ == Selection::kSpargeAttn; }
  // The window has no use for means, but what is not finite is kept whatever the selector.
  bool digests() const { return scores() || selection_ == Selection::kSlidingWindow; }
  bool maxima() const { return !kernel_.exact && kernel_.pv != PV::kBFloat16; }

  void Allocate() {
    const int64_t width = g_.width;
    chunks_ = static_cast<int>(CeilDiv(g_.key_length, kChunkRows));
    key_sums_ = arena_.Take<double>(key_heads_ * chunks_ * width);
    key_counts_ = arena_.Take<int32_t>(key_heads_ * chunks_);
    value_maxima_ = arena_.Take<float>(maxima() ? key_heads_ * chunks_ * width : 0);
    key_mean_ = arena_.Take<float>(key_heads_ * width);
    value_scale_ = arena_.Take<float>(key_heads_ * width);
    row_scale_ = arena_.Take<float>(map_rows_ * kQueryBlock);
    query_km_ = arena_.Take<float>(map_rows_ * kQueryBlock);
    key_scale_ = arena_.Take<float>(key_tiles_);
    first_bad_ = arena_.Take<uint8_t>(key_tiles_);
    list_ = arena_.Take<uint16_t>(map_rows_ * g_.key_blocks);
    list_count_ = arena_.Take<int32_t>(map_rows_);
    order_ = arena_.Take<int32_t>(map_rows_);
    query_means_ = arena_.Take<float>(digests() ? map_rows_ * width : 0);
    key_means_ = arena_.Take<float>(digests() ? key_tiles_ * width : 0);
    query_sims_ = arena_.Take<float>(digests() ? map_rows_ : 0);
    key_sims_ = arena_.Take<float>(digests() ? key_tiles_ : 0);
    scores_ = arena_.Take<float>(scores() ? map_rows_ * g_.key_blocks : 0);
    if (kernel_.exact) return;
    query8_ = arena_.Take<uint8_t>(map_rows_ * kQueryBlock * width);
    key8_ = arena_.Take<uint8_t>(key_tiles_ * kKeyBlock * width);
    bad_value_ = arena_.Take<int32_t>(key_tiles_);
    values_ = arena_.Take<uint8_t>(key_tiles_ * kKeyBlock * width * ValueElementBytes(kernel_.pv));
  }

  // Whether runs of eight channels lie on boundaries of 16 bytes.
  int Vectors(const void* data, const int64_t (&stride)[4], int64_t channels) const {
    const int64_t element = call_.dtype == DType::kFloat32 ? 4 : 2;
    bool aligned = stride[3] == 1 && channels % 8 == 0 && reinterpret_cast<uintptr_t>(data) % 16 == 0;
    for (int axis = 0; axis < 3; ++axis) aligned = aligned && stride[axis] * element % 16 == 0;
    return aligned ? 1 : 0;
  }
  Input InputOf(const TensorView& view, int64_t channels) const {
    Input in{view.data, {}, call_.dtype, Vectors(view.data, view.stride, channels)};
    std::copy(std::begin(view.stride), std::end(view.stride), in.stride);
    return in;
  }
  Output OutputOf() const {
    Output out{call_.o.data, {}, call_.dtype, Vectors(call_.o.data, call_.o.stride, g_.value_dim)};
    std::copy(std::begin(call_.o.stride), std::end(call_.o.stride), out.stride);
    return out;
  }
  int skipping() const { return call_.mode == Mode::kDense8 ? 0 : 1; }

  SumKeysParams SumKeysStep() const {
    return {g_,
            InputOf(call_.k, g_.head_dim),
            InputOf(call_.v, g_.value_dim),
            chunks_,
            maxima(),
            key_sums_,
            key_counts_,
            value_maxima_};
  }
  FinishKeysParams FinishKeysStep() const {
    return {g_,          kernel_.pv,    chunks_,   maxima(),     key_sums_,
            key_counts_, value_maxima_, key_mean_, value_scale_, call_.counts};
  }
  QuantizeParams QuantizeStep() const {
    QuantizeParams p{};
    p.geometry = g_;
    p.q = InputOf(call_.q, g_.head_dim);
    p.k = InputOf(call_.k, g_.head_dim);
    p.v = InputOf(call_.v, g_.value_dim);
    p.pv = kernel_.pv;
    p.query_tasks = map_rows_;
    p.key_tasks = key_tiles_;
    p.value_tasks = kernel_.exact ? 0 : key_tiles_;
    p.want_levels = !kernel_.exact;
    p.want_digests = digests();
    p.scale = call_.scale;
    p.key_mean = key_mean_;
    p.value_scale = value_scale_;
    p.query8 = query8_;
    p.row_scale = row_scale_;
    p.query_km = query_km_;
    p.query_means = query_means_;
    p.query_sims = query_sims_;
    p.key8 = key8_;
    p.key_scale = key_scale_;
    p.first_bad = first_bad_;
    p.key_means = key_means_;
    p.key_sims = key_sims_;
    p.values = values_;
    p.bad_value = bad_value_;
    return p;
  }
  SelectParams SelectStep() const {
    SelectParams p{};
    p.geometry = g_;
    p.selection = selection_;
    p.window = static_cast<int>(std::min<int64_t>(call_.window, kMostKeyBlocks));
    p.sink = call_.sink ? 1 : 0;
    const auto range = [](const TokenRange& from, int(&to)[2]) {
      to[0] = static_cast<int>(from.begin);
      to[1] = static_cast<int>(from.end);
    };
    range(call_.keep_keys, p.keep_keys);
    range(call_.keep_queries, p.keep_queries);
    p.heads = call_.heads;
    p.query_sims = query_sims_;
    p.key_sims = key_sims_;
    p.scores = scores_;
    p.block_map = call_.block_map;
    p.list = list_;
    p.list_count = list_count_;
    p.block_map_used = call_.block_map_used;
    p.counts = call_.counts;
    return p;
  }
  AttendParams AttendStep() const {
    AttendParams p{};
    p.geometry = g_;
    p.query8 = query8_;
    p.row_scale = row_scale_;
    p.query_km = query_km_;
    p.key8 = key8_;
    p.key_scale = key_scale_;
    p.first_bad = first_bad_;
    p.values = values_;
    p.bad_value = bad_value_;
    p.value_scale = value_scale_;
    p.list = list_;
    p.list_count = list_count_;
    p.order = order_;
    p.heads = call_.heads;
    p.skipping = skipping();
    p.stages = Stages();
    p.scale = call_.scale;
    p.o = OutputOf();
    p.lse = call_.lse;
    p.counts = call_.counts;
    return p;
  }
  ExactParams ExactStep() const {
    return {g_,
            InputOf(call_.q, g_.head_dim),
            InputOf(call_.k, g_.head_dim),
            InputOf(call_.v, g_.value_dim),
            call_.scale,
            row_scale_,
            query_km_,
            key_mean_,
            first_bad_,
            list_,
            list_count_,
            order_,
            call_.heads,
            skipping(),
            OutputOf(),
            call_.lse,
            call_.counts};
  }

  // As many tiles on their way as leave room for the blocks that registers allow, three at most.
  int Stages() const {
    constexpr int64_t kOfTheDriver = 1024;  // of each block
    const int blocks = AttendMinBlocks(g_.width);
    for (int64_t share = blocks; share >= 1; --share) {
      const int64_t room =
          std::min(device_.shared_memory_per_multiprocessor / share - kOfTheDriver, device_.shared_memory_per_block);
      for (const int stages : {3, 2}) {
        if (AttendSharedBytes(kernel_.pv, g_.width, stages) <= room) return stages;
      }
    }
    return 1;
  }

  const Call& call_;
  const KernelInfo& kernel_;
  const Device& device_;
  Arena arena_;
  Geometry g_{};
  Selection selection_;
  int64_t query_heads_ = 0, key_heads_ = 0, map_rows_ = 0, key_tiles_ = 0;
  int chunks_ = 0;
  double* key_sums_ = nullptr;
  int32_t *key_counts_ = nullptr, *list_count_ = nullptr, *order_ = nullptr, *bad_value_ = nullptr;
  float *value_maxima_ = nullptr, *key_mean_ = nullptr, *value_scale_ = nullptr, *row_scale_ = nullptr,
        *query_km_ = nullptr, *key_scale_ = nullptr, *query_means_ = nullptr, *key_means_ = nullptr,
        *query_sims_ = nullptr, *key_sims_ = nullptr, *scores_ = nullptr;
  uint8_t *first_bad_ = nullptr, *query8_ = nullptr, *key8_ = nullptr, *values_ = nullptr;
  uint16_t* list_ = nullptr;
};

}  // namespace

const std::vector<std::string>& KernelNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const KernelInfo& kernel : kKernels) all.emplace_back(kernel.name);
    return all;
  }();
  return names;
}

Choice ChooseKernel(const std::string& asked, Mode mode, DType dtype, const Shape& shape, const Device& device) {
  (void)dtype;  // every kernel takes every one
  if (asked != "auto") {
    const KernelInfo* kernel = Find(asked);
    std::string names;
    for (const std::string& name : KernelNames()) names += (names.empty() ? "" : ", ") + name;
    Check(kernel != nullptr, ErrorCode::kUnsupported, "attention: no CUDA kernel '", asked, "'; there are: ", names);
    const std::string reason = WhyNot(*kernel, mode, shape, device);
    Check(reason.empty(), ErrorCode::kUnsupported, "attention: kernel ", asked, " cannot do this call: ", reason);
    return {asked, "asked for by name", false};
  }
  // sm_90 multiplies E4M3 only by wgmma: mma.sync is taken apart into fp16 there.
  const bool fast_e4m3 = device.capability == 89 || device.capability / 10 == 12;
  const char* best = mode == Mode::kSpargeExact ? "cuda_exact" : fast_e4m3 ? "cuda_e4m3" : "cuda_fp16";
  const std::string reason = WhyNot(*Find(best), mode, shape, device);
  Check(reason.empty(), ErrorCode::kUnsupported, "attention: no CUDA kernel can do this call; ", best, ": ", reason);
  if (mode == Mode::kSpargeExact) return {best, "float32 arithmetic", false};
  return {best, base::StrCat("the fastest of compute capability ", device.capability / 10, ".", device.capability % 10),
          false};
}

size_t ScratchBytes(const Call& call, const Choice& choice, const Device& device) {
  return Planner(call, choice, device, nullptr).scratch_bytes();
}

std::vector<LaunchStep> PlanLaunches(const Call& call, const Choice& choice, const Device& device, void* scratch) {
  return Planner(call, choice, device, scratch).Steps();
}

}  // namespace attention::cuda
