// The CUDA kernels on a real GPU: `check` compares them with the reference, `bench` times them. Needs neither
// GoogleTest nor libtorch. target gpu_check.
#include <cuda_runtime_api.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "attention/cuda/launch.h"
#include "tests/attention/cuda/gpu_bench.h"
#include "tests/attention/cuda/gpu_cases.h"
#include "tests/attention/cuda/gpu_scores.h"

namespace attention::test {
namespace {

void Check(cudaError_t status) {
  if (status != cudaSuccess) throw std::runtime_error(cudaGetErrorString(status));
}

class Gpu : public Backend {
 public:
  explicit Gpu(cuda::Device device, bool fills_scratch = true)
      : device_(std::move(device)), fills_scratch_(fills_scratch) {
    Check(cudaStreamCreate(&stream_));
  }
  ~Gpu() override { cudaStreamDestroy(stream_); }
  cuda::Device device() const override { return device_; }
  bool FillsScratch() const override { return fills_scratch_; }
  void* Allocate(size_t bytes) override {
    void* memory = nullptr;
    Check(cudaMalloc(&memory, bytes + 1));
    return memory;
  }
  void Free(void* memory) override { cudaFree(memory); }
  void CopyIn(void* to, const void* from, size_t bytes) override {
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_));
  }
  void CopyOut(void* to, const void* from, size_t bytes) override {
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_));
    Check(cudaStreamSynchronize(stream_));
  }
  void Run(const Call& call, const cuda::Choice& choice, void* scratch) override {
    cuda::Launch(call, choice, device_, scratch, stream_);
    Check(cudaStreamSynchronize(stream_));
  }
  void RunScores(const cuda::LaunchStep& step, int32_t* scores) override {
    LaunchScores(step, scores, stream_);
    Check(cudaStreamSynchronize(stream_));
  }

 private:
  cuda::Device device_;
  bool fills_scratch_;
  cudaStream_t stream_ = nullptr;
};

// Cases over threads, each with its stream.
int RunCases(const cuda::Device& device, const std::string& kernel, const std::vector<CudaCase>& cases, int threads,
             bool compare) {
  std::atomic<size_t> next{0};
  std::atomic<int> failures{0};
  std::mutex printing;
  const auto work = [&] {
    Gpu gpu(device, compare);
    for (size_t n = next++; n < cases.size(); n = next++) {
      std::string difference;
      try {
        const Problem problem(cases[n].spec, cases[n].layout);
        const Result got = RunOnBackend(gpu, problem, kernel, cases[n].layout);
        if (compare) {
          difference = CompareWithReference(problem, got, CudaArithmetic(kernel));
          const Result again = RunOnBackend(gpu, problem, kernel, cases[n].layout);
          if (difference.empty() && !again.SameBits(got)) difference = "another run gave other bits";
        }
      } catch (const std::exception& error) {
        difference = error.what();
      }
      if (difference.empty()) continue;
      const std::scoped_lock lock(printing);
      if (++failures <= 12) {
        std::printf("FAILED %s on %s: %s\n", kernel.c_str(), Describe(cases[n].spec).c_str(), difference.c_str());
      }
    }
  };
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  return failures;
}

// Whether the device can run the kernel; else says why not.
bool Runs(const cuda::Device& device, const std::string& kernel) {
  try {
    const Mode mode = kernel == "cuda_exact" ? Mode::kSpargeExact : Mode::kSparge;
    cuda::ChooseKernel(kernel, mode, DType::kFloat32, {1, 1, 1, 1, 1, 64, 64}, device);
    return true;
  } catch (const std::exception& error) {
    std::printf("%-10s not run: %s\n", kernel.c_str(), error.what());
    return false;
  }
}

int CheckKernels(const cuda::Device& device, int threads, int random_cases) {
  int all_failures = 0;
  for (const std::string& kernel : cuda::KernelNames()) {
    const auto start = std::chrono::steady_clock::now();
    const bool exact = kernel == "cuda_exact";
    if (!Runs(device, kernel)) continue;
    std::vector<CudaCase> cases = CudaCases(exact);
    for (int seed = 0; seed < random_cases; ++seed) {
      cases.push_back(RandomCudaCase(static_cast<uint64_t>(seed) + 1, exact));
    }
    int failures = RunCases(device, kernel, cases, threads, true);
    Gpu gpu(device);
    const std::string bounds = CheckErrorBounds(gpu, kernel);
    if (!bounds.empty()) {
      std::printf("FAILED %s error bounds: %s", kernel.c_str(), bounds.c_str());
      ++failures;
    }
    const std::string scores = exact ? "" : CheckScores(gpu, kernel);
    if (!scores.empty()) {
      std::printf("FAILED %s INT32 scores: %s", kernel.c_str(), scores.c_str());
      ++failures;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("%-10s %zu cases, %d failed, %.1f s\n", kernel.c_str(), cases.size(), failures, seconds);
    all_failures += failures;
  }
  return all_failures;
}

int Main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string command = argc > 1 ? argv[1] : "";
  const std::vector<cuda::Device> devices = cuda::Devices();
  if (devices.empty()) {
    std::puts("no CUDA device");
    return 2;
  }
  const cuda::Device& device = devices[0];
  std::printf("%s, sm_%d, %d multiprocessors\n", device.name.c_str(), device.capability, device.multiprocessors);
  const auto number = [&](int index, int otherwise) { return argc > index ? std::atoi(argv[index]) : otherwise; };
  if (command == "check") {
    return CheckKernels(device, number(3, static_cast<int>(std::thread::hardware_concurrency())), number(2, 300)) ? 1
                                                                                                                  : 0;
  }
  // Every STEP-th case once, no comparison, scratch as it was allocated: for compute-sanitizer.
  if (command == "once") {
    int all_failures = 0;
    for (const std::string& kernel : cuda::KernelNames()) {
      if (!Runs(device, kernel)) continue;
      std::vector<CudaCase> cases = CudaCases(kernel == "cuda_exact"), some;
      const size_t step = static_cast<size_t>(number(2, 1));
      for (size_t n = 0; n < cases.size(); n += step) some.push_back(cases[n]);
      const int failures = RunCases(device, kernel, some, 1, false);
      std::printf("%s: %zu cases ran, %d failed\n", kernel.c_str(), some.size(), failures);
      all_failures += failures;
    }
    return all_failures > 0;
  }
  if (command == "bench") return Bench(device, std::vector<std::string>(argv + 2, argv + argc));
  std::puts("usage: gpu_check check [RANDOM_CASES [THREADS]] | once [STEP] | bench [FLAGS]");
  return 2;
}

}  // namespace
}  // namespace attention::test

int main(int argc, char** argv) {
  try {
    return attention::test::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
