#pragma once

#include "attention/cuda/attend/attend.cuh"
#include "attention/cuda/exact/attend_exact.cuh"
#include "attention/cuda/plan.h"
#include "attention/cuda/prologue/quantize.cuh"
#include "attention/cuda/prologue/select.cuh"
#include "attention/cuda/prologue/sum_keys.cuh"

// Which kernel a step is. A kernel is a type K: K::Params, K::kThreads, K::kMinBlocks (of a multiprocessor, for the
// compiler), and K::Body(params).
namespace attention::cuda {

template <class Kernel>
struct KernelTag {
  using Type = Kernel;
};

// Calls visit(KernelTag<K>{}, params) with the one K of the step. A translation unit that has only some of them calls
// one of the parts.
template <template <int> class Kernel, class Params, class Visit>
void VisitPassWidth(int width, const Params& params, Visit&& visit) {
  if (width == 64) return visit(KernelTag<Kernel<64>>{}, params);
  if (width == 128) return visit(KernelTag<Kernel<128>>{}, params);
  return visit(KernelTag<Kernel<256>>{}, params);
}
template <PV kPV, class Visit>
void VisitAttend(const LaunchStep& step, Visit&& visit) {
  const auto& params = std::get<AttendParams>(step.params);
  if (step.width == 64) return visit(KernelTag<Attend<kPV, 64>>{}, params);
  if (step.width == 128) return visit(KernelTag<Attend<kPV, 128>>{}, params);
  return visit(KernelTag<Attend<kPV, 256>>{}, params);
}
template <class Visit>
void VisitExact(const LaunchStep& step, Visit&& visit) {
  const auto& params = std::get<ExactParams>(step.params);
  if (step.width == 64) return visit(KernelTag<AttendExact<64>>{}, params);
  if (step.width == 128) return visit(KernelTag<AttendExact<128>>{}, params);
  return visit(KernelTag<AttendExact<256>>{}, params);
}
// False: a kernel of the second stage.
template <class Visit>
bool VisitPrologue(const LaunchStep& step, Visit&& visit) {
  if (const auto* sums = std::get_if<SumKeysParams>(&step.params)) {
    VisitPassWidth<SumKeys>(step.width, *sums, visit);
  } else if (const auto* finish = std::get_if<FinishKeysParams>(&step.params)) {
    visit(KernelTag<FinishKeys>{}, *finish);
  } else if (const auto* quantize = std::get_if<QuantizeParams>(&step.params)) {
    VisitPassWidth<Quantize>(step.width, *quantize, visit);
  } else if (const auto* score = std::get_if<ScoreParams>(&step.params)) {
    visit(KernelTag<ScoreBlocks>{}, *score);
  } else if (const auto* select = std::get_if<SelectParams>(&step.params)) {
    visit(KernelTag<SelectBlocks>{}, *select);
  } else if (const auto* order = std::get_if<OrderParams>(&step.params)) {
    visit(KernelTag<OrderRows>{}, *order);
  } else {
    return false;
  }
  return true;
}

#if !defined(__CUDACC__)
// Every kernel: for the emulator.
template <class Visit>
void VisitKernel(const LaunchStep& step, Visit&& visit) {
  if (VisitPrologue(step, visit)) return;
  if (std::holds_alternative<ExactParams>(step.params)) return VisitExact(step, visit);
  if (step.pv == PV::kFloat16) return VisitAttend<PV::kFloat16>(step, visit);
  if (step.pv == PV::kBFloat16) return VisitAttend<PV::kBFloat16>(step, visit);
  return VisitAttend<PV::kE4M3>(step, visit);
}
#endif

}  // namespace attention::cuda
