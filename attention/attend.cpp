#include <ATen/Functions.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "attention/attend_cuda.h"
#include "attention/attention.h"
#include "attention/base/error.h"
#include "attention/block_map/selector.h"
#include "attention/call_clock.h"
#include "attention/cpu/kernels.h"
#include "attention/dense.h"
#include "attention/make_call.h"
#include "attention/torch_threads.h"
#include "attention/visibility.h"

namespace attention {
namespace {

using base::Check;
using base::ErrorCode;

constexpr const char* kDense = "dense";

std::string Join(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void CheckNumber(const char* name, const std::optional<double>& value, double low, double high, const char* expected) {
  Check(!value || (*value >= low && *value <= high), ErrorCode::kInvalidInput, "attention: ", name, " is ",
        value.value_or(0), ", expected ", expected);
}

// [B, Hq, 4] int64: HeadCounts of every batch entry and head.
at::Tensor EmptyCounts(const Shape& shape, const at::Tensor& q) {
  static_assert(sizeof(HeadCounts) == 4 * sizeof(int64_t));
  return at::empty({shape.batch, shape.query_heads, 4}, q.options().dtype(at::kLong));
}

HeadCounts* CountsIn(const at::Tensor& counts) { return static_cast<HeadCounts*>(counts.mutable_data_ptr()); }

// Of a call that computes all that is visible; in host memory.
at::Tensor DenseCounts(const Call& call) {
  const at::Tensor counts = at::empty({call.shape.batch, call.shape.query_heads, 4}, at::kLong);
  HeadCounts* out = CountsIn(counts);
  for (int64_t b = 0; b < call.shape.batch; ++b) {
    const Visibility visibility(call, b);
    HeadCounts head;
    for (int64_t i = 0; i < call.shape.query_blocks(); ++i) head.visible_blocks += visibility.KeyBlocks(i);
    for (int64_t row = 0; row < call.shape.query_length; row += kRowGroup) {
      const int64_t last = std::min(row + kRowGroup, call.shape.query_length) - 1;
      head.pv_tiles += (visibility.KeysOfRow(last) + kKeyBlock - 1) / kKeyBlock;
    }
    head.kept_blocks = head.visible_blocks;
    out = std::fill_n(out, call.shape.query_heads, head);
  }
  return counts;
}

void Record(const AttentionContext& ctx, const std::string& mode, const CallResults& results, CallClock clock,
            const at::Tensor& counts) {
  CallRecord record;
  record.mode = mode;
  record.step = ctx.step;
  record.layer = ctx.layer;
  record.kind = ctx.kind;
  record.pass = ctx.pass;
  record.kernel = results.kernel;
  record.reason = ctx.why.empty() ? results.reason : ctx.why + "; " + results.reason;
  record.fallback = results.fallback || ctx.fallback;
  if (clock.asynchronous()) {
    ctx.stats->Add(std::move(record), QueuedCall(std::move(clock), counts));
    return;
  }
  record.seconds = results.seconds;
  record.predict_seconds = results.predict_seconds;
  SetCounts(counts, record);
  ctx.stats->Add(std::move(record));
}

// Laid out as q is: channels side by side, and heads within a token where q has them so.
at::Tensor OutputLike(const at::Tensor& q, int64_t value_dim) {
  const int64_t batch = q.size(0), heads = q.size(1), length = q.size(2);
  if (heads > 1 && length > 1 && q.stride(1) < q.stride(2)) {
    return at::empty({batch, length, heads, value_dim}, q.options()).transpose(1, 2);
  }
  return at::empty({batch, heads, length, value_dim}, q.options());
}

// The bias with four dimensions; undefined: none.
at::Tensor BiasOf(const at::Tensor& bias, const at::Tensor& q, const at::Tensor& k) {
  if (!bias.defined()) return bias;
  const int64_t full[] = {q.size(0), q.size(1), q.size(2), k.size(2)};
  std::vector<int64_t> sizes(4, 1);
  bool fits = bias.dim() <= 4 && bias.scalar_type() == q.scalar_type() && bias.device() == q.device();
  for (int64_t i = 0; fits && i < bias.dim(); ++i) {
    const size_t at = static_cast<size_t>(4 - bias.dim() + i);
    sizes[at] = bias.size(i);
    fits = bias.size(i) == 1 || bias.size(i) == full[at];
  }
  Check(fits, ErrorCode::kInvalidInput, "attention: bias is ", bias.scalar_type(), " ", bias.sizes(), " on ",
        bias.device().str(), ", expected ", q.scalar_type(), " that broadcasts to ", at::IntArrayRef(full), " on ",
        q.device().str());
  return bias.dim() == 4 ? bias : bias.reshape(sizes);
}

at::Tensor AttendDense(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx,
                       const std::string& kernel, const Call& call, CallResults& results) {
  DenseCall dense{q, k, v, BiasOf(ctx.bias, q, k), ctx.scale, call.causal, call.key_lengths, results.want_lse};
  DenseResult result = RunDense(dense, kernel);
  results.kernel = std::move(result.kernel);
  results.reason = std::move(result.reason);
  results.lse = result.lse;
  return result.o;
}

void AttendOnCPU(const AttentionOptions& options, Call& call, const at::Tensor& o, const at::Tensor& counts,
                 CallResults& results) {
  const Shape& s = call.shape;
  call.o = {o.mutable_data_ptr(), {o.stride(0), o.stride(1), o.stride(2), o.stride(3)}};
  if (results.want_lse) {
    results.lse = at::empty({s.batch, s.query_heads, s.query_length}, at::kFloat);
    call.lse = results.lse.mutable_data_ptr<float>();
  }
  if (results.want_block_map) {
    results.block_map = at::empty({s.batch, s.query_heads, s.query_blocks(), s.key_blocks()}, at::kByte);
    call.block_map_used = results.block_map.mutable_data_ptr<uint8_t>();
  }
  call.counts = CountsIn(counts);
  RunInfo info = RunOnCPU(call, TorchThreads(), options.kernel);
  results.kernel = std::move(info.kernel);
  results.reason = std::move(info.reason);
  results.fallback = info.fallback;
  results.predict_seconds = info.predict_seconds;
  results.quantize_seconds = info.quantize_seconds;
}

at::Tensor AttendIn8Bits(const at::Tensor& q, const at::Tensor& v, const AttentionOptions& options, MadeCall& made,
                         at::Tensor& counts, CallClock& clock, CallResults& results) {
  at::Tensor o = OutputLike(q, v.size(3));
  counts = EmptyCounts(made.call.shape, q);
  if (q.is_cpu()) {
    AttendOnCPU(options, made.call, o, counts, results);
  } else {
    AttendOnCUDA(q, v, options.kernel, made, o, counts, clock, results);
  }
  return o;
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

at::Tensor AttendAsPlanned(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx) {
  CallPlan plan = ctx.policy->Plan(ctx, q, k);
  AttentionContext planned = ctx;
  planned.policy = nullptr;
  planned.options = &plan.options;
  planned.topk = std::move(plan.topk);
  planned.cdf = std::move(plan.cdf);
  planned.theta = std::move(plan.theta);
  planned.lambda = std::move(plan.lambda);
  planned.block_map = std::move(plan.block_map);
  planned.why = std::move(plan.why);
  planned.fallback = plan.fallback;
  return Attend(q, k, v, planned);
}

// What modes other than dense do not take.
void CheckDevice(const at::Tensor& q, const std::string& mode) {
  const std::string why = WhyOnlyDense(q.device());
  Check(why.empty(), ErrorCode::kUnsupported, "attention mode '", mode, "' cannot run on ", q.device().str(), ": ",
        why);
}

void CheckForCore(const at::Tensor& q, const AttentionContext& ctx, const std::string& mode) {
  Check(!ctx.bias.defined(), ErrorCode::kInvalidInput, "attention: a bias is for mode dense, not for ", mode);
  const at::ScalarType dtype = q.scalar_type();
  Check(dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf, ErrorCode::kUnsupported,
        "attention mode '", mode, "' takes Float, BFloat16 and Half, not ", dtype);
}

}  // namespace

const std::vector<std::string>& Modes() {
  static const std::vector<std::string> modes = {kDense, "dense8", "sparge", "sparge_exact"};
  return modes;
}

const std::vector<std::string>& Kernels() {
  static const std::vector<std::string> kernels = [] {
    std::vector<std::string> all = DenseKernels();
    for (std::string& name : KernelsOf("dense8")) all.push_back(std::move(name));
    return all;
  }();
  return kernels;
}

std::vector<std::string> KernelsOf(const std::string& mode) {
  if (mode == kDense) return DenseKernels();
  std::vector<std::string> names = CPUKernelNames();
  for (std::string& name : CUDAKernelNames()) names.push_back(std::move(name));
  return names;
}

std::string WhyOnlyDense(const at::Device& device) {
  if (device.is_cpu()) return "";
  if (device.is_cuda()) return WhyOnlyDenseOnCUDA(device);
  return base::StrCat("there are no kernels for ", device.str());
}

void CheckOptions(const AttentionOptions& options) {
  Check(Has(Modes(), options.mode), ErrorCode::kUnsupported, "attention mode '", options.mode,
        "' is not in this build; there are: ", Join(Modes()));
  const std::vector<std::string> fit = KernelsOf(options.mode);
  if (options.kernel != "auto" && !Has(fit, options.kernel)) {
    const bool known = Has(Kernels(), options.kernel);
    base::Fail(ErrorCode::kUnsupported, "attention kernel '", options.kernel, "' ",
               known ? "cannot do mode " + options.mode : "is not in this build", "; there are: auto, ", Join(fit));
  }
  CheckNumber("topk", options.topk, std::numeric_limits<float>::denorm_min(), 1, "more than 0, at most 1");
  CheckNumber("cdf", options.cdf, std::numeric_limits<float>::denorm_min(), 1, "more than 0, at most 1");
  CheckNumber("theta", options.theta, 0, 1, "0 to 1");
  CheckNumber("lambda", options.lambda, std::numeric_limits<float>::lowest(), 0, "a finite number, 0 (off) or less");
  if (!FindSelector(options.selector)) {
    std::vector<std::string> names;
    for (const Selector& selector : Selectors()) names.emplace_back(selector.name);
    base::Fail(ErrorCode::kInvalidInput, "attention: no block selector '", options.selector,
               "'; there are: ", Join(names));
  }
  Check(options.window >= 0, ErrorCode::kInvalidInput, "attention: window is ", options.window,
        ", expected 0 or more key blocks");
}

at::Tensor Attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx) {
  if (ctx.policy) return AttendAsPlanned(q, k, v, ctx);
  static const AttentionOptions defaults;
  const AttentionOptions& options = ctx.options ? *ctx.options : defaults;
  CheckOptions(options);
  const bool dense = options.mode == kDense;
  if (!dense) CheckDevice(q, options.mode);
  MadeCall made;
  MakeCall(q, k, v, ctx, options, made);
  if (!dense) CheckForCore(q, ctx, options.mode);

  CallResults unasked;
  CallResults& results = ctx.results ? *ctx.results : unasked;
  if (ctx.tap && !ctx.results) ctx.tap->Wants(ctx, unasked);
  results = {results.want_lse, results.want_block_map, results.want_counts};
  at::Tensor counts;
  CallClock clock(q.device());
  at::Tensor o = dense ? AttendDense(q, k, v, ctx, options.kernel, made.call, results)
                       : AttendIn8Bits(q, v, options, made, counts, clock, results);
  clock.Stop();
  if (!clock.asynchronous()) results.seconds = clock.Seconds();
  if (results.want_counts && !dense) {
    results.visible_blocks = counts.select(2, 0).contiguous();
    results.kept_blocks = counts.select(2, 1).contiguous();
    results.pv_tiles = counts.select(2, 2).contiguous();
    results.pv_skipped = counts.select(2, 3).contiguous();
  }
  if (ctx.stats) Record(ctx, options.mode, results, std::move(clock), dense ? DenseCounts(made.call) : counts);
  if (ctx.tap) {
    const auto seen = std::chrono::steady_clock::now();
    ctx.tap->Seen({q, k, v, o, ctx, results});
    if (ctx.stats) ctx.stats->AddTapSeconds(SecondsSince(seen));
  }
  return o;
}

}  // namespace attention
