#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/weights/safetensors.h"

namespace pipeline {

// The safetensors files of one component folder, single or sharded, as diffusers and transformers save them.
class WeightFiles {
 public:
  // `stem` is "diffusion_pytorch_model" or "model". Opens STEM.safetensors, else the files of
  // STEM.safetensors.index.json. Throws Error{kInvalidInput} naming what is missing or inconsistent (a shard that the
  // index names but is absent, a tensor in another shard than the index says), with what to do where only other formats
  // are there.
  static WeightFiles Open(const std::string& folder, const std::string& stem);

  const std::vector<std::shared_ptr<const SafetensorsFile>>& files() const { return files_; }
  // Every tensor of every file by name.
  struct Located {
    const TensorEntry* entry;
    const SafetensorsFile* file;
  };
  const std::map<std::string, Located>& tensors() const { return tensors_; }

  // The tensor as a libtorch tensor over the mapping, which it keeps alive: no copy where it is aligned.
  at::Tensor View(const std::string& name) const;

 private:
  std::vector<std::shared_ptr<const SafetensorsFile>> files_;
  std::map<std::string, Located> tensors_;
};

// What a model expects of its weight files.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

// Hands a model its weights, and in doing so learns what it expects. A model's constructor asks for every tensor by
// name and shape; without files (declaring) it gets undefined tensors and the list of specs is the result.
class WeightLoader {
 public:
  // Declares only.
  WeightLoader() = default;
  // Loads: floating tensors become `dtype` on `device`, those that `keep_float32` accepts become float32.
  using KeepFloat32 = bool (*)(const std::string& name);
  // `on_tensor` (or nothing) is called before each one: what it throws ends the loading.
  WeightLoader(const WeightFiles* files, at::ScalarType dtype, at::Device device, KeepFloat32 keep_float32,
               std::function<void()> on_tensor = nullptr)
      : files_(files), dtype_(dtype), device_(device), keep_float32_(keep_float32), on_tensor_(std::move(on_tensor)) {}
  // Without files: `make` gives a tensor of that shape, of any dtype and on any device.
  using Make = std::function<at::Tensor(const std::string& name, at::IntArrayRef shape)>;
  WeightLoader(Make make, at::ScalarType dtype, at::Device device, KeepFloat32 keep_float32)
      : dtype_(dtype), device_(device), keep_float32_(keep_float32), make_(std::move(make)) {}

  // Throws Error{kInvalidInput} when the files have no such tensor, or with another shape.
  at::Tensor Get(const std::string& name, std::vector<int64_t> shape);
  // The first of several names that the files have (tied weights that different writers store under different names).
  at::Tensor GetAny(const std::vector<std::string>& names, std::vector<int64_t> shape);

  const std::vector<TensorSpec>& specs() const { return specs_; }
  const std::map<std::string, std::string>& aliases() const { return aliases_; }  // alias → spec name

 private:
  const WeightFiles* files_ = nullptr;
  at::ScalarType dtype_ = at::kFloat;
  at::Device device_ = at::kCPU;
  KeepFloat32 keep_float32_ = nullptr;
  std::function<void()> on_tensor_;
  Make make_;
  std::vector<TensorSpec> specs_;
  std::map<std::string, std::string> aliases_;
};

// Compares what a model declared with what the files have. Throws one Error{kInvalidInput} that lists missing,
// unexpected and mis-shaped tensors and non-floating dtypes by file and name. `ignored` says which unexpected names are
// let pass.
void CheckWeights(const WeightFiles& files, const WeightLoader& declared, const std::string& folder,
                  bool (*ignored)(const std::string& name));

// The first of a component's float tensors that holds a NaN or an infinity, or "" (reads everything: for explaining a
// failure).
std::string FindNonFinite(const WeightFiles& files);

}  // namespace pipeline
