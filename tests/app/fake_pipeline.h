#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "app/job/job.h"
#include "app/job/run.h"
#include "pipeline/pipeline.h"
#include "tests/app/temp_folder.h"

namespace app {

// Writes a folder that ModelHash can read, and describes it: latents are 2 × (T, H/8, W/8), frames 4n + 1.
inline pipeline::ModelInfo MakeFakeModel(const std::string& folder) {
  std::filesystem::create_directories(folder + "/transformer");
  std::ofstream(folder + "/model_index.json") << "{}";
  std::ofstream(folder + "/transformer/weights.safetensors") << "weights";
  pipeline::ModelInfo model;
  model.path = folder;
  model.pipeline_class = "FakePipeline";
  model.components = {
      {"transformer", "FakeTransformer", 10, 7, {{"F32", 1}}, {folder + "/transformer/weights.safetensors"}, {}}};
  model.size_rules = {.width_multiple = 16,
                      .height_multiple = 16,
                      .max_width = 1024,
                      .frames_first = 1,
                      .frames_multiple = 4,
                      .max_frames = 201};
  model.defaults = {32, 16, 5, 2, 64, 3.0, 8.0};
  model.config_files = {folder + "/model_index.json"};
  model.scheduler = "unipc";
  model.num_layers = 3;
  model.num_heads = 2;
  model.head_dim = 16;
  return model;
}

// Latents that depend on the seed; frames that depend on the latents. Records what it was asked.
class FakePipeline : public pipeline::Pipeline {
 public:
  explicit FakePipeline(pipeline::ModelInfo model) : model_(std::move(model)) {}

  const pipeline::ModelInfo& info() const override { return model_; }
  std::string device_name() const override { return "cpu"; }
  std::string dtype_name() const override { return "float32"; }

  void StartRender(const pipeline::StageSeconds& seconds, const attention::StatsRecorder& attention) override {
    seconds_ = seconds;
    stats_ = attention;
  }
  void WillNeed(std::vector<pipeline::PromptText>) override {}

  pipeline::Denoised Denoise(const pipeline::Request& request, pipeline::Progress& progress) override {
    requests.push_back(request);
    pipeline::Denoised denoised;
    const int64_t first = request.start == nullptr ? 0 : request.start->step;
    starts.push_back(first);
    stats_ = request.start == nullptr ? attention::StatsRecorder() : request.start->attention;
    for (int64_t step = 0; step < first; ++step) denoised.sigmas.push_back(1.0 - 0.5 * static_cast<double>(step));
    progress.Update(pipeline::Stage::kDenoise, first, request.num_steps);
    for (int64_t step = first; step < request.num_steps; ++step) {
      const auto state = [&] { return StateAfter(step, request); };
      if (request.control != nullptr) request.control->BeforeStep(step, state);
      if (on_step) on_step(step);
      if (progress.Cancelled() && request.control != nullptr && step > 0) request.control->Cancelled(state);
      progress.ThrowIfCancelled();
      attention::CallRecord call;
      call.step = static_cast<int>(step);
      call.kernel = "fake_kernel";
      call.reason = "there is no other";
      call.fallback = step == 0;
      call.seconds = 0.25;
      call.visible_blocks = call.kept_blocks = {4, 4};
      call.pv_tiles = {8, 8};
      call.pv_skipped = {0, 0};
      stats_.Add(call);
      denoised.sigmas.push_back(1.0 - 0.5 * static_cast<double>(step));
      seconds_.steps.push_back(0.5);
      progress.Update(pipeline::Stage::kDenoise, step + 1, request.num_steps);
    }
    seconds_.denoise = 1.0;
    denoised.latents = LatentsOf(request);
    denoised.notices = {"a notice of the pipeline"};
    return denoised;
  }

  static pipeline::HostTensor LatentsOf(const pipeline::Request& request) {
    pipeline::HostTensor latents;
    latents.shape = {2, (request.num_frames - 1) / 4 + 1, request.height_px / 8, request.width_px / 8};
    latents.data.resize(static_cast<size_t>(latents.numel()));
    for (size_t i = 0; i < latents.data.size(); ++i) {
      latents.data[i] = static_cast<float>((static_cast<int64_t>(i) + request.seed) % 97) / 97.0f;
    }
    return latents;
  }

  pipeline::DenoiseState StateAfter(int64_t step, const pipeline::Request& request) const {
    pipeline::DenoiseState state;
    state.step = step;
    state.scheduler = "unipc";
    state.latents = {LatentsOf(request), "float32"};
    state.sampler = {{"last_sample", state.latents}};
    state.seconds = seconds_;
    state.attention = stats_;
    return state;
  }

  pipeline::HostTensor Decode(const pipeline::HostTensor& latents, pipeline::Progress& progress) override {
    progress.Update(pipeline::Stage::kDecode, 0, 1);
    if (on_decode) on_decode();
    progress.ThrowIfCancelled();
    pipeline::HostTensor frames;
    frames.shape = {(latents.shape[1] - 1) * 4 + 1, latents.shape[2] * 8, latents.shape[3] * 8, 3};
    frames.data.resize(static_cast<size_t>(frames.numel()));
    for (size_t i = 0; i < frames.data.size(); ++i) frames.data[i] = latents.data[i % latents.data.size()];
    progress.Update(pipeline::Stage::kDecode, 1, 1);
    return frames;
  }

  pipeline::HostTensor Encode(const pipeline::HostTensor&, pipeline::Progress&) override { return {}; }
  const pipeline::StageSeconds& seconds() const override { return seconds_; }
  const attention::StatsRecorder& attention_stats() const override { return stats_; }

  std::vector<pipeline::Request> requests;  // their `start` may be gone
  std::vector<int64_t> starts;              // the step that each began with
  std::function<void(int64_t)> on_step;
  std::function<void()> on_decode;

 private:
  pipeline::ModelInfo model_;
  pipeline::StageSeconds seconds_;
  attention::StatsRecorder stats_;
};

// Notes down what a job says.
class RecordingObserver : public JobObserver {
 public:
  void Update(pipeline::Stage, int64_t, int64_t) override {}
  void Started(const Job&) override { ++started; }
  void Notice(const std::string& text) override { notices.push_back(text); }
  void Output(const std::string& path) override { outputs.push_back(path); }
  void Done(const Job&, double) override { ++done; }
  void Failed(const std::string&, const std::string&) override {}

  int started = 0, done = 0;
  std::vector<std::string> notices, outputs;
};

inline std::string ErrorText(const std::function<void()>& body) {
  try {
    body();
    return "";
  } catch (const base::Error& error) {
    return error.what();
  }
}

}  // namespace app
