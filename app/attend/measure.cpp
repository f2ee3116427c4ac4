#include "app/attend/measure.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <map>

#include "app/commands/numbers.h"
#include "attention/attention.h"
#include "attention/base/error.h"
#include "attention/call_clock.h"
#include "attention/cpu/kernels.h"
#include "attention/stats.h"
#include "pipeline/runtime.h"

namespace app {
namespace {

// libtorch's SDPA on CUDA, by one back end.
struct BackEnd {
  const char* name;
  bool cudnn, flash;
};
constexpr BackEnd kBackEnds[] = {{"cudnn", true, false}, {"flash", false, true}};

// libtorch's choice of back end, for a while.
class OnlyBackEnd {
 public:
  explicit OnlyBackEnd(const BackEnd* back_end) : back_end_(back_end) {
    if (back_end_ != nullptr) Allow(back_end_->cudnn, back_end_->flash, false);
  }
  ~OnlyBackEnd() {
    if (back_end_ != nullptr) Allow(true, true, true);
  }
  OnlyBackEnd(const OnlyBackEnd&) = delete;
  OnlyBackEnd& operator=(const OnlyBackEnd&) = delete;

 private:
  static void Allow(bool cudnn, bool flash, bool others) {
    at::Context& context = at::globalContext();
    context.setSDPUseCuDNN(cudnn);
    context.setSDPUseFlash(flash);
    context.setSDPUseMemEfficient(others);
    context.setSDPUseMath(others);
  }
  const BackEnd* back_end_;
};

// One contender, called once a round.
struct Variant {
  attention::AttentionOptions options;
  at::Tensor q, k, v;
  const BackEnd* back_end = nullptr;
  std::vector<double> ms, prepare_share;
  attention::CallResults results;  // of the last call
  attention::CallRecord record;    // likewise

  void Run(bool counts) {
    const OnlyBackEnd only(back_end);
    attention::StatsRecorder stats;
    attention::AttentionContext ctx;
    ctx.options = &options;
    ctx.stats = &stats;
    ctx.results = &results;
    const at::Tensor o = attention::Attend(q, k, v, ctx);
    stats.Settle();
    record = stats.denoising_calls().back();
    if (!counts) return;
    ms.push_back(1e3 * record.seconds);
    prepare_share.push_back((record.predict_seconds + results.quantize_seconds) / record.seconds);
  }
  static double Sum(const std::vector<int64_t>& counts) {
    double sum = 0;
    for (int64_t count : counts) sum += static_cast<double>(count);
    return sum;
  }
  double kept() const { return Sum(record.kept_blocks); }
  double visible() const { return Sum(record.visible_blocks); }
};

Variant MakeVariant(const std::string& mode, const std::string& kernel, at::ScalarType dtype,
                    const std::vector<at::Tensor>& qkv, const BackEnd* back_end = nullptr) {
  Variant variant;
  variant.back_end = back_end;
  variant.options.mode = mode;
  variant.options.kernel = kernel;
  variant.q = qkv[0].to(dtype);
  variant.k = qkv[1].to(dtype);
  variant.v = qkv[2].to(dtype);
  return variant;
}

// libtorch's own matrix products of 8192 x 8192 x 8192 on the device, in operations a second: what the two products of
// a call may hope for. The second in bfloat16, which every device has.
struct DeviceCeiling {
  double qk = 0, pv = 0;
};

DeviceCeiling MeasureDeviceCeiling(const at::Device& device) {
  constexpr int64_t kSize = 8192;
  const at::TensorOptions options = at::TensorOptions().device(device);
  const at::Tensor a8 = at::randint(-127, 128, {kSize, kSize}, options.dtype(at::kChar));
  const at::Tensor a16 = at::randn({kSize, kSize}, options.dtype(at::kBFloat16));
  const auto rate = [&](const auto& product) {
    std::vector<double> seconds;
    for (int round = 0; round < 8; ++round) {
      attention::CallClock clock(device);
      product();
      clock.Stop();
      if (round > 2) seconds.push_back(clock.Seconds());
    }
    return 2.0 * kSize * kSize * kSize / Median(seconds);
  };
  return {rate([&] { at::_int_mm(a8, a8.t()); }), rate([&] { at::matmul(a16, a16.t()); })};
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

// The call's scores in INT8, P·V in whatever its kernel takes: bfloat16's rate or twice that.
double DeviceCeilingSeconds(const DeviceCeiling& ceiling, double product_ops) {
  return product_ops / ceiling.qk + product_ops / ceiling.pv;
}

}  // namespace

size_t MeasuredRow::best_peer() const {
  return static_cast<size_t>(std::min_element(sdpa_ms.begin(), sdpa_ms.end()) - sdpa_ms.begin());
}

std::vector<std::string> MeasurePeers(const std::string& device) {
  if (device == "cpu") return {"bfloat16", "float32"};
  std::vector<std::string> names;
  for (const BackEnd& back_end : kBackEnds) names.emplace_back(back_end.name);
  return names;
}

std::vector<MeasuredRow> MeasureAttention(const MeasureRequest& request, const std::function<void()>& poll) {
  const c10::InferenceMode inference;
  const at::Device device = pipeline::Runtime::Choose({request.device, "float32", 0}).device;
  at::Generator generator = at::detail::createCPUGenerator(42);
  std::vector<at::Tensor> qkv;
  for (int i = 0; i < 3; ++i) {
    qkv.push_back(at::randn({1, request.heads, request.tokens, request.head_dim}, generator,
                            at::TensorOptions().dtype(at::kFloat))
                      .to(device));
  }
  const at::ScalarType dtype = request.dtype == "bfloat16"  ? at::kBFloat16
                               : request.dtype == "float16" ? at::kHalf
                                                            : at::kFloat;
  // dense8 first: what the rates of the others are compared with, also where no row asks for it.
  std::vector<Variant> variants = {MakeVariant("dense8", request.kernel, dtype, qkv)};
  if (device.is_cpu()) {
    variants.push_back(MakeVariant("dense", "sdpa", at::kBFloat16, qkv));
    variants.push_back(MakeVariant("dense", "sdpa", at::kFloat, qkv));
  } else {
    for (const BackEnd& back_end : kBackEnds)
      variants.push_back(MakeVariant("dense", "sdpa", at::kBFloat16, qkv, &back_end));
  }
  const size_t peers_end = variants.size();
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
  const DeviceCeiling device_ceiling = device.is_cpu() ? DeviceCeiling() : MeasureDeviceCeiling(device);
  const double dense8_rate = variants[0].kept() / Median(variants[0].ms);
  std::vector<MeasuredRow> rows;
  size_t next = peers_end;
  for (int64_t percent : request.skip) {
    const Variant& variant = percent == 0 ? variants[0] : variants[next++];
    MeasuredRow row;
    row.mode = variant.options.mode;
    row.kernel = variant.results.kernel;
    row.tokens = request.tokens;
    row.head_dim = request.head_dim;
    row.skipped = 1 - variant.kept() / variant.visible();
    row.ms = Median(variant.ms);
    for (size_t peer = 1; peer < peers_end; ++peer) row.sdpa_ms.push_back(Median(variants[peer].ms));
    const double product_ops = 2.0 * static_cast<double>(request.tokens) * static_cast<double>(request.tokens) *
                               static_cast<double>(request.head_dim * request.heads) * (1 - row.skipped);
    row.gops = 2 * product_ops / row.ms / 1e6;
    const double least = device.is_cpu() ? CeilingSeconds(row.kernel, row.mode, product_ops, ceilings)
                                         : DeviceCeilingSeconds(device_ceiling, product_ops);
    row.ceiling_share = least * 1e3 / row.ms;
    row.prepare_share = Median(variant.prepare_share);
    row.rate = variant.kept() / row.ms / dense8_rate;
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace app
