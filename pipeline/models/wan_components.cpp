#include "pipeline/models/wan_components.h"

#include <malloc.h>

#include <cmath>

#include "attention/base/error.h"
#include "pipeline/memory_available.h"

namespace pipeline {

using base::Check;
using base::ErrorCode;
using base::Fail;

template <class Model, class ModelConfig>
Model& WanComponents::Load(std::unique_ptr<Model>& model, const ModelConfig& config, const WeightFiles& files,
                           WeightLoader::KeepFloat32 keep, Stage stage, Progress& progress) {
  if (model) return *model;
  CheckRoom(StageName(stage), BytesToCopy(files));
  const Timed timed(seconds.load);
  const int64_t total = static_cast<int64_t>(files.tensors().size());
  int64_t done = 0;
  WeightLoader loader(&files, runtime.dtype, runtime.device, keep, [&] {
    progress.ThrowIfCancelled();
    progress.Update(stage, std::min(done++, total - 1), total);
  });
  model = std::make_unique<Model>(config, loader);
  progress.Update(stage, total, total);
  return *model;
}

UMT5Encoder& WanComponents::TextEncoder(Progress& progress) {
  return Load(text_encoder_, folder.text_encoder, folder.text_encoder_files,
              runtime.dtype == at::kHalf ? UMT5Encoder::KeepsFloat32InHalf : nullptr, Stage::kLoadTextEncoder,
              progress);
}

WanTransformer& WanComponents::Transformer(Progress& progress) {
  return Load(transformer_, folder.transformer, folder.transformer_files, WanTransformer::KeepsFloat32,
              Stage::kLoadTransformer, progress);
}

WanVAE& WanComponents::VAE(Progress& progress) {
  return Load(vae_, folder.vae, folder.vae_files, nullptr, Stage::kLoadVAE, progress);
}

bool WanComponents::IsLoaded(const std::string& component) const {
  return (component == "text_encoder" && text_encoder_) || (component == "transformer" && transformer_) ||
         (component == "vae" && vae_);
}

int64_t WanComponents::WeightBytes(const std::string& component) const {
  int64_t bytes = 0;
  for (const ComponentInfo& c : folder.info.components) {
    if (c.name == component) bytes += c.parameters * static_cast<int64_t>(c10::elementSize(runtime.dtype));
  }
  return bytes;
}

bool WanComponents::RoomForEverything() const {
  if (!runtime.device.is_cpu()) return false;
  int64_t all = 0, to_load = 0;
  for (const ComponentInfo& component : folder.info.components) {
    const int64_t bytes = component.parameters * static_cast<int64_t>(c10::elementSize(runtime.dtype));
    all += bytes;
    to_load += IsLoaded(component.name) ? 0 : bytes;
  }
  return 2 * to_load + all / 8 < AvailableMemoryBytes();
}

// What is loaded as it is in the files stays there, and the system can take it back.
int64_t WanComponents::BytesToCopy(const WeightFiles& files) const {
  int64_t bytes = 0;
  const auto each = static_cast<int64_t>(c10::elementSize(runtime.dtype));
  const DType kept = runtime.dtype == at::kFloat      ? DType::kF32
                     : runtime.dtype == at::kBFloat16 ? DType::kBF16
                                                      : DType::kF16;
  for (const auto& [name, tensor] : files.tensors()) {
    int64_t numbers = 1;
    for (const int64_t size : tensor.entry->shape) numbers *= size;
    if (!runtime.device.is_cpu() || tensor.entry->dtype != kept) bytes += numbers * each;
  }
  return bytes;
}

int64_t WanComponents::Available() const {
  return runtime.device.is_cpu() ? AvailableMemoryBytes() : AvailableDeviceBytes(runtime.device);
}

bool WanComponents::HasRoom(int64_t bytes) const {
  const int64_t available = Available();
  if (available == 0 || bytes <= available) return true;
  malloc_trim(0);  // what was freed before may still be ours
  return bytes <= Available();
}

void WanComponents::CheckRoom(const char* stage, int64_t bytes, const std::string& remedy) const {
  constexpr double kSure = 0.75;  // of an estimate
  const bool hopeless = runtime.device.is_cpu() && !HasRoom(static_cast<int64_t>(kSure * static_cast<double>(bytes)));
  const auto in_gb = [](int64_t count) { return std::round(1e-7 * static_cast<double>(count)) / 100; };
  Check(!hopeless, ErrorCode::kOutOfMemory, "out of memory: ", stage, " needs about ", in_gb(bytes), " GB, and ",
        in_gb(Available()), " GB are available: ", remedy,
        "ask for fewer frames or a smaller size, or free some memory");
}

void WanComponents::FailNonFinite(const std::string& what, const WeightFiles& files) const {
  const std::string weight = FindNonFinite(files);
  Fail(ErrorCode::kNonFinite, what, " has NaN or infinite values",
       weight.empty() ? base::StrCat(" (dtype ", runtime.dtype_name(), "; try --dtype float32)")
                      : "; " + weight + " holds such values: fetch the model again");
}

}  // namespace pipeline
