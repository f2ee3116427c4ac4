#pragma once

#include <nlohmann/json.hpp>

#include <string>

#include "app/job/job.h"
#include "app/job/kept_latents.h"
#include "pipeline/attention_looks.h"
#include "pipeline/pipeline.h"

namespace app {

// Watches a job: stages and steps, what it wants to say, and files that are whole.
class JobObserver : public pipeline::Progress {
 public:
  virtual void Started(const Job& job) = 0;
  virtual void Notice(const std::string& text) = 0;
  virtual void Output(const std::string& path) = 0;
  virtual void Done(const Job& job, double seconds) = 0;
  // `cause` is "cancelled", "invalid_input", "io", …; nothing follows.
  virtual void Failed(const std::string& cause, const std::string& message) = 0;
};

// Who looks into a render's attention; null: nobody.
struct Looks {
  pipeline::AttentionAudit* audit = nullptr;
  pipeline::AttentionDump* dump = nullptr;
};

// What the job asks of a pipeline.
pipeline::Request RequestOf(const Job& job);

// Renders: latents (or those of an earlier render), frames, every output, the sidecar. What is whole stays when a later
// part fails: kept latents are written before they are decoded. Throws base::Error; writes nothing to the terminal.
// `kept` is null, or what job.from_latents holds. Returns the sidecar's content.
nlohmann::json RunJob(const Job& job, pipeline::Pipeline& pipeline, const KeptLatents* kept, JobObserver& observer,
                      const Looks& looks = {});

// Highest resident memory of this process so far.
int64_t PeakMemoryBytes();

}  // namespace app
