#include "tests/support/golden.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

namespace test {

std::string GoldenDir() { return SPARGE_SOURCE_DIR "/tests/golden/data"; }

GoldenPipeline OpenGoldenPipeline(const std::string& name) {
  GoldenPipeline golden;
  golden.name = name;
  golden.folder = GoldenDir() + "/pipelines/" + name;
  std::ifstream in(golden.folder + "/golden.json");
  golden.json = nlohmann::json::parse(in);
  golden.tensors = pipeline::SafetensorsFile::Open(golden.folder + "/golden.safetensors");
  return golden;
}

std::vector<std::string> GoldenPipelineNames(const std::string& tensor) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(GoldenDir() + "/pipelines")) {
    const std::string name = entry.path().filename().string();
    if (tensor.empty() || OpenGoldenPipeline(name).tensors->tensors().count(tensor)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

pipeline::Request RequestOf(const nlohmann::json& json) {
  pipeline::Request r;
  r.prompt = json["prompt"];
  r.negative_prompt = json["negative_prompt"];
  r.width_px = json["width"];
  r.height_px = json["height"];
  r.num_frames = json["frames"];
  r.num_steps = json["steps"];
  r.guidance = json["guidance"];
  r.seed = json["seed"];
  r.max_sequence_length = json["length"];
  r.attention = pipeline::DenseAttention();  // as diffusers has it
  return r;
}

double MaxDifference(const pipeline::HostTensor& a, const pipeline::HostTensor& b) {
  if (a.shape != b.shape) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (size_t i = 0; i < a.data.size(); ++i) {
    const double difference = std::fabs(static_cast<double>(a.data[i]) - b.data[i]);
    if (!(difference <= std::numeric_limits<double>::max())) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, difference);
  }
  return worst;
}

double StandardDeviation(const pipeline::HostTensor& a) {
  double sum = 0, squares = 0;
  for (float x : a.data) sum += x;
  const double n = static_cast<double>(a.data.size()), mean = sum / n;
  for (float x : a.data) squares += (x - mean) * (x - mean);
  return std::sqrt(squares / n);
}

double RelativeL2(const pipeline::HostTensor& a, const pipeline::HostTensor& b) {
  if (a.shape != b.shape) return std::numeric_limits<double>::infinity();
  double error = 0, norm = 0;
  for (size_t i = 0; i < a.data.size(); ++i) {
    const double difference = static_cast<double>(a.data[i]) - b.data[i];
    error += difference * difference;
    norm += static_cast<double>(b.data[i]) * b.data[i];
  }
  return std::sqrt(error / norm);
}

}  // namespace test
