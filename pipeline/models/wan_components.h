#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "attention/attention.h"
#include "attention/stats.h"
#include "pipeline/models/wan_folder.h"
#include "pipeline/runtime.h"
#include "pipeline/stopwatch.h"

namespace pipeline {

// The parts of an open Wan folder: each is loaded when it is first asked for, and let go of where memory is short.
class WanComponents {
 public:
  WanComponents(WanFolder wan_folder, const Runtime& wan_runtime)
      : folder(std::move(wan_folder)), runtime(wan_runtime) {}

  // Load where need be, reporting their stage; throw Error{kCancelled}.
  UMT5Encoder& TextEncoder(Progress& progress);
  WanTransformer& Transformer(Progress& progress);
  WanVAE& VAE(Progress& progress);
  // A part that was made, not read, in place of the folder's.
  void Use(std::unique_ptr<WanTransformer> transformer) { transformer_ = std::move(transformer); }
  void Use(std::unique_ptr<WanVAE> vae) { vae_ = std::move(vae); }
  bool has_text_encoder() const { return text_encoder_ != nullptr; }
  bool has_vae() const { return vae_ != nullptr; }
  void FreeTextEncoder() { text_encoder_.reset(); }
  void FreeTransformer() { transformer_.reset(); }

  // Weights of a component as they are loaded; of all.
  int64_t WeightBytes(const std::string& component) const;
  // Whether the text encoder may stay while the transformer runs: what is still to be loaded fits into what memory is
  // left twice over, and an eighth of all weights besides.
  bool RoomForEverything() const;
  // Whether memory for so many bytes is there: the host's or the device's, where its size is known.
  bool HasRoom(int64_t bytes) const;
  // Throws Error{kOutOfMemory} where a stage, whose need is an estimate, cannot but fail on the host. `remedy` goes
  // before the general ones.
  void CheckRoom(const char* stage, int64_t bytes, const std::string& remedy = "") const;

  // Says which weight is not finite, or that the dtype may be at fault.
  [[noreturn]] void FailNonFinite(const std::string& what, const WeightFiles& files) const;

  // Of the text encoder and the VAE: dense.
  attention::AttentionContext Context() {
    attention::AttentionContext ctx;
    ctx.stats = &stats;
    return ctx;
  }

  const WanFolder folder;
  const Runtime runtime;
  StageSeconds seconds;
  attention::StatsRecorder stats;

 private:
  template <class Model, class ModelConfig>
  Model& Load(std::unique_ptr<Model>& model, const ModelConfig& config, const WeightFiles& files,
              WeightLoader::KeepFloat32 keep, Stage stage, Progress& progress);
  bool IsLoaded(const std::string& component) const;
  int64_t Available() const;
  int64_t BytesToCopy(const WeightFiles& files) const;

  std::unique_ptr<UMT5Encoder> text_encoder_;
  std::unique_ptr<WanTransformer> transformer_;
  std::unique_ptr<WanVAE> vae_;
};

}  // namespace pipeline
