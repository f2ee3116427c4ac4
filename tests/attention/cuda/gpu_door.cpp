// Attention through the door (attention/attention.h) on a GPU, and libtorch's own beside it. Needs libtorch with its
// CUDA half, no GoogleTest. target gpu_door; scripts/gpu_check.sh runs all of it.
//   gpu_door check              every mode and dtype against the CPU
//   gpu_door anchors            libtorch's SDPA and matrix products: what a machine reaches
//   gpu_door table [quick]      times of the kernels beside SDPA's
//   gpu_door cross              dense and dense8 at the sizes of cross-attention
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/InferenceMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "attention/attention.h"
#include "attention/cuda/launch.h"
#include "tests/attention/cuda/gpu_bench.h"

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

at::Tensor OnDevice(at::IntArrayRef shape) {
  return at::randn(shape, at::TensorOptions().device(at::kCUDA).dtype(at::kBFloat16));
}

at::Tensor Sparge(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  attention::AttentionOptions options;
  options.mode = "sparge";
  attention::AttentionContext ctx;
  ctx.options = &options;
  return attention::Attend(q, k, v, ctx);
}

// Calls on four streams side by side, each behind work of its own stream that makes its q: what each gives alone.
bool CheckStreams() {
  struct Lane {
    c10::cuda::CUDAStream stream;
    at::Tensor q, k, v, alone, late_q, o;
  };
  std::vector<Lane> lanes;
  for (int64_t n = 0; n < 4; ++n) {
    const int64_t length = 3000 + 1111 * n, width = n % 2 == 0 ? 128 : 64;
    const auto draw = [&] { return OnDevice({1, 12, length, width}); };
    Lane lane{c10::cuda::getStreamFromPool(), draw(), draw(), draw(), {}, {}, {}};
    lane.alone = Sparge(lane.q, lane.k, lane.v);
    lanes.push_back(std::move(lane));
  }
  const at::Tensor busy = OnDevice({4096, 4096});
  cudaDeviceSynchronize();
  bool same = true;
  for (int round = 0; round < 5; ++round) {
    for (Lane& lane : lanes) lane.late_q = at::zeros_like(lane.q);
    cudaDeviceSynchronize();
    for (Lane& lane : lanes) {
      const c10::cuda::CUDAStreamGuard current(lane.stream);
      for (int n = 0; n < 10; ++n) at::mm(busy, busy);
      lane.late_q.copy_(lane.q);
      lane.o = Sparge(lane.late_q, lane.k, lane.v);
    }
    cudaDeviceSynchronize();
    for (const Lane& lane : lanes) same = same && at::equal(lane.o, lane.alone);
  }
  std::printf("%s four streams side by side, five times: %s\n", same ? "ok  " : "FAIL",
              same ? "the same bits as alone" : "other bits than alone");
  return same;
}

// Tokens so far apart that their offsets in elements need 64 bits.
bool CheckFarOffsets() {
  constexpr int64_t kTokens = 192, kWidth = 64, kStride = int64_t{1} << 25;
  size_t free = 0, total = 0;
  cudaMemGetInfo(&free, &total);
  constexpr size_t kBytes = size_t{kTokens} * kStride * 2;
  if (free < kBytes + (size_t{2} << 30)) {
    std::printf("not run: offsets past 2^32: %zu GB of memory are free, %zu are needed\n", free >> 30, kBytes >> 30);
    return true;
  }
  const at::Tensor memory = at::empty({kTokens * kStride}, at::TensorOptions().device(at::kCUDA).dtype(at::kBFloat16));
  at::Tensor near[3], far[3];
  for (int n = 0; n < 3; ++n) {
    near[n] = OnDevice({1, 1, kTokens, kWidth});
    far[n] = memory.as_strided({1, 1, kTokens, kWidth}, {kStride, kStride, kStride, 1}, n * kWidth);
    far[n].copy_(near[n]);
  }
  const bool same = at::equal(Sparge(far[0], far[1], far[2]), Sparge(near[0], near[1], near[2]));
  std::printf("%s offsets up to 2^%.1f elements: %s\n", same ? "ok  " : "FAIL",
              std::log2(static_cast<double>(kTokens * kStride)), same ? "the same bits" : "other bits");
  return same;
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
  failed += !CheckStreams() + !CheckFarOffsets();
  std::printf("%d failed\n", failed);
  return failed > 0;
}

constexpr double kNotRun = std::numeric_limits<double>::quiet_NaN();

// Median milliseconds of a call: of `turns` that follow each other at once, at least three and about `budget_ms` in
// all. NaN where it cannot run.
double Milliseconds(const std::function<void()>& call, double budget_ms = 300) {
  try {
    cudaEvent_t from, to;
    cudaEventCreate(&from);
    cudaEventCreate(&to);
    const auto time = [&](int calls) {
      cudaEventRecord(from);
      for (int n = 0; n < calls; ++n) call();
      cudaEventRecord(to);
      if (cudaEventSynchronize(to) != cudaSuccess) throw std::runtime_error("a launch failed");
      float ms = 0;
      cudaEventElapsedTime(&ms, from, to);
      return static_cast<double>(ms) / calls;
    };
    time(2);
    const double first = time(2);
    const int calls = std::clamp(static_cast<int>(budget_ms / 5 / std::max(first, 1e-3)), 1, 200);
    std::vector<double> turns;
    for (int n = 0; n < 5; ++n) turns.push_back(time(calls));
    std::sort(turns.begin(), turns.end());
    cudaEventDestroy(from);
    cudaEventDestroy(to);
    return turns[turns.size() / 2];
  } catch (const std::exception&) {
    cudaGetLastError();
    return kNotRun;
  }
}

enum class Peer { kCuDNN, kFlash };

double SDPA(Peer peer, const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  at::Context& context = at::globalContext();
  context.setSDPUseCuDNN(peer == Peer::kCuDNN);
  context.setSDPUseFlash(peer == Peer::kFlash);
  context.setSDPUseMemEfficient(false);
  context.setSDPUseMath(false);
  const double ms = Milliseconds(
      [&] { at::scaled_dot_product_attention(q, k, v, {}, 0.0, causal, std::nullopt, q.size(1) != k.size(1)); });
  context.setSDPUseCuDNN(true);
  context.setSDPUseFlash(true);
  context.setSDPUseMemEfficient(true);
  context.setSDPUseMath(true);
  return ms;
}

int Anchors() {
  for (const int64_t n : {8192, 16384}) {
    const double operations = 2.0 * static_cast<double>(n * n * n) / 1e9;
    const at::Tensor a = OnDevice({n, n}), b = OnDevice({n, n});
    std::printf("matrix product %5ld^3: bf16 %6.0f TFLOP/s", n, operations / Milliseconds([&] { at::mm(a, b); }));
    const at::Tensor a8 = a.mul(40).to(at::kChar), b8 = b.mul(40).to(at::kChar).t();
    std::printf("  int8 %6.0f TOPS", operations / Milliseconds([&] { at::_int_mm(a8, b8); }));
    const at::Tensor af = a.to(at::kFloat8_e4m3fn), bf = b.to(at::kFloat8_e4m3fn).t();
    const at::Tensor one = at::ones({}, at::TensorOptions().device(at::kCUDA).dtype(at::kFloat));
    std::printf("  e4m3 %6.0f TFLOP/s\n",
                operations / Milliseconds([&] { at::_scaled_mm(af, bf, one, one, {}, {}, at::kBFloat16, true); }));
  }
  for (const auto& [heads, dim] : {std::pair<int64_t, int64_t>{12, 128}, {24, 64}}) {
    for (const int64_t length : {4096, 8192, 16384, 32760}) {
      const at::Tensor q = OnDevice({1, heads, length, dim}), k = OnDevice({1, heads, length, dim}),
                       v = OnDevice({1, heads, length, dim});
      const double operations = 4.0 * static_cast<double>(heads * dim) * static_cast<double>(length * length) / 1e9;
      std::printf("SDPA bf16 d %3ld heads %2ld L %6ld: cuDNN %6.0f  flash %6.0f TFLOP/s\n", dim, heads, length,
                  operations / SDPA(Peer::kCuDNN, q, k, v, false), operations / SDPA(Peer::kFlash, q, k, v, false));
    }
  }
  return 0;
}

int Table(bool quick) {
  struct Row {
    int64_t dim, heads, key_heads, length;
    bool causal;
  };
  std::vector<Row> rows;
  for (const int64_t length : {4096, 8192, 16384, 32760}) {
    rows.push_back({128, 12, 12, length, false});
    rows.push_back({64, 24, 24, length, false});
  }
  rows.push_back({128, 12, 12, 32760, true});
  rows.push_back({64, 24, 24, 32760, true});
  rows.push_back({128, 12, 12, 8192, true});
  rows.push_back({128, 32, 8, 32768, false});
  rows.push_back({128, 32, 8, 32768, true});
  rows.push_back({128, 12, 12, 75600, false});
  rows.push_back({128, 4, 4, 131072, false});
  rows.push_back({64, 8, 8, 131072, false});
  if (quick) rows.resize(4);
  const attention::cuda::Device device = attention::cuda::Devices().at(0);
  std::printf(
      "ms of whole calls (bf16, top-k, lambda -7); first: share of all launches before the main kernel; quant: of\n"
      "quantize alone; TOPS: executed, main kernel\n");
  std::printf("%4s %6s %7s %-6s %-10s %8s %8s | %8s %5s |", "d", "heads", "L", "", "kernel", "cuDNN", "flash", "dense8",
              "TOPS");
  for (const char* skipped : {"50 %", "75 %", "90 %"})
    std::printf(" %8s %7s %5s %6s %6s |", skipped, "x cuDNN", "TOPS", "first", "quant");
  std::printf("\n");
  for (const Row& row : rows) {
    double cudnn, flash;
    {
      const at::Tensor q = OnDevice({1, row.heads, row.length, row.dim}),
                       k = OnDevice({1, row.key_heads, row.length, row.dim}),
                       v = OnDevice({1, row.key_heads, row.length, row.dim});
      cudnn = SDPA(Peer::kCuDNN, q, k, v, row.causal);
      flash = SDPA(Peer::kFlash, q, k, v, row.causal);
    }
    attention::test::BenchCase c;
    c.heads = row.heads;
    c.key_heads = row.key_heads;
    c.queries = c.keys = row.length;
    c.dim = row.dim;
    c.causal = row.causal;
    c.lambda = -7;
    c.mode = attention::Mode::kDense8;
    const attention::test::BenchTimes dense8 = Measure(device, c);
    const std::string heads =
        std::to_string(row.heads) + (row.key_heads == row.heads ? "" : "/" + std::to_string(row.key_heads));
    std::printf("%4ld %6s %7ld %-6s %-10s %8.3f %8.3f | %8.3f %5.0f |", row.dim, heads.c_str(), row.length,
                row.causal ? "causal" : "", dense8.kernel.c_str(), cudnn, flash, dense8.whole_ms,
                dense8.operations / dense8.main_ms / 1e9);
    c.mode = attention::Mode::kSparge;
    for (const float share : {0.5f, 0.25f, 0.1f}) {
      c.share = share;
      const attention::test::BenchTimes t = Measure(device, c);
      double first = 0, quantize = 0;
      for (const auto& [name, ms] : t.prologue_ms) {
        first += ms;
        if (name == "quantize") quantize = ms;
      }
      std::printf(" %8.3f %7.2f %5.0f %5.0f%% %5.0f%% |", t.whole_ms, cudnn / t.whole_ms,
                  t.operations * t.kept / t.main_ms / 1e9, 100 * first / t.whole_ms, 100 * quantize / t.whole_ms);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  return 0;
}

// Calls follow each other as in a model: what the host takes to launch them counts where the device is faster.
int Cross() {
  std::printf("ms of a call through the door, bf16: dense (SDPA) / dense8 = ratio\n");
  for (const auto& [heads, dim] : {std::pair<int64_t, int64_t>{12, 128}, {40, 128}, {24, 64}}) {
    for (const int64_t batch : {1, 2}) {
      for (const int64_t keys : {77, 128, 226, 256, 512}) {
        std::printf("d %3ld heads %2ld batch %ld keys %3ld:", dim, heads, batch, keys);
        for (const int64_t queries : {1024, 4096, 8192, 16384, 32760}) {
          const auto tensor = [&, heads = heads, dim = dim](int64_t length) {
            return OnDevice({batch, length, heads, dim}).transpose(1, 2);
          };
          const at::Tensor q = tensor(queries), k = tensor(keys), v = tensor(keys);
          attention::StatsRecorder stats;
          const auto time = [&](const char* mode) {
            attention::AttentionOptions options;
            options.mode = mode;
            attention::AttentionContext ctx;
            ctx.options = &options;
            ctx.kind = attention::Kind::kCross;
            ctx.stats = &stats;
            const double ms = Milliseconds([&] { attention::Attend(q, k, v, ctx); }, 30);
            stats.Settle();
            return ms;
          };
          const double dense = time("dense"), dense8 = time("dense8");
          std::printf("  %5ld: %.3f / %.3f = %.2f", queries, dense, dense8, dense / dense8);
        }
        std::printf("\n");
        std::fflush(stdout);
      }
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const c10::InferenceMode inference;
  const std::string command = argc > 1 ? argv[1] : "", more = argc > 2 ? argv[2] : "";
  try {
    if (attention::cuda::Devices().empty()) {
      std::puts("no CUDA device");
      return 2;
    }
    at::manual_seed(1);
    if (command == "check") return Check();
    if (command == "anchors") return Anchors();
    if (command == "table") return Table(more == "quick");
    if (command == "cross") return Cross();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_door: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "usage: gpu_door check | anchors | table [quick] | cross\n");
  return 2;
}
