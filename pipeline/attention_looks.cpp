#include "pipeline/attention_looks.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <filesystem>
#include <optional>
#include <utility>

#include "attention/attention.h"
#include "attention/base/error.h"
#include "pipeline/weights/safetensors.h"

namespace pipeline {
namespace {

using attention::AttentionContext;
using attention::AttentionOptions;
using attention::SeenCall;

// The same call in another mode, for nobody but the caller.
at::Tensor Again(const SeenCall& call, const std::string& mode, bool float32,
                 attention::CallResults* results = nullptr) {
  AttentionOptions options = call.ctx.options ? *call.ctx.options : AttentionOptions();
  if (options.mode != mode) options.kernel = "auto";
  options.mode = mode;
  AttentionContext ctx = call.ctx;
  ctx.options = &options;
  ctx.stats = nullptr;
  ctx.tap = nullptr;
  ctx.results = results;
  if (!float32) return attention::Attend(call.q, call.k, call.v, ctx);
  return attention::Attend(call.q.to(at::kFloat), call.k.to(at::kFloat), call.v.to(at::kFloat), ctx);
}

// Σ|a − b| / Σ|base| a head; 0 where both are 0.
std::vector<double> RelativeL1(const at::Tensor& a, const at::Tensor& b, const at::Tensor& base) {
  const at::Tensor difference = (a.to(at::kDouble) - b.to(at::kDouble)).abs().sum({0, 2, 3});
  const at::Tensor size = base.to(at::kDouble).abs().sum({0, 2, 3});
  std::vector<double> heads;
  for (int64_t h = 0; h < size.size(0); ++h) {
    const double d = difference[h].item<double>(), s = size[h].item<double>();
    heads.push_back(d == 0 ? 0 : d / s);
  }
  return heads;
}

bool IsLookedAt(const SeenCall& call, const Places& places) {
  const bool self = call.ctx.kind == attention::Kind::kSelf || call.ctx.kind == attention::Kind::kJoint;
  return self && call.ctx.step >= 0 && places.Has(call.ctx.step, call.ctx.layer);
}

DType FileType(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return DType::kF32;
    case at::kBFloat16:
      return DType::kBF16;
    case at::kHalf:
      return DType::kF16;
    case at::kByte:
      return DType::kU8;
    default:
      base::Fail(base::ErrorCode::kInternal, "a dump of ", type);
  }
}

}  // namespace

class AttentionAudit::Tap : public attention::CallTap {
 public:
  explicit Tap(std::optional<Places> places) : places_(std::move(places)) {}

  void Seen(const SeenCall& call) override {
    const bool asked = also_.count(call.ctx.step) > 0 && IsLookedAt(call, {});
    if (!asked && !(places_ && IsLookedAt(call, *places_))) return;
    AuditedCall audited;
    audited.step = call.ctx.step;
    audited.layer = call.ctx.layer;
    audited.kind = call.ctx.kind;
    audited.pass = call.ctx.pass;
    audited.mode = call.ctx.options ? call.ctx.options->mode : AttentionOptions().mode;
    const at::Tensor dense = Again(call, "dense", /*float32=*/true);
    // Without skipping, exact arithmetic is the dense one.
    const bool sparse = audited.mode == "sparge" || audited.mode == "sparge_exact";
    const at::Tensor exact = sparse ? Again(call, "sparge_exact", /*float32=*/true) : dense;
    audited.total = RelativeL1(call.o, dense, dense);
    audited.skipping = RelativeL1(exact, dense, dense);
    audited.eight_bit = RelativeL1(call.o, exact, dense);
    audited.dense8 = RelativeL1(Again(call, "dense8", /*float32=*/false), dense, dense);
    // A step that runs again replaces what it did before.
    std::erase_if(calls_, [&](const AuditedCall& c) {
      return c.step == audited.step && c.layer == audited.layer && c.kind == audited.kind && c.pass == audited.pass;
    });
    calls_.push_back(std::move(audited));
  }

  std::optional<Places> places_;
  std::set<int64_t> also_;
  std::vector<AuditedCall> calls_;
};

AttentionAudit::AttentionAudit(Places places) : tap_(std::make_unique<Tap>(std::move(places))) {}
AttentionAudit::AttentionAudit() : tap_(std::make_unique<Tap>(std::nullopt)) {}
void AttentionAudit::Also(int64_t step) { tap_->also_.insert(step); }
AttentionAudit::~AttentionAudit() = default;
AttentionAudit::AttentionAudit(AttentionAudit&&) noexcept = default;
attention::CallTap* AttentionAudit::tap() { return tap_.get(); }
const std::vector<AuditedCall>& AttentionAudit::calls() const { return tap_->calls_; }

class AttentionDump::Tap : public attention::CallTap {
 public:
  Tap(std::string folder, std::set<std::string> what, Places places)
      : folder_(std::move(folder)), what_(std::move(what)), places_(std::move(places)) {}

  void Seen(const SeenCall& call) override {
    if (!IsLookedAt(call, places_)) return;
    attention::CallResults results;
    const std::string mode = call.ctx.options ? call.ctx.options->mode : AttentionOptions().mode;
    results.want_lse = what_.count("lse") > 0;
    results.want_block_map = what_.count("map") > 0 && mode != "dense";
    if (results.want_lse || results.want_block_map) Again(call, mode, /*float32=*/false, &results);

    std::vector<at::Tensor> kept;  // until they are written
    std::vector<TensorData> tensors;
    const auto add = [&](const char* what, const char* name, const at::Tensor& tensor) {
      if (what_.count(what) == 0 || !tensor.defined()) return;
      kept.push_back(tensor.to(at::kCPU).contiguous());
      tensors.push_back(
          {name, FileType(tensor.scalar_type()), kept.back().sizes().vec(), kept.back().const_data_ptr()});
    };
    add("q", "q", call.q);
    add("k", "k", call.k);
    add("v", "v", call.v);
    add("o", "o", call.o);
    add("lse", "lse", results.lse);
    add("map", "block_map", results.block_map);
    const std::string path = base::StrCat(folder_, "/s", call.ctx.step, "_l", call.ctx.layer, "_",
                                          attention::PassName(call.ctx.pass), ".safetensors");
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    base::Check(!error, base::ErrorCode::kIo, "cannot make the folder ", folder_, ": ", error.message());
    WriteTensors(path, std::move(tensors), {{"mode", mode}, {"kernel", call.results.kernel}});
    ++files_;
  }

  std::string folder_;
  std::set<std::string> what_;
  Places places_;
  int64_t files_ = 0;
};

AttentionDump::AttentionDump(std::string folder, std::set<std::string> what, Places places)
    : tap_(std::make_unique<Tap>(std::move(folder), std::move(what), std::move(places))) {}
AttentionDump::~AttentionDump() = default;
AttentionDump::AttentionDump(AttentionDump&&) noexcept = default;
attention::CallTap* AttentionDump::tap() { return tap_.get(); }
int64_t AttentionDump::files() const { return tap_->files_; }

class AttentionTaps::Tap : public attention::CallTap {
 public:
  void Wants(const AttentionContext& ctx, attention::CallResults& results) override {
    for (attention::CallTap* tap : taps_) tap->Wants(ctx, results);
  }
  void Seen(const SeenCall& call) override {
    for (attention::CallTap* tap : taps_) tap->Seen(call);
  }
  std::vector<attention::CallTap*> taps_;
};

AttentionTaps::AttentionTaps() : tap_(std::make_unique<Tap>()) {}
AttentionTaps::~AttentionTaps() = default;
void AttentionTaps::Add(attention::CallTap* tap) { tap_->taps_.push_back(tap); }
attention::CallTap* AttentionTaps::tap() { return tap_->taps_.empty() ? nullptr : tap_.get(); }

}  // namespace pipeline
