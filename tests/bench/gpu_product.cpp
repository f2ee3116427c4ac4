// The product on a GPU, without what a GPU machine may lack (FFmpeg, GoogleTest):
//   gpu_product check                                             attention through the door on CUDA, against the CPU
//   gpu_product render MODEL WIDTH HEIGHT FRAMES STEPS            seconds a step: dense, dense8, sparge at two
//   sparsities
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "attention/attention.h"
#include "pipeline/pipeline.h"

namespace {

struct Outcome {
  at::Tensor o;
  attention::CallResults results;
};

Outcome Run(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::string& mode, bool causal,
            attention::StatsRecorder& stats) {
  attention::AttentionOptions options;
  options.mode = mode;
  options.sink = true;
  attention::AttentionContext ctx;
  ctx.options = &options;
  ctx.causal = causal;
  ctx.stats = &stats;
  Outcome out;
  out.results.want_lse = out.results.want_block_map = out.results.want_counts = true;
  ctx.results = &out.results;
  out.o = attention::Attend(q, k, v, ctx);
  stats.Settle();
  return out;
}

double RelativeL1(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wide = b.cpu().to(at::kDouble);
  return ((a.cpu().to(at::kDouble) - wide).abs().sum() / wide.abs().sum()).item<double>();
}

int Check() {
  struct Case {
    int64_t batch, heads, key_heads, queries, keys, width;
    bool causal;
  };
  const Case cases[] = {{1, 4, 4, 2304, 2304, 64, false},
                        {2, 4, 2, 333, 517, 128, false},
                        {1, 2, 2, 1000, 1000, 128, true},
                        {1, 3, 3, 130, 65, 80, false},
                        {1, 2, 1, 700, 900, 40, true}};
  int failed = 0;
  for (const Case& c : cases) {
    for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
      for (const char* mode : {"dense8", "sparge", "sparge_exact"}) {
        at::manual_seed(7);
        // As a model makes them: heads within a token.
        const auto draw = [&](int64_t heads, int64_t length) {
          return at::randn({c.batch, length, heads, c.width}).to(dtype).transpose(1, 2);
        };
        const at::Tensor q = draw(c.heads, c.queries), k = draw(c.key_heads, c.keys), v = draw(c.key_heads, c.keys);
        attention::StatsRecorder on_cpu, on_gpu;
        const Outcome cpu = Run(q, k, v, mode, c.causal, on_cpu);
        const Outcome gpu = Run(q.to(at::kCUDA), k.to(at::kCUDA), v.to(at::kCUDA), mode, c.causal, on_gpu);
        const double o = RelativeL1(gpu.o, cpu.o);
        const bool same_map = at::equal(gpu.results.block_map.cpu(), cpu.results.block_map);
        const bool same_counts = at::equal(gpu.results.kept_blocks.cpu(), cpu.results.kept_blocks) &&
                                 on_gpu.denoising_calls()[0].kept_blocks == on_cpu.denoising_calls()[0].kept_blocks &&
                                 on_gpu.denoising_calls()[0].pv_tiles == on_cpu.denoising_calls()[0].pv_tiles;
        const double bound = std::strcmp(mode, "sparge_exact") == 0 ? (dtype == at::kFloat ? 1e-5 : 6e-3) : 0.03;
        const bool good = o <= bound && same_map && same_counts && on_gpu.denoising_calls()[0].seconds > 0;
        failed += !good;
        std::printf("%s %-12s %-8s %s [%ld %ld/%ld %ld x %ld d %ld%s] o %.2e map %s counts %s\n",
                    good ? "ok  " : "FAIL", mode, c10::toString(dtype), gpu.results.kernel.c_str(), c.batch, c.heads,
                    c.key_heads, c.queries, c.keys, c.width, c.causal ? " causal" : "", o, same_map ? "=" : "differs",
                    same_counts ? "=" : "differ");
      }
    }
  }
  std::printf("%d failed\n", failed);
  return failed > 0;
}

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
    if (argc == 2 && std::string(argv[1]) == "check") return Check();
    if (argc == 7 && std::string(argv[1]) == "render") return Render(argv + 2);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_product: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: gpu_product check | render MODEL WIDTH HEIGHT FRAMES STEPS\n");
  return 2;
}
