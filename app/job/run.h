#pragma once

#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <vector>

#include "app/job/job.h"
#include "app/job/kept_latents.h"
#include "pipeline/attention_looks.h"
#include "pipeline/pipeline.h"

namespace app {

// Watches a job: stages and steps, what it wants to say, and files that are whole. Of a job whose files are written
// while the next one renders, Update, Output, Notice, Done and Failed come from another thread.
class JobObserver : public pipeline::Progress {
 public:
  virtual void Started(const Job& job) = 0;
  virtual void Notice(const std::string& text) = 0;
  virtual void Output(const std::string& path) = 0;
  virtual void Done(const Job& job, double seconds) = 0;
  // `cause` is "cancelled", "invalid_input", "io", …; nothing follows.
  virtual void Failed(const std::string& cause, const std::string& message) = 0;
  // Asked, when a step of the denoising is done, for what else there is to say of it; null: nothing.
  virtual void set_step_extra(std::function<nlohmann::json(int64_t step)> /*extra*/) {}
};

// Who looks into a render's attention; null: nobody.
struct Looks {
  pipeline::AttentionAudit* audit = nullptr;
  pipeline::AttentionDump* dump = nullptr;
};

// Reaches into a render from outside, between two steps.
class LiveJob {
 public:
  virtual ~LiveJob() = default;
  // Rules of attention.schedule, without `steps`, that are to hold from this step on.
  virtual std::vector<Value> TakeRules(int64_t step) = 0;
  // A rule holds from now on: it is part of the job, which has this hash now.
  virtual void RuleHolds(int64_t step, const Value& rule, const std::string& hash) = 0;
  // Returns at once unless the job is to pause; then calls `checkpoint`, and returns when it may go on or is cancelled.
  virtual void PauseIfAsked(const std::function<void()>& checkpoint) = 0;
  // Whether somebody looks at the clip while it is denoised; then Preview is called after steps, as often as its cost
  // stays below kPreviewShare of them. What it throws ends the previews, with a notice.
  virtual bool WantsPreview() { return false; }
  virtual void Preview(int64_t /*step*/, const pipeline::PreviewFrames& /*frames*/) {}
  // Where the block maps of each step go; empty: nowhere. At most kMostMapBytes of them.
  virtual std::string MapsFolder() { return ""; }
  // Whether the step that is to begin is audited, in every layer; then Audited is called after it, with the sidecar's
  // `audit` of that step.
  virtual bool TakeAudit(int64_t /*step*/) { return false; }
  virtual void Audited(int64_t /*step*/, const nlohmann::json& /*audit*/) {}
};

inline constexpr double kPreviewShare = 0.02;
inline constexpr int64_t kMostMapBytes = int64_t{256} << 20;

struct RunOptions {
  Looks looks;
  LiveJob* live = nullptr;
  bool fresh = false;                // from noise, whatever latents of this job there are
  std::vector<std::string> outputs;  // which of the job's are to be written; empty: all
};

// What the job asks of a pipeline.
pipeline::Request RequestOf(const Job& job);

// A job whose frames are there; its files are not.
struct Rendered {
  Job job;  // with the rules that came on the way
  std::vector<std::string> outputs;
  pipeline::HostTensor latents, frames;
  DenoisingRecord record;  // with the times of decoding
  std::string device, dtype;
  nlohmann::json audit;      // null: none
  std::string latents_hash;  // of the job that made the latents that it started from; "" where it did not or is unknown
  double seconds = 0;        // that it took so far, with what earlier parts of it took
  int64_t peak_memory_bytes = 0;
};

// Latents (from noise, from a checkpoint, or those of an earlier render) and frames. Latents and checkpoints of this
// very job, as a render that was stopped leaves them, are gone on from, with a notice. While it denoises it leaves
// checkpoints as the settings say; before it decodes, the latents. `kept` is null, or what job.from_latents holds.
// Throws base::Error; writes nothing to the terminal.
Rendered RenderJob(const Job& job, pipeline::Pipeline& pipeline, const KeptLatents* kept, JobObserver& observer,
                   const RunOptions& options = {});

// Every output, then the sidecar; returns its content. What is whole stays when a later part fails. Needs no pipeline:
// another job may render meanwhile.
nlohmann::json WriteRendered(const Rendered& rendered, JobObserver& observer);

// Both, one after the other.
nlohmann::json RunJob(const Job& job, pipeline::Pipeline& pipeline, const KeptLatents* kept, JobObserver& observer,
                      const RunOptions& options = {});

// Highest resident memory of this process so far, or since it was last forgotten.
int64_t PeakMemoryBytes();
void ForgetPeakMemory();

}  // namespace app
