#include <cstdio>
#include <exception>
#include <random>
#include <vector>

#include "attention/call.h"

// Block-sparse attention of two heads on 2048 tokens of 64 channels each, on plain arrays.
int main() try {
  const int64_t heads = 2, length = 2048, channels = 64, head_size = length * channels;
  std::vector<float> q(heads * head_size), k(q.size()), v(q.size()), o(q.size()), lse(heads * length);
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  for (std::vector<float>* tensor : {&q, &k, &v}) {
    for (float& value : *tensor) value = normal(engine);
  }

  attention::Call call;
  call.mode = attention::Mode::kSparge;
  call.dtype = attention::DType::kFloat32;
  call.shape = {1, heads, heads, length, length, channels, channels};
  call.q = {q.data(), {heads * head_size, head_size, channels, 1}};
  call.k = {k.data(), {heads * head_size, head_size, channels, 1}};
  call.v = {v.data(), {heads * head_size, head_size, channels, 1}};
  call.o = {o.data(), {heads * head_size, head_size, channels, 1}};
  call.scale = 0.125;  // 1/sqrt(64)
  const attention::HeadParameters half{.topk = 0.5f, .theta = 0.f}, quarter{.topk = 0.25f, .theta = 0.f};
  const attention::HeadParameters parameters[] = {half, quarter};
  call.heads = parameters;
  call.lse = lse.data();
  attention::HeadCounts counts[2];
  call.counts = counts;
  const attention::RunInfo info = attention::RunOnCPU(call, attention::StdThreads());
  std::printf("kernel %s: %s\nkept %lld and %lld of %lld blocks\n", info.kernel.c_str(), info.reason.c_str(),
              static_cast<long long>(counts[0].kept_blocks), static_cast<long long>(counts[1].kept_blocks),
              static_cast<long long>(counts[0].visible_blocks));
} catch (const std::exception& error) {
  return std::fprintf(stderr, "%s\n", error.what()), 1;
}
