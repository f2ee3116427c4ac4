#include "attention/stats.h"

#include <numeric>

#include "attention/base/error.h"

namespace attention {

const char* KindName(Kind kind) {
  switch (kind) {
    case Kind::kSelf:
      return "self";
    case Kind::kCross:
      return "cross";
    case Kind::kJoint:
      return "joint";
    case Kind::kText:
      return "text";
    case Kind::kVAE:
      return "vae";
  }
  base::Fail(base::ErrorCode::kInternal, "attention kind ", static_cast<int>(kind));
}

const char* PassName(Pass pass) { return pass == Pass::kCond ? "cond" : "uncond"; }

void StatsRecorder::Add(CallRecord record, std::shared_ptr<LateRecord> late) {
  if (late == nullptr && queued_.empty()) return TakeIn(std::move(record));
  queued_.emplace_back(std::move(record), std::move(late));
}

void StatsRecorder::Settle() {
  for (auto& [record, late] : queued_) {
    if (late != nullptr) late->Settle(record);
    TakeIn(std::move(record));
  }
  queued_.clear();
}

void StatsRecorder::TakeIn(CallRecord record) {
  ++calls_by_kernel_[record.kernel];
  ++calls_by_mode_[record.mode];
  seconds_ += record.seconds;
  if (record.fallback) ++fallbacks_[{record.step, record.layer, record.kind, record.kernel, record.reason}];
  const bool denoising = record.kind == Kind::kSelf || record.kind == Kind::kJoint;
  if (denoising) denoising_calls_.push_back(std::move(record));
}

void StatsRecorder::Clear() { *this = StatsRecorder(); }

void StatsRecorder::Append(const StatsRecorder& later) {
  denoising_calls_.insert(denoising_calls_.end(), later.denoising_calls_.begin(), later.denoising_calls_.end());
  for (const auto& [kernel, calls] : later.calls_by_kernel_) calls_by_kernel_[kernel] += calls;
  for (const auto& [mode, calls] : later.calls_by_mode_) calls_by_mode_[mode] += calls;
  for (const auto& [place, calls] : later.fallbacks_) fallbacks_[place] += calls;
  redone_.insert(redone_.end(), later.redone_.begin(), later.redone_.end());
  seconds_ += later.seconds_;
  tap_seconds_ += later.tap_seconds_;
}

void StatsRecorder::AddRedo(int step, const std::string& reason, const StatsRecorder& dropped) {
  int64_t calls = 0;
  for (const auto& [mode, count] : dropped.calls_by_mode_) calls += count;
  redone_.push_back({step, reason, calls, dropped.seconds_});
  seconds_ += dropped.seconds_;
  tap_seconds_ += dropped.tap_seconds_;
}

std::vector<Fallback> StatsRecorder::fallbacks() const {
  std::vector<Fallback> out;
  for (const auto& [key, calls] : fallbacks_) {
    const auto& [step, layer, kind, kernel, reason] = key;
    out.push_back({step, layer, kind, kernel, reason, calls});
  }
  return out;
}

double StatsRecorder::sparsity() const {
  int64_t visible = 0, kept = 0, tiles = 0, skipped = 0;
  auto sum = [](const std::vector<int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), int64_t{0});
  };
  for (const CallRecord& call : denoising_calls_) {
    visible += sum(call.visible_blocks);
    kept += sum(call.kept_blocks);
    tiles += sum(call.pv_tiles);
    skipped += sum(call.pv_skipped);
  }
  if (visible == 0 || tiles == 0) return 0;
  const double executed = 1.0 + static_cast<double>(tiles - skipped) / static_cast<double>(tiles);
  return 1.0 - static_cast<double>(kept) / static_cast<double>(visible) * executed / 2.0;
}

}  // namespace attention
