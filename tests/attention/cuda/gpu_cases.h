#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attention/cuda/plan.h"
#include "tests/attention/support.h"

// The cases of the CUDA kernels' tests and how their results are judged: shared by the emulator's tests, which run the
// kernel bodies on the host, and by the check on a GPU. No CUDA here.
namespace attention::test {

// Something that runs PlanLaunches' steps, and its memory.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual cuda::Device device() const = 0;
  virtual bool FillsScratch() const { return true; }  // with NaNs before a call; false: left as it was allocated
  virtual void* Allocate(size_t bytes) = 0;           // on a boundary of 256
  virtual void Free(void* memory) = 0;
  virtual void CopyIn(void* to, const void* from, size_t bytes) = 0;
  virtual void CopyOut(void* to, const void* from, size_t bytes) = 0;
  // Runs the call to its end.
  virtual void Run(const Call& call, const cuda::Choice& choice, void* scratch) = 0;
  // Runs the kernel of scores.cuh after Run, to its end. `step`: the main kernel's; `scores`: memory of this backend.
  virtual void RunScores(const cuda::LaunchStep& step, int32_t* scores) = 0;
};

// The problem's results by the CUDA kernel `kernel`. Scratch holds NaNs before the run (FillsScratch). Throws
// base::Error where the kernel refuses, std::logic_error where memory between the elements of o was written. `then` is
// called while scratch still holds what the call left there.
Result RunOnBackend(Backend& backend, const Problem& problem, const std::string& kernel,
                    Layout layout = Layout::kContiguous,
                    const std::function<void(const std::vector<cuda::LaunchStep>&)>& then = {});

// How `kernel` rounds P·V.
reference::Arithmetic CudaArithmetic(const std::string& kernel);

struct CudaCase {
  Case spec;
  Layout layout = Layout::kContiguous;
};

// Small calls, each for something: ragged and tiny lengths, one block, sink, strides, GQA, causal, key lengths, NaN and
// infinity, empty rows, given maps, parameters a head, windows, every width class. `exact`: of mode sparge_exact, else
// of the 8-bit modes.
std::vector<CudaCase> CudaCases(bool exact);
// Random small calls, seeds [first, first + count).
CudaCase RandomCudaCase(uint64_t seed, bool exact);

// Every INT32 score that the main kernel makes of `kernel`'s operands, against the products of the reference's levels:
// all widths, dtypes, ragged lengths, shared key heads. Empty: the same.
std::string CheckScores(Backend& backend, const std::string& kernel);

// The errors that docs/attention_spec.md promises, measured; empty: within them.
std::string CheckErrorBounds(Backend& backend, const std::string& kernel);

}  // namespace attention::test
