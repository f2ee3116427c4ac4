#pragma once

#include <memory>
#include <string>

#include "pipeline/pipeline.h"

namespace pipeline {

// diffusers' WanPipeline (pipelines/wan/pipeline_wan.py, 0.42), text-to-video with one transformer.
ModelInfo InspectWan(const std::string& model_dir);
std::unique_ptr<Pipeline> OpenWan(const std::string& model_dir, const RuntimeOptions& options);

}  // namespace pipeline
