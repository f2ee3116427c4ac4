#include "app/job/run.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <optional>

#include "app/job/attention.h"
#include "app/job/files.h"
#include "app/job/latent_rgb_cache.h"
#include "app/job/live_looks.h"
#include "app/job/memory.h"
#include "app/job/preview_budget.h"
#include "app/job/sidecar.h"
#include "attention/base/atomic_file.h"
#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

using base::ErrorCode;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

pipeline::Request RequestOf(const Job& job) {
  const EffectiveSettings& s = job.settings;
  pipeline::Request request;
  request.prompt = s.Text("prompt");
  request.negative_prompt = s.TextOr("negative_prompt", "");
  request.width_px = s.Int("width");
  request.height_px = s.Int("height");
  request.num_frames = s.Int("frames");
  request.num_steps = s.Int("steps");
  request.max_sequence_length = s.Int("max_sequence_length");
  request.guidance = s.Number("guidance");
  request.seed = s.Int("seed");
  const std::string scheduler = s.TextOr("scheduler", "");
  request.scheduler = scheduler == job.model.scheduler ? "" : scheduler;
  if (s.IsSet("flow_shift")) request.flow_shift = s.Number("flow_shift");
  request.attention = job.attention;
  return request;
}

namespace {

bool IsTensors(const std::string& path) { return pipeline::KindOfOutput(path) == pipeline::OutputKind::kTensors; }

// From noise, the VAE's own factors decide what comes out; a folder whose config says other factors than its layers
// have gives other sizes than were asked for, in diffusers too.
void CheckFrames(const Job& job, const pipeline::HostTensor& frames, JobObserver& observer) {
  const EffectiveSettings& s = job.settings;
  base::Check(frames.shape.size() == 4 && frames.shape[3] == 3, ErrorCode::kInternal, "decoding gave no RGB frames");
  const bool as_asked =
      frames.shape[0] == s.Int("frames") && frames.shape[1] == s.Int("height") && frames.shape[2] == s.Int("width");
  const std::string what =
      base::StrCat(": decode to ", frames.shape[0], " frames of ", frames.shape[2], "x", frames.shape[1], ", not the ",
                   s.Int("frames"), " of ", s.Int("width"), "x", s.Int("height"), " that the settings say");
  base::Check(as_asked || job.from_latents.empty(), ErrorCode::kInvalidInput, job.from_latents, what,
              "; give --width, --height and --frames");
  if (!as_asked) observer.Notice("the latents" + what);
}

void WriteText(const std::string& path, const std::string& text) {
  base::AtomicFile file(path);
  file.Write(text);
  file.Commit();
}

void WriteOutput(const Job& job, const std::string& path, const pipeline::HostTensor& latents,
                 const pipeline::HostTensor& frames, JobObserver& observer) {
  if (!IsTensors(path)) {
    return pipeline::WriteMedia(path, pipeline::ViewOf(frames), VideoOptionsOf(job), observer);
  }
  observer.Update(pipeline::Stage::kWrite, 0, 0);
  std::map<std::string, std::string> metadata;
  if (job.settings.On("metadata")) metadata["sparge"] = CanonicalJSON(JobRecord(job));
  pipeline::WriteSafetensors(path, {{"latents", &latents}, {"frames", &frames}}, metadata);
  observer.Update(pipeline::Stage::kWrite, 1, 1);
}

}  // namespace

int64_t PeakMemoryBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return 0;
}

void ForgetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

namespace {

// Leaves checkpoints while a job denoises, and lets changes of its attention in.
class Keeper : public pipeline::DenoiseControl {
 public:
  Keeper(Job& job, LiveJob* live, LiveLooks* looks, JobObserver& observer, const pipeline::StageSeconds& seconds)
      : job_(job),
        live_(live),
        looks_(looks),
        observer_(observer),
        seconds_(seconds),
        interval_s_(60 * job.settings.Number("checkpoint_minutes")) {}

  std::optional<pipeline::AttentionSettings> BeforeStep(int64_t step, const TakeState& state) override {
    if (step > 0 && interval_s_ > 0 && SecondsSince(last_) >= interval_s_) Keep(state);
    if (live_ == nullptr) return std::nullopt;
    live_->PauseIfAsked([&] {
      if (step > 0) Keep(state);
    });
    looks_->BeforeStep(step);
    return Changed(step);
  }

  void AfterStep(int64_t step, const TakePreview& preview) override {
    if (live_ != nullptr) looks_->AfterStep(step);
    if (preview) Show(step, preview);
  }

  void Cancelled(const TakeState& state) override {
    if (interval_s_ > 0) Keep(state);
  }

 private:
  void Show(int64_t step, const TakePreview& preview) {
    steps_s_ += seconds_.steps.empty() ? 0 : seconds_.steps.back();
    if (!previews_ || !budget_.Allows(steps_s_)) return;
    const Clock::time_point start = Clock::now();
    try {
      live_->Preview(step, preview());
    } catch (const base::Error& error) {
      previews_ = false;
      observer_.Notice(base::StrCat("no more previews: ", error.what()));
    }
    budget_.Spend(SecondsSince(start));
  }

  // A checkpoint that cannot be written is no reason to stop.
  void Keep(const TakeState& state) {
    last_ = Clock::now();
    if (job_.files.checkpoint.empty()) return;
    try {
      WriteCheckpoint(job_.files.checkpoint, state(), job_);
    } catch (const base::Error& error) {
      observer_.Notice(base::StrCat("no checkpoint: ", error.what()));
    }
    last_ = Clock::now();
  }

  std::optional<pipeline::AttentionSettings> Changed(int64_t step) {
    bool changed = false;
    for (Value rule : live_->TakeRules(step)) {
      const int64_t last = job_.settings.Int("steps") - 1;
      rule["steps"] = step == last ? std::to_string(step) : base::StrCat(step, "-", last);
      EffectiveSettings settings = job_.settings;
      Value rules = settings.at("attention.schedule");
      if (!rules.is_array()) rules = Value::array();
      rules.push_back(rule);
      settings.Set("attention.schedule", std::move(rules), "set");
      ErrorList errors;
      const pipeline::AttentionSettings attention = AttentionOf(settings, job_.model, errors);
      try {
        errors.ThrowIfAny();
      } catch (const base::Error& error) {
        observer_.Notice(base::StrCat("attention stays as it is: ", error.what()));
        continue;
      }
      job_.settings = std::move(settings);
      job_.attention = attention;
      job_.hash = JobHash(job_.settings, job_.model_hash, FilesInHash(job_.settings));
      live_->RuleHolds(step, rule, job_.hash);
      changed = true;
    }
    return changed ? std::optional(job_.attention) : std::nullopt;
  }

  Job& job_;
  LiveJob* live_;
  LiveLooks* looks_;  // not null where live_ is not
  JobObserver& observer_;
  const pipeline::StageSeconds& seconds_;
  double interval_s_;
  Clock::time_point last_ = Clock::now();
  PreviewBudget budget_{kPreviewShare};
  double steps_s_ = 0;  // that the steps since the start took
  bool previews_ = true;
};

// What an earlier render of the same job left, if it can be used.
std::optional<KeptLatents> EarlierPart(const Job& job, const RunOptions& options, JobObserver& observer) {
  const std::string& path = job.files.checkpoint;
  const bool looks = options.looks.audit != nullptr || options.looks.dump != nullptr;
  if (path.empty() || options.fresh || looks || !job.from_latents.empty()) return std::nullopt;
  const LatentsOnDisk there = LookAtLatents(path, job.hash);
  if (there.kind != LatentsOnDisk::Kind::kCheckpoint && there.kind != LatentsOnDisk::Kind::kWhole) return std::nullopt;
  try {
    return ReadKeptLatents(path);
  } catch (const base::Error& error) {
    observer.Notice(base::StrCat("starting from noise: ", error.what()));
    return std::nullopt;
  }
}

// How a model's latents look is known from one render to the next.
class LookKeeper {
 public:
  LookKeeper(pipeline::Pipeline& pipeline, const std::string& model_hash, bool wanted)
      : pipeline_(pipeline), model_hash_(model_hash), wanted_(wanted) {
    if (!wanted_) return;
    if (!pipeline_.latent_rgb()) pipeline_.set_latent_rgb(ReadLatentRGB(model_hash_));
    before_ = pipeline_.latent_rgb();
  }
  void Keep() const {
    const auto now = pipeline_.latent_rgb();
    if (wanted_ && now && now != before_) WriteLatentRGB(model_hash_, *now);
  }

 private:
  pipeline::Pipeline& pipeline_;
  const std::string model_hash_;
  const bool wanted_;
  std::shared_ptr<const pipeline::LatentRGB> before_;
};

double Sum(const pipeline::StageSeconds& s) { return s.load + s.encode_prompt + s.denoise + s.decode; }

// One render on its way to frames.
class Render {
 public:
  Render(const Job& job, pipeline::Pipeline& pipeline, JobObserver& observer, const RunOptions& options)
      : pipeline_(pipeline), observer_(observer), options_(options) {
    out_.job = job;
    out_.outputs = options.outputs.empty() ? job.files.outputs : options.outputs;
  }

  Rendered Run(const KeptLatents* kept) {
    LookKeeper look(pipeline_, out_.job.model_hash, options_.live != nullptr && options_.live->WantsPreview());
    std::optional<KeptLatents> earlier;
    if (kept == nullptr) earlier = EarlierPart(out_.job, options_, observer_);
    if (earlier) kept = &*earlier;
    double before = 0;  // seconds of earlier parts
    if (kept != nullptr && kept->record) {
      before = Sum(kept->record->seconds);
      pipeline_.StartRender(kept->record->seconds, kept->record->attention);
    } else {
      pipeline_.StartRender({}, {});
    }
    if (kept != nullptr && !kept->checkpoint) {
      TakeWhole(*kept, earlier.has_value());
    } else {
      Denoise(kept != nullptr ? &*kept->checkpoint : nullptr, earlier.has_value());
    }
    const std::string tiling = out_.job.settings.TextOr("vae_tiling", "auto");
    pipeline_.set_vae_tiling(tiling == "on"    ? pipeline::VAETiling::kOn
                             : tiling == "off" ? pipeline::VAETiling::kOff
                                               : pipeline::VAETiling::kAuto);
    out_.frames = pipeline_.Decode(out_.latents, observer_);
    if (const std::string notice = pipeline_.decode_notice(); !notice.empty()) observer_.Notice(notice);
    look.Keep();
    CheckFrames(out_.job, out_.frames, observer_);
    observer_.ThrowIfCancelled();
    out_.record.seconds = pipeline_.seconds();
    out_.record.attention = pipeline_.attention_stats();
    out_.device = pipeline_.device_name();
    out_.dtype = pipeline_.dtype_name();
    out_.audit = Audit();
    out_.seconds = before + SecondsSince(start_);
    out_.peak_memory_bytes = PeakMemoryBytes();
    return std::move(out_);
  }

 private:
  // What was asked for before the render and on the way. Null: nothing.
  nlohmann::json Audit() const {
    std::vector<pipeline::AuditedCall> calls;
    if (options_.looks.audit != nullptr) calls = options_.looks.audit->calls();
    if (looks_) calls.insert(calls.end(), looks_->audited().begin(), looks_->audited().end());
    return options_.looks.audit == nullptr && calls.empty() ? nlohmann::json() : AuditRecord(calls);
  }

  void TakeWhole(const KeptLatents& kept, bool found) {
    if (found) observer_.Notice("the latents of this job are there already: " + kept.path);
    out_.latents_hash = kept.hash;
    out_.latents = kept.latents;
    if (kept.record) out_.record = *kept.record;
  }

  void Denoise(const pipeline::DenoiseState* start, bool found) {
    const Job& job = out_.job;
    pipeline::AttentionTaps taps;
    if (options_.looks.audit != nullptr) taps.Add(options_.looks.audit->tap());
    if (options_.looks.dump != nullptr) taps.Add(options_.looks.dump->tap());
    if (options_.live != nullptr) looks_.emplace(options_.live, observer_, taps);
    Keeper keeper(out_.job, options_.live, looks_ ? &*looks_ : nullptr, observer_, pipeline_.seconds());
    pipeline::Request request = RequestOf(job);
    request.attention_tap = taps.tap();
    request.control = &keeper;
    request.start = start;
    request.preview = options_.live != nullptr && options_.live->WantsPreview();
    if (start != nullptr) {
      observer_.Notice(base::StrCat("going on after step ", start->step, " of ", request.num_steps, ", from ",
                                    found ? job.files.checkpoint : job.from_latents));
    }
    pipeline::Denoised denoised;
    try {
      denoised = pipeline_.Denoise(request, observer_);
    } catch (const base::Error& error) {
      if (!found || error.code() != ErrorCode::kInvalidInput) throw;
      observer_.Notice(base::StrCat("starting from noise: ", job.files.checkpoint, ": ", error.what()));
      request.start = nullptr;
      pipeline_.StartRender({}, {});
      denoised = pipeline_.Denoise(request, observer_);
    }
    for (const std::string& notice : denoised.notices) observer_.Notice(notice);
    out_.latents = std::move(denoised.latents);
    out_.record = {pipeline_.seconds(), pipeline_.attention_stats(), denoised.sigmas, denoised.notices,
                   denoised.redone_steps};
    if (!job.files.checkpoint.empty()) WriteKeptLatents(job.files.checkpoint, out_.latents, &out_.record, job);
  }

  pipeline::Pipeline& pipeline_;
  JobObserver& observer_;
  const RunOptions& options_;
  const Clock::time_point start_ = Clock::now();
  std::optional<LiveLooks> looks_;
  Rendered out_;
};

}  // namespace

Rendered RenderJob(const Job& job, pipeline::Pipeline& pipeline, const KeptLatents* kept, JobObserver& observer,
                   const RunOptions& options) {
  ForgetPeakMemory();
  observer.Started(job);
  for (const std::string& notice : job.notices) observer.Notice(notice);
  try {
    return Render(job, pipeline, observer, options).Run(kept);
  } catch (const base::Error& error) {
    if (error.code() != ErrorCode::kOutOfMemory) throw;
    const JobMemory memory = MemoryOf([&](std::string_view key) -> const Value& { return job.settings.at(key); },
                                      pipeline.info(), pipeline.machine(), kept != nullptr && !kept->checkpoint);
    const std::string text = MemoryText(memory);
    throw base::Error(error.code(), error.what() + (text.empty() ? "" : "; the job " + text));
  }
}

nlohmann::json WriteRendered(const Rendered& rendered, JobObserver& observer) {
  const Clock::time_point start = Clock::now();
  const Job& job = rendered.job;
  for (const std::string& path : rendered.outputs) {
    observer.ThrowIfCancelled();
    WriteOutput(job, path, rendered.latents, rendered.frames, observer);
    observer.Output(path);
  }
  RunTimes times;
  times.write = SecondsSince(start);
  times.total = rendered.seconds + times.write;
  nlohmann::json sidecar = MakeSidecar(rendered, times);
  if (!job.files.sidecar.empty()) {
    WriteText(job.files.sidecar, PrettyJSON(sidecar));
    observer.Output(job.files.sidecar);
  }
  // Latents that are kept elsewhere, or not wanted, have done what they were for.
  const bool in_output = std::any_of(job.files.outputs.begin(), job.files.outputs.end(), IsTensors);
  if (!job.files.kept_latents.empty() && !in_output) {
    observer.Output(job.files.kept_latents);
  } else if (!job.files.checkpoint.empty()) {
    unlink(job.files.checkpoint.c_str());
  }
  observer.Done(job, times.total);
  return sidecar;
}

nlohmann::json RunJob(const Job& job, pipeline::Pipeline& pipeline, const KeptLatents* kept, JobObserver& observer,
                      const RunOptions& options) {
  return WriteRendered(RenderJob(job, pipeline, kept, observer, options), observer);
}

}  // namespace app
