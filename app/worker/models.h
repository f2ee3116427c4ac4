#pragma once

#include <map>
#include <memory>
#include <string>

#include "app/job/job.h"
#include "pipeline/pipeline.h"

namespace app {

// Model folders that a worker has looked at, and the one pipeline that is open.
class Models {
 public:
  struct Known {
    pipeline::ModelInfo info;
    ModelNotes notes;
    std::string hash;
    std::string signature;  // sizes and times of its files
  };

  // Looks again only where a file's size or time is another. Throws as pipeline::Inspect, InputErrors for its
  // sparge.yaml.
  const Known& Look(const std::string& folder);

  // The pipeline for a job: the one that is open if model and runtime are the same.
  pipeline::Pipeline& Open(const Job& job);

  // Frees it, with all weights.
  void Close() { pipeline_.reset(); }

 private:
  std::map<std::string, Known> known_;
  std::unique_ptr<pipeline::Pipeline> pipeline_;
  std::string open_key_;
  int default_threads_ = 0;
};

}  // namespace app
