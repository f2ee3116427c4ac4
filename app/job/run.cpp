#include "app/job/run.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "app/job/files.h"
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

nlohmann::json RunJob(const Job& job, pipeline::Pipeline& pipeline, const KeptLatents* kept, JobObserver& observer,
                      const Looks& looks) {
  const Clock::time_point start = Clock::now();
  observer.Started(job);
  for (const std::string& notice : job.notices) observer.Notice(notice);

  pipeline::Denoised denoised;
  if (kept == nullptr) {
    pipeline::AttentionTaps taps;
    if (looks.audit != nullptr) taps.Add(looks.audit->tap());
    if (looks.dump != nullptr) taps.Add(looks.dump->tap());
    pipeline::Request request = RequestOf(job);
    request.attention_tap = taps.tap();
    denoised = pipeline.Denoise(request, observer);
    for (const std::string& notice : denoised.notices) observer.Notice(notice);
  }
  const pipeline::HostTensor& latents = kept == nullptr ? denoised.latents : kept->latents;
  if (!job.files.kept_latents.empty()) WriteKeptLatents(job.files.kept_latents, latents, job);

  const pipeline::HostTensor frames = pipeline.Decode(latents, observer);
  CheckFrames(job, frames, observer);
  observer.ThrowIfCancelled();

  const Clock::time_point write_start = Clock::now();
  for (const std::string& path : job.files.outputs) {
    observer.ThrowIfCancelled();
    WriteOutput(job, path, latents, frames, observer);
    observer.Output(path);
  }
  if (!job.files.kept_latents.empty()) {
    if (std::any_of(job.files.outputs.begin(), job.files.outputs.end(), IsTensors)) {
      unlink(job.files.kept_latents.c_str());  // the .safetensors output has them
    } else {
      observer.Output(job.files.kept_latents);
    }
  }

  RunTimes times;
  times.write = SecondsSince(write_start);
  times.total = SecondsSince(start);
  nlohmann::json sidecar = MakeSidecar(job, pipeline, denoised, times);
  if (looks.audit != nullptr) sidecar["audit"] = AuditRecord(looks.audit->calls());
  if (!job.files.sidecar.empty()) {
    WriteText(job.files.sidecar, PrettyJSON(sidecar));
    observer.Output(job.files.sidecar);
  }
  observer.Done(job, times.total);
  return sidecar;
}

}  // namespace app
