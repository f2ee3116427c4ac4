#include "cuda_emulation/warp_operations.h"

#include <cstring>
#include <string>
#include <type_traits>

#include "cuda_emulation/formats.h"

// The products may use what the machine has; they are exact, so fused or not gives the same.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define CUDA_EMULATION_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=haswell", "default")))
#else
#define CUDA_EMULATION_CLONES
#endif

namespace cuda_emulation {
namespace {

constexpr int kRows = 16, kColumns = 8;

// d[16][8] = a[16][k] · b[k][8]
CUDA_EMULATION_CLONES void Multiply(const float* a, const float* b, float* d, int k) {
  for (int m = 0; m < kRows; m += 4) {
    float sums[4][kColumns] = {};
    for (int i = 0; i < k; ++i) {
      for (int r = 0; r < 4; ++r) {
        for (int n = 0; n < kColumns; ++n) sums[r][n] += a[(m + r) * k + i] * b[i * kColumns + n];
      }
    }
    std::memcpy(d + m * kColumns, sums, sizeof(sums));
  }
}

CUDA_EMULATION_CLONES void DecodeS8(const int8_t* x, float* y, int count) {
  for (int i = 0; i < count; ++i) y[i] = x[i];
}
CUDA_EMULATION_CLONES void DecodeE4M3(const uint8_t* x, float* y, int count) {
  for (int i = 0; i < count; ++i) y[i] = E4M3ToFloat(x[i]);
}
CUDA_EMULATION_CLONES void DecodeHalf(const uint16_t* x, float* y, int count) {
  for (int i = 0; i < count; ++i) y[i] = HalfToFloat(x[i]);
}
CUDA_EMULATION_CLONES void DecodeBFloat16(const uint16_t* x, float* y, int count) {
  for (int i = 0; i < count; ++i) y[i] = BFloat16ToFloat(x[i]);
}

template <class D>
struct Fragments {
  const uint32_t* a;
  uint32_t b[2];
  D* d;
};

// Element is 8 or 16 bits wide, so a register holds 4 or 2; k is 32 or 16.
template <class Element, class D, class Decode>
void Product(const char* name, D (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Decode decode) {
  constexpr int kPer = 4 / sizeof(Element), kDepth = 8 * kPer;
  Fragments<D> mine{a, {b0, b1}, d};
  Block::Current().Together(name, kFullWarp, mine, [=](Fragments<D>* const* lanes, uint32_t) {
    Element a[kRows * kDepth], b[kDepth * kColumns];
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; ++i) {  // a0: row g; a1: row g + 8; a2, a3: half of k further on
        std::memcpy(a + (g + i % 2 * 8) * kDepth + i / 2 * kDepth / 2 + t * kPer, &lanes[lane]->a[i], 4);
      }
      for (int i = 0; i < 2; ++i) {  // b0: column g; b1: half of k further on
        Element e[kPer];
        std::memcpy(e, &lanes[lane]->b[i], 4);
        for (int j = 0; j < kPer; ++j) b[(i * kDepth / 2 + t * kPer + j) * kColumns + g] = e[j];
      }
    }
    float fa[kRows * kDepth], fb[kDepth * kColumns], product[kRows * kColumns];
    decode(a, fa, kRows * kDepth);
    decode(b, fb, kDepth * kColumns);
    Multiply(fa, fb, product, kDepth);
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int i = 0; i < 4; ++i) {  // d0, d1: row g; d2, d3: row g + 8; columns 2t, 2t + 1
        const float sum = product[(g + i / 2 * 8) * kColumns + 2 * t + i % 2];
        D& to = lanes[lane]->d[i];
        if constexpr (std::is_same_v<D, int32_t>) {
          to = static_cast<int32_t>(static_cast<uint32_t>(to) + static_cast<uint32_t>(static_cast<int32_t>(sum)));
        } else {
          to += sum;
        }
      }
    }
  });
}

}  // namespace

void MultiplyS8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  // 32 products of at most 2^14: exact in float32.
  Product<int8_t>("mma.m16n8k32.s8", d, a, b0, b1, DecodeS8);
}
void MultiplyE4M3(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Product<uint8_t>("mma.m16n8k32.e4m3", d, a, b0, b1, DecodeE4M3);
}
void MultiplyF16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Product<uint16_t>("mma.m16n8k16.f16", d, a, b0, b1, DecodeHalf);
}
void MultiplyBF16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  Product<uint16_t>("mma.m16n8k16.bf16", d, a, b0, b1, DecodeBFloat16);
}

void LoadMatrices(uint32_t* r, uint32_t count, uint32_t row_address, bool transposed) {
  struct Operand {
    uint32_t* r;
    uint32_t address;
  };
  static constexpr const char* kNames[2][5] = {{"", "ldmatrix.x1", "ldmatrix.x2", "", "ldmatrix.x4"},
                                               {"", "ldmatrix.x1.trans", "ldmatrix.x2.trans", "", "ldmatrix.x4.trans"}};
  Block& block = Block::Current();
  block.Touch();
  const char* name = kNames[transposed][count];
  Operand mine{r, row_address};
  block.Together(name, kFullWarp, mine, [&block, name, count, transposed](Operand* const* lanes, uint32_t) {
    for (uint32_t i = 0; i < count; ++i) {
      uint16_t matrix[8][8];
      for (uint32_t row = 0; row < 8; ++row) {
        const uint32_t lane = 8 * i + row;
        std::memcpy(matrix[row], block.shared().Read(lanes[lane]->address, 16, block.accessor_of_lane(lane), name), 16);
      }
      for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
        const uint32_t g = lane / 4, t = lane % 4;
        const uint16_t pair[2] = {transposed ? matrix[2 * t][g] : matrix[g][2 * t],
                                  transposed ? matrix[2 * t + 1][g] : matrix[g][2 * t + 1]};
        std::memcpy(&lanes[lane]->r[i], pair, 4);
      }
    }
  });
}

uint64_t Shuffle(uint64_t value, ShuffleKind kind, uint32_t operand, uint32_t mask) {
  static constexpr const char* kNames[] = {"shfl.sync.idx", "shfl.sync.bfly", "shfl.sync.up", "shfl.sync.down"};
  struct Operand {
    uint64_t value, result;
    uint32_t source;
  };
  Block& block = Block::Current();
  const uint32_t lane = block.lane();
  uint32_t source = operand;
  if (kind == ShuffleKind::kXor) source = lane ^ operand;
  if (kind == ShuffleKind::kUp) source = lane < operand ? lane : lane - operand;
  if (kind == ShuffleKind::kDown) source = lane + operand > 31 ? lane : lane + operand;
  Operand mine{value, 0, source % kWarpSize};
  block.Together(kNames[static_cast<int>(kind)], mask, mine, [&block, kind](Operand* const* lanes, uint32_t mask) {
    for (uint32_t l = 0; l < kWarpSize; ++l) {
      if ((mask >> l & 1) == 0) continue;
      if (lanes[lanes[l]->source] == nullptr) {
        block.Fail(Fault::kDivergence, std::string(kNames[static_cast<int>(kind)]) + ": lane " + std::to_string(l) +
                                           " reads lane " + std::to_string(lanes[l]->source) +
                                           ", which does not take part");
      }
      lanes[l]->result = lanes[lanes[l]->source]->value;
    }
  });
  return mine.result;
}

uint32_t Ballot(bool predicate, uint32_t mask) {
  struct Operand {
    bool predicate;
    uint32_t result;
  };
  Operand mine{predicate, 0};
  Block::Current().Together("vote.sync", mask, mine, [](Operand* const* lanes, uint32_t mask) {
    uint32_t votes = 0;
    for (uint32_t l = 0; l < kWarpSize; ++l) {
      if (mask >> l & 1) votes |= uint32_t{lanes[l]->predicate} << l;
    }
    for (uint32_t l = 0; l < kWarpSize; ++l) {
      if (mask >> l & 1) lanes[l]->result = votes;
    }
  });
  return mine.result;
}

}  // namespace cuda_emulation
