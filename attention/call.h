#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "attention/parallel.h"

// One attention call in plain structs: what every kernel, the block map and the reference take. No torch here.
// What is computed: docs/attention_spec.md.
namespace attention {

inline constexpr int64_t kQueryBlock = 128, kKeyBlock = 64, kRowGroup = 64;
inline constexpr int64_t kWidestHead = 256;  // of the block-sparse and 8-bit modes

enum class DType : uint8_t { kFloat32, kBFloat16, kFloat16 };

enum class Mode : uint8_t {
  kDense8,       // 8-bit arithmetic, every visible block
  kSparge,       // 8-bit arithmetic, both sparse stages
  kSpargeExact,  // float32 arithmetic, both sparse stages
};

// [batch, heads, length, channels]. Strides count elements and may be anything: zero, negative, beyond 32 bits.
struct TensorView {
  const void* data = nullptr;
  int64_t stride[4] = {};
};
struct MutableTensorView {
  void* data = nullptr;
  int64_t stride[4] = {};
};

struct Shape {
  int64_t batch = 0, query_heads = 0, key_heads = 0, query_length = 0, key_length = 0, head_dim = 0, value_dim = 0;

  int64_t query_blocks() const { return (query_length + kQueryBlock - 1) / kQueryBlock; }
  int64_t key_blocks() const { return (key_length + kKeyBlock - 1) / kKeyBlock; }
  int64_t key_head(int64_t query_head) const { return query_head / (query_heads / key_heads); }
};

// What one query head is given. Both topk and cdf: the union of what they choose; neither: everything.
struct HeadParameters {
  static constexpr float kNone = std::numeric_limits<float>::quiet_NaN();
  float topk = kNone;   // (0, 1], or kNone
  float cdf = kNone;    // (0, 1], or kNone
  float theta = 0.3f;   // [0, 1]; 0 fixes no block
  float lambda = -7.f;  // ≤ 0, natural-log units; 0: off
};

// [begin, end) of tokens; begin = end = 0: none.
struct TokenRange {
  int64_t begin = 0, end = 0;
  bool empty() const { return begin == end; }
};

// Of one batch entry and query head.
struct HeadCounts {
  int64_t visible_blocks = 0, kept_blocks = 0, pv_tiles = 0, pv_skipped = 0;
};

struct Call {
  Mode mode = Mode::kDense8;
  DType dtype = DType::kFloat32;  // of q, k, v and o
  Shape shape;
  TensorView q, k, v;
  double scale = 1;
  bool causal = false;                   // query i sees key j iff j ≤ i + key_length − query_length
  const int64_t* key_lengths = nullptr;  // [batch], each in [0, key_length]; null: all of key_length

  // First stage; the sparge modes only.
  std::string selector = "spargeattn";  // one of block_map/selectors.cpp
  const HeadParameters* heads =
      nullptr;         // [query_heads]; null: the defaults above. lambda counts with a block_map too.
  int64_t window = 0;  // of the selector sliding_window: key blocks to either side
  bool sink = false;
  TokenRange keep_keys, keep_queries;
  const uint8_t* block_map =
      nullptr;  // [batch, query_heads, query_blocks, key_blocks], nonzero = kept; replaces selection

  // Results. Contiguous where they have no strides; null: not wanted.
  MutableTensorView o;
  float* lse = nullptr;               // [batch, query_heads, query_length]
  uint8_t* block_map_used = nullptr;  // as block_map, 0 or 1
  HeadCounts* counts = nullptr;       // [batch, query_heads]
};

// Throws base::Error, kInvalidInput, naming what is wrong with a field and what it should be.
void CheckCall(const Call& call);

// Which kernel ran, why that one, and how long its first stage and quantisation took.
struct RunInfo {
  std::string kernel, reason;
  bool fallback = false;        // another kernel would have been preferred, but this CPU lacks what it needs
  double predict_seconds = 0;   // choosing blocks: means, similarities, scores, selection (thread-seconds / threads)
  double quantize_seconds = 0;  // smoothing, quantising and packing (thread-seconds / threads)
};

// Computes the call with the CPU kernel `kernel` (CPUKernelNames(), or "auto") on the threads of `parallel`. The
// results do not depend on the number of threads. Throws base::Error: kInvalidInput as CheckCall, kUnsupported where a
// kernel asked for by name is not there or needs what this CPU lacks, kOutOfMemory.
RunInfo RunOnCPU(const Call& call, const Parallel& parallel, const std::string& kernel = "auto");

}  // namespace attention
