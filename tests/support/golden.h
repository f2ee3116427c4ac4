#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/host_tensor.h"
#include "pipeline/pipeline.h"
#include "pipeline/weights/safetensors.h"

namespace test {

// The folder tests/golden/data.
std::string GoldenDir();

// A pipeline folder of tests/golden/make_pipeline_goldens.py with what diffusers computed from it.
struct GoldenPipeline {
  std::string name, folder;
  nlohmann::json json;                                       // golden.json
  std::shared_ptr<const pipeline::SafetensorsFile> tensors;  // golden.safetensors
  pipeline::HostTensor Tensor(const std::string& key) const { return tensors->ReadFloat(key); }
};
GoldenPipeline OpenGoldenPipeline(const std::string& name);
// Those whose golden.safetensors has `tensor` (all for "").
std::vector<std::string> GoldenPipelineNames(const std::string& tensor = "");

// An entry of golden.json's `requests`, with dense attention.
pipeline::Request RequestOf(const nlohmann::json& json);

// max |a − b|; infinity where shapes differ or either has a NaN.
double MaxDifference(const pipeline::HostTensor& a, const pipeline::HostTensor& b);
double StandardDeviation(const pipeline::HostTensor& a);
// ‖a − b‖ / ‖b‖
double RelativeL2(const pipeline::HostTensor& a, const pipeline::HostTensor& b);

}  // namespace test
