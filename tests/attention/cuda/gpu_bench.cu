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

void BenchOne(const cuda::Device& device, const std::string& text) {
  const std::vector<std::string> f = Split(text, ':');
  if (f.size() != 8) throw std::runtime_error("bench case '" + text + "': expected eight fields");
  const std::vector<std::string> heads = Split(f[2], '/');
  Shape s;
  s.batch = 1;
  s.query_heads = std::stoll(heads[0]);
  s.key_heads = heads.size() > 1 ? std::stoll(heads[1]) : s.query_heads;
  s.query_length = s.key_length = std::stoll(f[3]);
  s.head_dim = s.value_dim = std::stoll(f[4]);
  const float share = std::stof(f[5]);
  const int64_t q_count = s.query_heads * s.query_length * s.head_dim, k_count = s.key_heads * s.key_length * s.head_dim;

  Memory q(q_count * 2), k(k_count * 2), v(k_count * 2), o(q_count * 2), lse(s.query_heads * s.query_length * 4),
      counts(s.query_heads * sizeof(HeadCounts)), parameters(s.query_heads * sizeof(HeadParameters));
  FillNormal<<<1024, 256>>>(static_cast<__nv_bfloat16*>(q.data), q_count, 1);
  FillNormal<<<1024, 256>>>(static_cast<__nv_bfloat16*>(k.data), k_count, 2);
  FillNormal<<<1024, 256>>>(static_cast<__nv_bfloat16*>(v.data), k_count, 3);
  HeadParameters one;
  one.topk = share;
  one.theta = 0;
  one.lambda = std::stof(f[7]);
  const std::vector<HeadParameters> all(static_cast<size_t>(s.query_heads), one);
  Check(cudaMemcpy(parameters.data, all.data(), all.size() * sizeof(HeadParameters), cudaMemcpyHostToDevice));

  Call call;
  call.mode = f[1] == "dense8" ? Mode::kDense8 : f[1] == "sparge_exact" ? Mode::kSpargeExact : Mode::kSparge;
  call.dtype = DType::kBFloat16;
  call.shape = s;
  const auto strides = [&](int64_t (&stride)[4]) {
    stride[3] = 1;
    stride[2] = s.head_dim;
    stride[1] = s.query_length * s.head_dim;
    stride[0] = 0;
  };
  call.q.data = q.data;
  call.k.data = k.data;
  call.v.data = v.data;
  call.o.data = o.data;
  strides(call.q.stride);
  strides(call.k.stride);
  strides(call.v.stride);
  strides(call.o.stride);
  call.scale = 1 / std::sqrt(static_cast<double>(s.head_dim));
  call.causal = f[6] == "1";
  call.heads = static_cast<HeadParameters*>(parameters.data);
  call.lse = static_cast<float*>(lse.data);
  call.counts = static_cast<HeadCounts*>(counts.data);

  const cuda::Choice choice = cuda::ChooseKernel(f[0], call.mode, call.dtype, s, device);
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
  const double pairs = call.causal ? 0.5 * s.query_length * (s.query_length + 1.0) : 1.0 * s.query_length * s.key_length;
  double kept = 0, visible = 0;
  for (const HeadCounts& c : got) {
    kept += static_cast<double>(c.kept_blocks);
    visible += static_cast<double>(c.visible_blocks);
  }
  const double dense = 4.0 * s.query_heads * pairs * s.head_dim, total = Median(totals), main = Median(parts.back());
  std::printf("%-52s %8.3f ms (min %.3f) main %8.3f | kept %.3f | executed TOPS %6.1f whole %6.1f main | effective %6.1f |",
              text.c_str(), total, *std::min_element(totals.begin(), totals.end()), main, kept / visible,
              dense * kept / visible / total / 1e9, dense * kept / visible / main / 1e9, dense / total / 1e9);
  for (size_t i = 0; i + 1 < steps.size(); ++i) std::printf(" %s %.3f", steps[i].name, Median(parts[i]));
  std::printf("\n");
}

}  // namespace

int Bench(const cuda::Device& device, const std::vector<std::string>& cases) {
  for (const std::string& text : cases) BenchOne(device, text);
  return 0;
}

}  // namespace attention::test
