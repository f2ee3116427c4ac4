#pragma once

#include <cstdint>
#include <vector>

#include "attention/call.h"

// The definition: docs/attention_spec.md in plain scalar C++, every mode, any shape. Slow, and right by being readable;
// shares no arithmetic with block_map/, quant/ and the kernels, which are tested against it. Also the fallback that
// runs anywhere (kernel "reference").
namespace attention::reference {

// How the product P·V is rounded in the 8-bit modes. sparge_exact has no rounding and ignores it.
enum class PV : uint8_t {
  kBFloat16,  // P and V rounded to bfloat16
  kFloat16,   // P and V rounded to float16
  kU8S8,      // P: 255 levels of the row's maximum in the tile; V: int8, a scale a channel over the sequence
  kE4M3,      // P·448 and V (a scale a channel, max 448) rounded to FP8 E4M3
};

// What a kernel may choose without changing what is computed but for rounding.
struct Arithmetic {
  PV pv = PV::kBFloat16;
  int64_t tile_blocks = 1;  // successive kept and not skipped key blocks that share one maximum and one rescaling
  int64_t flush_keys = 64;  // products summed before they are added to the float32 output
};

// The first stage, quantisation and λ votes of one call, for tests.
struct Trace {
  std::vector<float> key_mean;                  // km [batch, key_heads, head_dim]
  std::vector<float> query_means, key_means;    // [batch, query_heads, nq, head_dim], [batch, key_heads, nk, head_dim]
  std::vector<float> query_sims, key_sims;      // [batch, query_heads, nq], [batch, key_heads, nk]
  std::vector<float> scores;                    // [batch, query_heads, nq, nk]
  std::vector<int8_t> query8, key8;             // [batch, query_heads, Lq, head_dim], [batch, key_heads, Lkv, head_dim]
  std::vector<float> query_scales, key_scales;  // [batch, query_heads, Lq], [batch, key_heads, nk]
  std::vector<double> lambda_margins;  // [batch, query_heads]: how far the closest vote was from turning out otherwise
};

// Computes the call into its outputs. Throws as CheckCall.
void Run(const Call& call, const Arithmetic& arithmetic = {}, Trace* trace = nullptr);

}  // namespace attention::reference
