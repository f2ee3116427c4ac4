#include "tests/attention/cuda/gpu_bench.h"

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include "attention/cuda/launch.h"

namespace attention::test {
namespace {

void Check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

__global__ void FillNormal(__nv_bfloat16* out, int64_t count, uint32_t seed) {
  for (int64_t i = blockIdx.x * int64_t{blockDim.x} + threadIdx.x; i < count; i += int64_t{gridDim.x} * blockDim.x) {
    uint64_t x = (static_cast<uint64_t>(i) + 1) * 0x9E3779B97F4A7C15u + seed * 0xD1B54A32D192ED03u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    x ^= x >> 31;
    const float u = (static_cast<float>(x & 0xffffff) + 1) / 16777217.f, t = static_cast<float>(x >> 40) / 16777216.f;
    out[i] = __float2bfloat16(sqrtf(-2 * logf(u)) * cospif(2 * t));
  }
}

struct Memory {
  void* data = nullptr;
  explicit Memory(size_t bytes) { Check(cudaMalloc(&data, bytes)); }
  ~Memory() { cudaFree(data); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
};

std::vector<std::string> Split(const std::string& text, char at) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == at) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

struct Timer {
  cudaEvent_t from, to;
  Timer() {
    Check(cudaEventCreate(&from));
    Check(cudaEventCreate(&to));
  }
  ~Timer() {
    cudaEventDestroy(from);
    cudaEventDestroy(to);
  }
  template <class Fn>
  float Milliseconds(Fn fn, cudaStream_t stream) {
    Check(cudaEventRecord(from, stream));
    fn();
    Check(cudaEventRecord(to, stream));
    Check(cudaEventSynchronize(to));
    float ms = 0;
    Check(cudaEventElapsedTime(&ms, from, to));
    return ms;
  }
};

float Median(std::vector<float> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void PrintOne(const BenchCase& c, const BenchTimes& t) {
  std::printf(
      "%-52s %8.3f ms (min %.3f) main %8.3f | kept %.3f | executed TOPS %6.1f whole %6.1f main | effective %6.1f |",
      c.text.c_str(), t.whole_ms, t.least_ms, t.main_ms, t.kept, t.operations * t.kept / t.whole_ms / 1e9,
      t.operations * t.kept / t.main_ms / 1e9, t.operations / t.whole_ms / 1e9);
  for (const auto& [name, ms] : t.prologue_ms) std::printf(" %s %.3f", name.c_str(), ms);
  std::printf("\n");
}

}  // namespace

BenchCase ParseBenchCase(const std::string& text) {
  const std::vector<std::string> f = Split(text, ':');
  if (f.size() != 8) throw std::runtime_error("bench case '" + text + "': expected eight fields");
  const std::vector<std::string> heads = Split(f[2], '/'), lengths = Split(f[3], '/');
  BenchCase c;
  c.text = text;
  c.kernel = f[0];
  c.mode = f[1] == "dense8" ? Mode::kDense8 : f[1] == "sparge_exact" ? Mode::kSpargeExact : Mode::kSparge;
  c.heads = std::stoll(heads[0]);
  c.key_heads = heads.size() > 1 ? std::stoll(heads[1]) : c.heads;
  c.queries = std::stoll(lengths[0]);
  c.keys = lengths.size() > 1 ? std::stoll(lengths[1]) : c.queries;
  c.dim = std::stoll(f[4]);
  c.share = std::stof(f[5]);
  c.causal = f[6] == "1";
  c.lambda = std::stof(f[7]);
  return c;
}

BenchTimes Measure(const cuda::Device& device, const BenchCase& c) {
  Shape s;
  s.batch = 1;
  s.query_heads = c.heads;
  s.key_heads = c.key_heads;
  s.query_length = c.queries;
  s.key_length = c.keys;
  s.head_dim = s.value_dim = c.dim;
  const int64_t q_count = s.query_heads * s.query_length * s.head_dim,
                k_count = s.key_heads * s.key_length * s.head_dim;

  Memory q(q_count * 2), k(k_count * 2), v(k_count * 2), o(q_count * 2), lse(s.query_heads * s.query_length * 4),
      counts(s.query_heads * sizeof(HeadCounts)), parameters(s.query_heads * sizeof(HeadParameters));
  FillNormal<<<1024, 256>>>(static_cast<__nv_bfloat16*>(q.data), q_count, 1);
  FillNormal<<<1024, 256>>>(static_cast<__nv_bfloat16*>(k.data), k_count, 2);
  FillNormal<<<1024, 256>>>(static_cast<__nv_bfloat16*>(v.data), k_count, 3);
  HeadParameters one;
  one.topk = c.share;
  one.theta = 0;
  one.lambda = c.lambda;
  const std::vector<HeadParameters> all(static_cast<size_t>(s.query_heads), one);
  Check(cudaMemcpy(parameters.data, all.data(), all.size() * sizeof(HeadParameters), cudaMemcpyHostToDevice));

  Call call;
  call.mode = c.mode;
  call.dtype = DType::kBFloat16;
  call.shape = s;
  const auto strides = [&](int64_t(&stride)[4], int64_t length) {
    stride[3] = 1;
    stride[2] = s.head_dim;
    stride[1] = length * s.head_dim;
    stride[0] = 0;
  };
  call.q.data = q.data;
  call.k.data = k.data;
  call.v.data = v.data;
  call.o.data = o.data;
  strides(call.q.stride, s.query_length);
  strides(call.k.stride, s.key_length);
  strides(call.v.stride, s.key_length);
  strides(call.o.stride, s.query_length);
  call.scale = 1 / std::sqrt(static_cast<double>(s.head_dim));
  call.causal = c.causal;
  call.heads = static_cast<HeadParameters*>(parameters.data);
  call.lse = static_cast<float*>(lse.data);
  call.counts = static_cast<HeadCounts*>(counts.data);

  const cuda::Choice choice = cuda::ChooseKernel(c.kernel, call.mode, call.dtype, s, device);
  Memory scratch(cuda::ScratchBytes(call, choice, device));
  cudaStream_t stream;
  Check(cudaStreamCreate(&stream));
  const std::vector<cuda::LaunchStep> steps = cuda::PlanLaunches(call, choice, device, scratch.data);
  Timer timer;
  const auto whole = [&] { cuda::Launch(call, choice, device, scratch.data, stream); };
  const float first = timer.Milliseconds(whole, stream);
  const int repeats = std::clamp(static_cast<int>(600 / std::max(first, 0.01f)), 3, 30);
  for (int n = 0; n < repeats / 3; ++n) whole();
  std::vector<float> totals;
  std::vector<std::vector<float>> parts(steps.size());
  for (int n = 0; n < repeats; ++n) totals.push_back(timer.Milliseconds(whole, stream));
  for (int n = 0; n < std::max(3, repeats / 3); ++n) {
    for (size_t i = 0; i < steps.size(); ++i) {
      parts[i].push_back(timer.Milliseconds([&] { cuda::LaunchOne(steps[i], stream); }, stream));
    }
  }
  Check(cudaStreamDestroy(stream));
  std::vector<HeadCounts> got(all.size());
  Check(cudaMemcpy(got.data(), counts.data, got.size() * sizeof(HeadCounts), cudaMemcpyDeviceToHost));
  // The parts ran more often than once: counts of the last whole call only would need another.
  const double pairs =
      call.causal ? 0.5 * s.query_length * (s.query_length + 1.0) : 1.0 * s.query_length * s.key_length;
  double kept = 0, visible = 0;
  for (const HeadCounts& head : got) {
    kept += static_cast<double>(head.kept_blocks);
    visible += static_cast<double>(head.visible_blocks);
  }
  BenchTimes times;
  times.kernel = choice.kernel;
  times.whole_ms = Median(totals);
  times.least_ms = *std::min_element(totals.begin(), totals.end());
  times.main_ms = Median(parts.back());
  for (size_t i = 0; i + 1 < steps.size(); ++i) times.prologue_ms.emplace_back(steps[i].name, Median(parts[i]));
  times.kept = kept / visible;
  times.operations = 4.0 * static_cast<double>(s.query_heads) * pairs * static_cast<double>(s.head_dim);
  return times;
}

int Bench(const cuda::Device& device, const std::vector<std::string>& cases) {
  for (const std::string& text : cases) {
    const BenchCase c = ParseBenchCase(text);
    PrintOne(c, Measure(device, c));
  }
  return 0;
}

}  // namespace attention::test
