#include "app/attend/measure.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <map>

#include "app/commands/numbers.h"
#include "attention/attention.h"
#include "attention/base/error.h"
#include "attention/cpu/kernels.h"

namespace app {
namespace {

// One contender, called once a round.
struct Variant {
  attention::AttentionOptions options;
  at::Tensor q, k, v;
  std::vector<double> ms, prepare_share;
  attention::CallResults results;  // of the last call

  void Run(bool counts) {
    attention::AttentionContext ctx;
    ctx.options = &options;
    results.want_counts = options.mode != "dense";
    ctx.results = &results;
    const at::Tensor o = attention::Attend(q, k, v, ctx);
    if (!counts) return;
    ms.push_back(1e3 * results.seconds);
    prepare_share.push_back((results.predict_seconds + results.quantize_seconds) / results.seconds);
  }
  double Sum(const at::Tensor& counts) const {
    const int64_t* values = counts.const_data_ptr<int64_t>();
    double sum = 0;
    for (int64_t i = 0; i < counts.numel(); ++i) sum += static_cast<double>(values[i]);
    return sum;
  }
  double kept() const { return Sum(results.kept_blocks); }
  double visible() const { return Sum(results.visible_blocks); }
};

Variant MakeVariant(const std::string& mode, const std::string& kernel, at::ScalarType dtype,
                    const std::vector<at::Tensor>& qkv) {
  Variant variant;
  variant.options.mode = mode;
  variant.options.kernel = kernel;
  variant.q = qkv[0].to(dtype);
  variant.k = qkv[1].to(dtype);
  variant.v = qkv[2].to(dtype);
  return variant;
}

// The measured ceiling of a kernel is that of one thread in registers; taken once a process and kernel.
double CeilingSeconds(const std::string& kernel, const std::string& mode, double product_ops,
                      std::map<std::string, attention::Ceiling>& known) {
  const auto [found, fresh] = known.try_emplace(kernel);
  const attention::Mode of = mode == "dense8" ? attention::Mode::kDense8 : attention::Mode::kSparge;
  if (fresh) found->second = attention::MeasureCeiling(kernel, of);
  const attention::Ceiling& ceiling = found->second;
  return (product_ops / ceiling.qk_gops + product_ops / ceiling.pv_gops) / 1e9 / at::get_num_threads();
}

}  // namespace

std::vector<MeasuredRow> MeasureAttention(const MeasureRequest& request, const std::function<void()>& poll) {
  const c10::InferenceMode inference;
  at::Generator generator = at::detail::createCPUGenerator(42);
  std::vector<at::Tensor> qkv;
  for (int i = 0; i < 3; ++i) {
    qkv.push_back(at::randn({1, request.heads, request.tokens, request.head_dim}, generator,
                            at::TensorOptions().dtype(at::kFloat)));
  }
  const at::ScalarType dtype = request.dtype == "bfloat16"  ? at::kBFloat16
                               : request.dtype == "float16" ? at::kHalf
                                                            : at::kFloat;
  // dense8 first: what the rates of the others are compared with, also where no row asks for it.
  std::vector<Variant> variants = {MakeVariant("dense8", request.kernel, dtype, qkv),
                                   MakeVariant("dense", "sdpa", at::kBFloat16, qkv),
                                   MakeVariant("dense", "sdpa", at::kFloat, qkv)};
  for (int64_t percent : request.skip) {
    if (percent == 0) continue;
    variants.push_back(MakeVariant("sparge", request.kernel, dtype, qkv));
    variants.back().options.topk = 1.0 - static_cast<double>(percent) / 100.0;
    variants.back().options.theta = 0;  // so that top-k alone decides
  }
  for (int round = 0; round <= request.repeat; ++round) {
    for (Variant& variant : variants) {
      poll();
      variant.Run(round > 0);
    }
  }

  std::map<std::string, attention::Ceiling> ceilings;
  const double dense8_rate = variants[0].kept() / Median(variants[0].ms);
  std::vector<MeasuredRow> rows;
  size_t next = 3;
  for (int64_t percent : request.skip) {
    const Variant& variant = percent == 0 ? variants[0] : variants[next++];
    MeasuredRow row;
    row.mode = variant.options.mode;
    row.kernel = variant.results.kernel;
    row.tokens = request.tokens;
    row.head_dim = request.head_dim;
    row.skipped = 1 - variant.kept() / variant.visible();
    row.ms = Median(variant.ms);
    row.sdpa_bf16_ms = Median(variants[1].ms);
    row.sdpa_f32_ms = Median(variants[2].ms);
    const double product_ops = 2.0 * static_cast<double>(request.tokens) * static_cast<double>(request.tokens) *
                               static_cast<double>(request.head_dim * request.heads) * (1 - row.skipped);
    row.gops = 2 * product_ops / row.ms / 1e6;
    row.ceiling_share = CeilingSeconds(row.kernel, row.mode, product_ops, ceilings) * 1e3 / row.ms;
    row.prepare_share = Median(variant.prepare_share);
    row.rate = variant.kept() / row.ms / dense8_rate;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace app
