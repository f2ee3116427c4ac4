#include "attention/make_call.h"

#include <algorithm>
#include <cmath>

#include "attention/base/error.h"

namespace attention {
namespace {

using base::Check;
using base::ErrorCode;

constexpr float kDefaultTopK = 0.5f;

void CheckTensors(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  Check(q.dim() == 4 && k.dim() == 4 && v.dim() == 4, ErrorCode::kInvalidInput, "attention: got q ", q.sizes(), ", k ",
        k.sizes(), ", v ", v.sizes(), ", expected four dimensions [B, H, L, D] each");
  const bool fits = q.size(0) == k.size(0) && q.size(0) == v.size(0) && k.size(1) == v.size(1) &&
                    k.size(2) == v.size(2) && q.size(3) == k.size(3) && k.size(1) > 0 && q.size(1) % k.size(1) == 0 &&
                    q.numel() > 0 && k.numel() > 0 && v.size(3) > 0;
  Check(fits, ErrorCode::kInvalidInput, "attention: got q ", q.sizes(), ", k ", k.sizes(), ", v ", v.sizes(),
        ", expected q [B, Hq, Lq, D], k [B, Hkv, Lkv, D], v [B, Hkv, Lkv, Dv], none empty, Hq divisible by Hkv");
  Check(q.scalar_type() == k.scalar_type() && q.scalar_type() == v.scalar_type() && q.is_floating_point(),
        ErrorCode::kInvalidInput, "attention: got dtypes ", q.scalar_type(), ", ", k.scalar_type(), ", ",
        v.scalar_type(), " for q, k, v, expected one floating dtype");
  Check(q.device() == k.device() && q.device() == v.device(), ErrorCode::kInvalidInput,
        "attention: q, k and v are on different devices");
}

// What stands beside q, k and v; undefined is fine.
void CheckBeside(const at::Tensor& tensor, const char* name, at::ScalarType dtype, at::IntArrayRef sizes) {
  if (!tensor.defined()) return;
  Check(tensor.sizes() == sizes && tensor.scalar_type() == dtype, ErrorCode::kInvalidInput, "attention: ", name, " is ",
        tensor.scalar_type(), " ", tensor.sizes(), ", expected ", dtype, " ", sizes);
  Check(tensor.device().is_cpu(), ErrorCode::kInvalidInput, "attention: ", name, " is on ", tensor.device().str(),
        ", expected in host memory");
}

std::vector<HeadParameters> Heads(const AttentionContext& ctx, const AttentionOptions& options, int64_t num_heads) {
  std::vector<HeadParameters> heads(static_cast<size_t>(num_heads));
  // What the head's own tensor gives, else the option, else `otherwise`.
  const auto set = [&](float HeadParameters::*field, const at::Tensor& tensor, const std::optional<double>& option,
                       float otherwise) {
    const at::Tensor own = tensor.defined() ? tensor.contiguous() : tensor;
    const float* values = own.defined() ? own.const_data_ptr<float>() : nullptr;
    for (size_t h = 0; h < heads.size(); ++h) {
      const bool given = values && !std::isnan(values[h]);
      heads[h].*field = given ? values[h] : option ? static_cast<float>(*option) : otherwise;
    }
  };
  const HeadParameters defaults;
  set(&HeadParameters::topk, ctx.topk, options.topk, HeadParameters::kNone);
  set(&HeadParameters::cdf, ctx.cdf, options.cdf, HeadParameters::kNone);
  set(&HeadParameters::theta, ctx.theta, options.theta, defaults.theta);
  set(&HeadParameters::lambda, ctx.lambda, options.lambda, defaults.lambda);
  for (HeadParameters& head : heads) {
    if (std::isnan(head.topk) && std::isnan(head.cdf)) head.topk = kDefaultTopK;
  }
  return heads;
}

TensorView ViewOf(const at::Tensor& x) {
  return {x.const_data_ptr(), {x.stride(0), x.stride(1), x.stride(2), x.stride(3)}};
}

Mode ModeOf(const std::string& name) {
  return name == "sparge" ? Mode::kSparge : name == "sparge_exact" ? Mode::kSpargeExact : Mode::kDense8;
}

}  // namespace

void MakeCall(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const AttentionContext& ctx,
              const AttentionOptions& options, MadeCall& made) {
  CheckTensors(q, k, v);
  Call& call = made.call;
  call.mode = ModeOf(options.mode);
  call.dtype = q.scalar_type() == at::kBFloat16 ? DType::kBFloat16
               : q.scalar_type() == at::kHalf   ? DType::kFloat16
                                                : DType::kFloat32;
  call.shape = {q.size(0), q.size(1), k.size(1), q.size(2), k.size(2), q.size(3), v.size(3)};
  call.q = ViewOf(q);
  call.k = ViewOf(k);
  call.v = ViewOf(v);
  call.scale = ctx.scale ? *ctx.scale : 1.0 / std::sqrt(static_cast<double>(q.size(3)));
  call.causal = ctx.causal;

  const Shape& s = call.shape;
  CheckBeside(ctx.key_lengths, "key_lengths", at::kLong, {s.batch});
  CheckBeside(ctx.block_map, "block_map", at::kByte, {s.batch, s.query_heads, s.query_blocks(), s.key_blocks()});
  CheckBeside(ctx.topk, "topk", at::kFloat, {s.query_heads});
  CheckBeside(ctx.cdf, "cdf", at::kFloat, {s.query_heads});
  CheckBeside(ctx.theta, "theta", at::kFloat, {s.query_heads});
  CheckBeside(ctx.lambda, "lambda", at::kFloat, {s.query_heads});
  if (ctx.key_lengths.defined()) {
    made.key_lengths = ctx.key_lengths.contiguous();
    call.key_lengths = made.key_lengths.const_data_ptr<int64_t>();
  }
  if (ctx.block_map.defined()) {
    made.block_map = ctx.block_map.contiguous();
    call.block_map = made.block_map.const_data_ptr<uint8_t>();
  }
  made.heads = Heads(ctx, options, s.query_heads);
  call.heads = made.heads.data();
  call.selector = options.selector;
  call.window = options.window;
  call.sink = options.sink;
  call.keep_keys = options.keep_keys;
  call.keep_queries = options.keep_queries;

  Call checked = call;
  checked.o.data = const_cast<void*>(call.q.data);  // only looked at, not into
  if (options.mode == "dense") {                    // which takes heads of any width
    checked.shape.head_dim = std::min(s.head_dim, kWidestHead);
    checked.shape.value_dim = std::min(s.value_dim, kWidestHead);
  }
  CheckCall(checked);
}

}  // namespace attention
