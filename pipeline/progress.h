#pragma once

#include <atomic>
#include <cstdint>

#include "attention/base/error.h"

namespace pipeline {

// What a render is doing, in the order in which it happens.
enum class Stage { kLoadTextEncoder, kEncodePrompt, kLoadTransformer, kDenoise, kLoadVAE, kDecode, kMeasure, kWrite };

inline const char* StageName(Stage stage) {
  switch (stage) {
    case Stage::kLoadTextEncoder:
      return "load text encoder";
    case Stage::kEncodePrompt:
      return "encode prompt";
    case Stage::kLoadTransformer:
      return "load transformer";
    case Stage::kDenoise:
      return "denoise";
    case Stage::kLoadVAE:
      return "load VAE";
    case Stage::kDecode:
      return "decode";
    case Stage::kMeasure:
      return "measure";
    case Stage::kWrite:
      return "write";
  }
  return "?";
}

// Reports and cancels long work. One object a job; `Update` is called from the thread that works,
// `Cancel` may be called from any thread or from a signal handler.
class Progress {
 public:
  virtual ~Progress() = default;

  // `done` of `total` units of the stage are finished (denoising steps, VAE chunks, frames measured or written;
  // total 0: unknown). Called at least once at the start (done = 0) and once at the end of each stage.
  virtual void Update(Stage stage, int64_t done, int64_t total) = 0;

  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool Cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  // Throws Error{kCancelled}. Called between DiT blocks, VAE chunks and encoded frames.
  void ThrowIfCancelled() const {
    if (Cancelled()) base::Fail(base::ErrorCode::kCancelled, "cancelled");
  }

 private:
  std::atomic<bool> cancelled_{false};
};

// For callers that do not watch.
class NoProgress : public Progress {
 public:
  void Update(Stage, int64_t, int64_t) override {}
};

}  // namespace pipeline
