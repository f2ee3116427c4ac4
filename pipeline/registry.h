#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/pipeline.h"

namespace pipeline {

// One family of models: what model_index.json calls its pipeline, and how to open it.
struct Family {
  std::string pipeline_class;
  ModelInfo (*inspect)(const std::string& model_dir);
  std::unique_ptr<Pipeline> (*open)(const std::string& model_dir, const RuntimeOptions& options);
};

const std::vector<Family>& Families();

// The family of a folder's model_index.json. Throws Error{kInvalidInput} where there is none, Error{kUnsupported} with
// the families that there are.
const Family& FamilyOf(const std::string& model_dir);

}  // namespace pipeline
