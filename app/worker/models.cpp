#include "app/worker/models.h"

#include <sys/stat.h>

#include "app/job/model.h"
#include "app/settings/yaml.h"
#include "attention/base/error.h"
#include "pipeline/version.h"

namespace app {
namespace {

std::string SignatureOf(const pipeline::ModelInfo& model) {
  std::string signature;
  const auto add = [&](const std::string& path) {
    struct stat s = {};
    if (stat(path.c_str(), &s) != 0) s = {};
    signature += base::StrCat(path, " ", s.st_ino, " ", s.st_size, " ", s.st_mtim.tv_sec, ".", s.st_mtim.tv_nsec, "\n");
  };
  for (const std::string& path : model.config_files) add(path);
  for (const pipeline::ComponentInfo& component : model.components) {
    for (const std::string& path : component.weight_files) add(path);
  }
  add(model.path + "/sparge.yaml");
  return signature;
}

}  // namespace

const Models::Known& Models::Look(const std::string& folder) {
  const auto it = known_.find(folder);
  if (it != known_.end() && it->second.signature == SignatureOf(it->second.info)) return it->second;
  Known known;
  known.info = pipeline::Inspect(folder);
  ErrorList errors;
  known.notes = ReadModelNotes(folder, errors);
  errors.ThrowIfAny();
  known.signature = SignatureOf(known.info);
  known.hash = ModelHash(known.info);
  return known_[folder] = std::move(known);
}

pipeline::Pipeline& Models::Open(const Job& job) {
  pipeline::RuntimeOptions options = RuntimeOptionsOf(job.settings);
  if (default_threads_ == 0) default_threads_ = pipeline::DetectRuntime().threads;
  if (options.threads == 0) options.threads = default_threads_;  // an earlier job may have set others
  const std::string key = base::StrCat(job.model.path, "\n", job.model_hash, "\n", options.device, "\n", options.dtype,
                                       "\n", options.threads);
  if (pipeline_ && key == open_key_) return *pipeline_;
  Close();
  pipeline_ = pipeline::Pipeline::Open(job.model.path, options);
  open_key_ = key;
  return *pipeline_;
}

}  // namespace app
