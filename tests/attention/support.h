#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "attention/call.h"
#include "attention/reference/reference.h"

// What the tests of attention/ share: cases, inputs, the truth in double, and how results are compared.
namespace attention::test {

// How inputs are made, in integers until the end: the same numbers as tests/golden/make_attention_goldens.py makes.
// Noise, plus a centre that the rows of a block share by a weight of 0 … 4 times the coherence, plus offset · what a
// channel has; outliers: an eighth of the channels eight-fold.
struct Recipe {
  uint64_t seed = 0;
  int64_t q_coherence = 1, k_coherence = 1, k_offset = 1;
  bool outliers = false;  // of q and k
  double q_amplitude = 1, k_amplitude = 1;
};

// One element that is replaced.
struct Special {
  char tensor = 'q';  // or k, v
  int64_t batch = 0, head = 0, row = 0, channel = 0;
  float value = 0;
};

// A call without its memory.
struct Case {
  std::string name;
  Mode mode = Mode::kSparge;
  DType dtype = DType::kFloat32;
  Shape shape;
  double scale = 0;  // 0: 1/√head_dim
  bool causal = false, sink = false;
  TokenRange keep_keys, keep_queries;
  int64_t window = -1;                // not negative: the selector sliding_window
  std::vector<HeadParameters> heads;  // empty: the defaults
  std::vector<int64_t> key_lengths;   // empty: all
  std::vector<uint8_t> block_map;     // empty: none
  Recipe recipe;
  std::vector<Special> specials;
};
std::string Describe(const Case& c);  // every number of it
std::ostream& operator<<(std::ostream& out, const Case& c);
const char* Name(Mode mode);
const char* Name(DType dtype);

enum class Layout {
  kContiguous,
  kHeadsInside,  // [batch, length, heads, channels]
  kTransposed,   // [batch, heads, channels, length]
  kReversed,     // every stride negative
  kSpread,       // rows and channels apart, NaN between
};
inline constexpr Layout kLayouts[] = {Layout::kContiguous, Layout::kHeadsInside, Layout::kTransposed, Layout::kReversed,
                                      Layout::kSpread};

// [batch, heads, length, channels] numbers in memory of their own.
class Tensor {
 public:
  Tensor() = default;
  // All of the memory is filled with NaN.
  Tensor(DType dtype, const int64_t (&dims)[4], Layout layout);
  void Fill(const std::vector<float>& values);  // row-major
  std::vector<float> Read() const;
  bool OnlyElementsWritten() const;  // what lies between the elements still is what the constructor put there
  TensorView view() const;
  MutableTensorView view();
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  int64_t Offset(int64_t index) const;  // of a row-major index
  DType dtype_ = DType::kFloat32;
  int64_t dims_[4] = {}, stride_[4] = {}, origin_ = 0;
  std::vector<std::byte> bytes_;
};

struct Result {
  std::vector<float> o, lse;
  std::vector<uint8_t> map;
  std::vector<HeadCounts> counts;
  RunInfo info;  // of a kernel

  bool SameBits(const Result& other) const;
};

// A case and its inputs.
class Problem {
 public:
  explicit Problem(const Case& c, Layout layout = Layout::kContiguous);
  const Case& spec() const { return case_; }
  // Row-major, as the call's dtype holds them.
  const std::vector<float>& q() const { return q_; }
  const std::vector<float>& k() const { return k_; }
  const std::vector<float>& v() const { return v_; }

  // Rewrites the inputs in memory; row-major, rounded to the call's dtype.
  void SetInputs(const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v);
  Call Inputs() const;  // the call without its outputs; lives as long as the problem
  Result RunReference(const reference::Arithmetic& arithmetic = {}, reference::Trace* trace = nullptr) const;
  Result RunKernel(const std::string& kernel, int threads = 1) const;

 private:
  template <class Run>
  Result Collect(Run&& run) const;

  Case case_;
  Layout layout_;
  std::vector<float> q_, k_, v_;
  Tensor q_memory_, k_memory_, v_memory_;
};

// Independent normal numbers; the first `outliers` channels of q and k ten-fold.
void FillWithGaussians(Problem& problem, uint64_t seed, int64_t outliers = 0);

// Attention in double over the given blocks, nothing skipped. Of finite inputs.
Result Truth(const Problem& problem, const std::vector<uint8_t>& map);

// How many keys [0, n) a query row sees; and whether key block j is visible to query block i.
int64_t KeysSeen(const Case& c, int64_t batch, int64_t query);
bool IsVisible(const Case& c, int64_t batch, int64_t query_block, int64_t key_block);

// Whether the first stage may decide either way on this block (docs/attention_spec.md).
bool IsNearTie(const Problem& problem, const reference::Trace& trace, int64_t batch, int64_t head, int64_t query_block,
               int64_t key_block);

// Of the finite elements of `want`; 0 where they are all zero and so is `got`.
double RelativeL1(const std::vector<float>& got, const std::vector<float>& want);
double RelativeL2(const std::vector<float>& got, const std::vector<float>& want);

// Empty where o and lse agree: in the places that are not finite (docs/attention_spec.md), in rows that attend to
// nothing (zeros, −inf), within relative L2 `o_tolerance` (of o, or of a fiftieth of v if that is more; a unit in the
// last place of o's format aside) and within max(1, |lse|) · `lse_tolerance`. Else what does not.
std::string Difference(const Problem& problem, const Result& got, const Result& want, double o_tolerance,
                       double lse_tolerance);

// How the products of a CPU kernel are rounded.
reference::Arithmetic ArithmeticOf(const std::string& kernel);
std::vector<std::string> RunnableKernels();  // those of this build that this CPU, as far as it shows itself, can run

// Where `got` differs from the reference with the same rounding more than it may; empty: nowhere. Near-ties of the
// block map and of λ votes may be either. `exact_loss`: of what float32 may lose in a score, how much o may in
// sparge_exact.
std::string CompareWithReference(const Problem& problem, const Result& got, const reference::Arithmetic& arithmetic,
                                 double exact_loss = 1);
// The same of a CPU kernel's result.
std::string CompareWithReference(const Problem& problem, const std::string& kernel, int threads = 1);

// tests/golden/data/attention.safetensors.
struct Golden {
  Case spec;
  int64_t row_step = 1;  // o and o8 hold the rows r with r ≡ query_length − 1 modulo row_step
  std::vector<uint8_t> map;
  std::vector<HeadCounts> counts;
  std::vector<float> o, lse;    // in double, over the tiles computed
  std::vector<float> o8, lse8;  // from the INT8 scores, P and v not rounded; empty in sparge_exact
  // First stage and quantisation, per head as in reference::Trace; empty in most cases.
  std::vector<float> key_mean, query_means, key_means, query_sims, key_sims, scores, query_scales, key_scales;
  std::vector<int8_t> query8, key8;
};
const std::vector<Golden>& Goldens();
std::vector<float> EveryRow(const Golden& golden, const std::vector<float>& o);  // the rows of o that the golden holds

}  // namespace attention::test
