// A render on a GPU, without what a GPU machine may lack (FFmpeg, GoogleTest):
//   gpu_product render MODEL WIDTH HEIGHT FRAMES STEPS      seconds a step: dense, dense8, sparge at two sparsities
// Attention alone: tests/attention/cuda/gpu_door.cpp.
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "pipeline/pipeline.h"

namespace {

int Render(char** args) {
  pipeline::RuntimeOptions runtime;
  runtime.device = "cuda";
  runtime.dtype = "bfloat16";
  const auto pipe = pipeline::Pipeline::Open(args[0], runtime);
  pipeline::Request request;
  request.prompt = "a red sphere bouncing on a gray floor";
  request.width_px = std::atoi(args[1]);
  request.height_px = std::atoi(args[2]);
  request.num_frames = std::atoi(args[3]);
  request.num_steps = std::atoi(args[4]);
  pipeline::NoProgress progress;
  struct Way {
    const char *name, *mode;
    double topk;
  };
  std::printf("%-14s%12s%14s%10s  kernels\n", "", "s a step", "attention %", "sparsity");
  for (const Way& way : {Way{"dense (SDPA)", "dense", 1}, Way{"dense8", "dense8", 1}, Way{"sparge 60 %", "sparge", 0.4},
                         Way{"sparge 80 %", "sparge", 0.2}, Way{"dense again", "dense", 1}}) {
    request.attention.choice.mode = way.mode;
    if (std::strcmp(way.mode, "sparge") == 0) {
      request.attention.choice.topk = way.topk;
      request.attention.choice.theta = 0;
    }
    pipe->Denoise(request, progress);
    const std::vector<double>& steps = pipe->seconds().steps;
    std::vector<double> last(steps.end() - request.num_steps + 1, steps.end());  // the first one warms up
    double sum = 0, all = 0;
    for (double step : last) sum += step;
    for (size_t i = steps.size() - static_cast<size_t>(request.num_steps); i < steps.size(); ++i) all += steps[i];
    const attention::StatsRecorder& stats = pipe->attention_stats();
    std::string kernels;
    for (const auto& [name, calls] : stats.calls_by_kernel()) kernels += name + " x " + std::to_string(calls) + "  ";
    std::printf("%-14s%12.3f%14.1f%10.3f  %s\n", way.name, sum / static_cast<double>(last.size()),
                100 * stats.seconds() / all, stats.sparsity(), kernels.c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const c10::InferenceMode inference;
  try {
    if (argc == 7 && std::string(argv[1]) == "render") return Render(argv + 2);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_product: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: gpu_product render MODEL WIDTH HEIGHT FRAMES STEPS\n");
  return 2;
}
