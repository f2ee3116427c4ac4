#pragma once

#include <cstdint>

#include "cuda_emulation/block.h"

// What a warp's lanes do together, after the tables of the PTX ISA. Each function is called by every lane, as on the
// device, and takes and returns that lane's part. Lane l is in group g = l / 4 at place t = l % 4.
namespace cuda_emulation {

inline constexpr uint32_t kFullWarp = 0xffffffffu;

// ldmatrix .x1, .x2, .x4 (`count` matrices of 8 × 16 bytes; row r of matrix i at the address of lane 8i + r).
void LoadMatrices(uint32_t* r, uint32_t count, uint32_t row_address, bool transposed);

// mma.sync, D = A·B + D, fragments as "Matrix Fragments for mma.m16n8k16" and "… mma.m16n8k32" lay them out.
// INT8 sums are exact and wrap. Floating products are exact, summed in float32 in the order of k, then added to D.
void MultiplyS8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);  // m16n8k32
void MultiplyE4M3(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);  // m16n8k32
void MultiplyF16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);   // m16n8k16
void MultiplyBF16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);  // m16n8k16

// shfl.sync: every lane gets the value of lane `source(lane)`.
enum class ShuffleKind : uint8_t { kIndex, kXor, kUp, kDown };
uint64_t Shuffle(uint64_t value, ShuffleKind kind, uint32_t operand, uint32_t mask);

// vote.sync.ballot
uint32_t Ballot(bool predicate, uint32_t mask);

}  // namespace cuda_emulation
