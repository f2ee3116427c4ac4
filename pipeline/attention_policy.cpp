#include "pipeline/attention_policy.h"

#include <ATen/Functions.h>

#include <algorithm>

#include "attention/base/error.h"

namespace pipeline {
namespace {

using attention::AttentionContext;
using attention::CallPlan;
using attention::Kind;

constexpr const char* kDense = "dense";
constexpr const char* kAuto = "auto";

bool Does(const std::string& mode, const std::string& kernel) {
  const std::vector<std::string> kernels = attention::KernelsOf(mode);
  return kernel == kAuto || std::find(kernels.begin(), kernels.end(), kernel) != kernels.end();
}

std::string Joined(const std::string& why, const std::string& more) { return why.empty() ? more : why + "; " + more; }

// What keeps the modes other than dense from a call; "": nothing.
std::string WhyOnlyDense(const at::Tensor& q) {
  const std::string why = attention::WhyOnlyDense(q.device());
  if (!why.empty()) return why;
  if (q.size(3) > attention::kWidestHead) {
    return base::StrCat("8-bit kernels take heads of up to ", attention::kWidestHead, " channels, not ", q.size(3));
  }
  const at::ScalarType dtype = q.scalar_type();
  if (dtype != at::kFloat && dtype != at::kBFloat16 && dtype != at::kHalf) {
    return base::StrCat("8-bit kernels take Float, BFloat16 and Half, not ", dtype);
  }
  return "";
}

// Leaves the plan as it is, or turns it into dense where its mode cannot run and no kernel insists.
void FallBackToDense(const at::Tensor& q, CallPlan& plan) {
  if (plan.options.mode == kDense || plan.options.kernel != kAuto) return;
  const std::string why = WhyOnlyDense(q);
  if (why.empty()) return;
  plan.why = Joined(plan.why, base::StrCat(plan.options.mode, " is not possible: ", why));
  plan.fallback = true;
  plan.options.mode = kDense;
}

at::Tensor PerHead(const std::vector<float>& values) {
  if (values.empty()) return {};
  return at::from_blob(const_cast<float*>(values.data()), {static_cast<int64_t>(values.size())}, at::kFloat).clone();
}

}  // namespace

bool CrossRunsDense8(int64_t query_length, int64_t key_length, const attention::CPUFeatures& features) {
  return features.avx2 && query_length >= attention::kRowGroup && key_length >= attention::kKeyBlock;
}

CallPlan AttentionPolicy::PlanSelf(const AttentionContext& ctx, const at::Tensor& q) const {
  PlannedAttention planned = plan_->At(ctx.step, ctx.layer);
  CallPlan plan;
  plan.options = std::move(planned.options);
  plan.why = std::move(planned.why);
  if (!Does(plan.options.mode, plan.options.kernel)) plan.options.kernel = kAuto;  // named for another mode
  FallBackToDense(q, plan);
  if (plan.options.mode == kDense) return plan;
  if (ctx.layout.text) {
    plan.options.keep_keys = plan.options.keep_queries = {ctx.layout.text->first, ctx.layout.text->second};
  }
  plan.topk = PerHead(planned.topk);
  plan.cdf = PerHead(planned.cdf);
  plan.theta = PerHead(planned.theta);
  plan.lambda = PerHead(planned.lambda);
  const BlockMap map = plan_->MapAt(ctx.step, ctx.layer);
  if (map.data && plan.options.mode != "dense8") {
    plan.block_map =
        at::from_blob(const_cast<uint8_t*>(map.data), {1, map.heads, map.query_blocks, map.key_blocks}, at::kByte)
            .expand({q.size(0), -1, -1, -1});
    plan.why = Joined(plan.why, "its block map is given");
  }
  return plan;
}

CallPlan AttentionPolicy::PlanCross(const AttentionContext& ctx, const at::Tensor& q, const at::Tensor& k) const {
  const attention::AttentionOptions of_self = plan_->At(ctx.step, ctx.layer).options;
  CallPlan plan;
  if (of_self.mode == kDense || of_self.mode == "sparge_exact") {  // exact arithmetic is asked for
    if (Does(kDense, of_self.kernel)) plan.options.kernel = of_self.kernel;
    return plan;
  }
  if (of_self.kernel != kAuto && Does("dense8", of_self.kernel)) {
    plan.options.mode = "dense8";
    plan.options.kernel = of_self.kernel;
    return plan;
  }
  const bool dense8 = q.is_cpu() && WhyOnlyDense(q).empty() &&
                      CrossRunsDense8(q.size(2), k.size(2), attention::DetectCPUFeatures());
  plan.options.mode = dense8 ? "dense8" : kDense;
  plan.why = base::StrCat("the faster for cross-attention of ", q.size(2), " x ", k.size(2));
  return plan;
}

CallPlan AttentionPolicy::Plan(const AttentionContext& ctx, const at::Tensor& q, const at::Tensor& k) const {
  CallPlan plan;  // dense, whatever kernel does it
  if (ctx.kind == Kind::kText || ctx.kind == Kind::kVAE) return plan;
  if (!dense_because_.empty()) {
    plan.why = dense_because_;
    plan.fallback = true;
    return plan;
  }
  return ctx.kind == Kind::kCross ? PlanCross(ctx, q, k) : PlanSelf(ctx, q);
}

std::string FallBackNotice(const attention::StatsRecorder& stats) {
  int64_t calls = 0;
  std::string reason;
  for (const attention::CallRecord& call : stats.denoising_calls()) {
    const bool again = std::any_of(stats.redone().begin(), stats.redone().end(),
                                   [&](const attention::Redo& redo) { return redo.step == call.step; });
    if (again || !call.fallback || call.mode != kDense) continue;
    if (calls++ == 0) reason = call.reason;
  }
  if (calls == 0) return "";
  return base::StrCat(calls, " of ", stats.denoising_calls().size(), " attention calls ran dense: ", reason);
}

}  // namespace pipeline
