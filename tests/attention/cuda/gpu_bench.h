#pragma once

#include <string>
#include <utility>
#include <vector>

#include "attention/cuda/plan.h"

namespace attention::test {

struct BenchCase {
  std::string text;  // what ParseBenchCase read
  std::string kernel = "auto";
  Mode mode = Mode::kSparge;
  int64_t heads = 1, key_heads = 1, queries = 1, keys = 1, dim = 64;
  float share = 1, lambda = 0;  // top-k of the blocks; λ
  bool causal = false;
};
// "KERNEL:MODE:HEADS[/KEY_HEADS]:LENGTH[/KEYS]:DIM:SHARE:CAUSAL:LAMBDA", e.g. cuda_fp16:sparge:12:32760:128:0.5:0:-7.
BenchCase ParseBenchCase(const std::string& text);

struct BenchTimes {
  std::string kernel;
  double whole_ms = 0, least_ms = 0, main_ms = 0;  // medians, but for `least`: of all launches; of the last one
  std::vector<std::pair<std::string, double>> prologue_ms;
  double kept = 1;        // share of the visible blocks
  double operations = 0;  // 4 · pairs · channels · heads, of all visible pairs
};
// Times the launches on random bfloat16 inputs.
BenchTimes Measure(const cuda::Device& device, const BenchCase& c);

// Measures and prints a line each.
int Bench(const cuda::Device& device, const std::vector<std::string>& cases);

}  // namespace attention::test
