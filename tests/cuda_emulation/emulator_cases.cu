// The emulator's worked examples on a GPU: prints a line an example, exits 1 where one differs. Needs nothing but the
// CUDA runtime.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>

#include "tests/cuda_emulation/examples.cuh"

namespace {

void Check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "emulator_cases: %s: %s\n", what, cudaGetErrorString(status));
  std::exit(2);
}

template <class E>
__global__ void __launch_bounds__(E::kThreads) Kernel(const uint32_t* in, uint32_t* out) {
  E::Body(in, out);
}

struct OnDevice {
  int capability = 0, passed = 0, failed = 0, skipped = 0;

  template <class E>
  void Run() {
    if (capability < E::kCapability) {
      std::printf("skip  %s: needs compute capability %d.%d\n", E::kName, E::kCapability / 10, E::kCapability % 10);
      ++skipped;
      return;
    }
    const cuda_examples::Words input = E::Input();
    cuda_examples::Words output(E::kOutputs);
    uint32_t *in = nullptr, *out = nullptr;
    Check(cudaMalloc(&in, input.size() * 4), "cudaMalloc");
    Check(cudaMalloc(&out, output.size() * 4), "cudaMalloc");
    Check(cudaMemcpy(in, input.data(), input.size() * 4, cudaMemcpyHostToDevice), "cudaMemcpy");
    Check(cudaMemset(out, 0, output.size() * 4), "cudaMemset");
    Kernel<E><<<dim3(E::kBlocksX, E::kBlocksY), E::kThreads, E::kSharedBytes>>>(in, out);
    Check(cudaGetLastError(), E::kName);
    Check(cudaMemcpy(output.data(), out, output.size() * 4, cudaMemcpyDeviceToHost), E::kName);
    Check(cudaFree(in), "cudaFree");
    Check(cudaFree(out), "cudaFree");
    const std::string difference = cuda_examples::Difference<E>(output);
    ++(difference.empty() ? passed : failed);
    std::printf("%s  %s%s%s\n", difference.empty() ? "pass" : "FAIL", E::kName, difference.empty() ? "" : ": ",
                difference.c_str());
  }
};

}  // namespace

int main() {
  cudaDeviceProp device;
  Check(cudaGetDeviceProperties(&device, 0), "no CUDA device");
  OnDevice run;
  run.capability = device.major * 10 + device.minor;
  std::printf("%s, compute capability %d.%d\n", device.name, device.major, device.minor);
  cuda_examples::ForEachExample(run);
  std::printf("%d passed, %d failed, %d skipped\n", run.passed, run.failed, run.skipped);
  return run.failed == 0 ? 0 : 1;
}
