#pragma once

#include "tests/cuda_emulation/example.h"

// Matrix products and matrix loads. The bodies gather and scatter fragments by the tables of the PTX ISA; what must
// come out is the plain product of the plain matrices.
namespace cuda_examples {

// Input: A [16][k] row-major, B [8][k] (columns of the k×8 matrix), D [16][8]. Output: A·B + D.
template <int kElementBits, class D, void (*kMultiply)(D (&)[4], const uint32_t (&)[4], uint32_t, uint32_t)>
SPARGE_DEVICE void MultiplyMatrices(const uint32_t* in, uint32_t* out) {
  constexpr int kRowWords = 8;  // 32 elements of 8 bits, 16 of 16
  const int lane = ptx::ThreadIndex(), g = lane / 4, t = lane % 4;
  const uint32_t *a = in, *b = in + 16 * kRowWords, *d = b + 8 * kRowWords;
  const uint32_t fragment[4] = {
      ptx::LoadConstant(a + g * kRowWords + t), ptx::LoadConstant(a + (g + 8) * kRowWords + t),
      ptx::LoadConstant(a + g * kRowWords + t + 4), ptx::LoadConstant(a + (g + 8) * kRowWords + t + 4)};
  const uint32_t b0 = ptx::LoadConstant(b + g * kRowWords + t), b1 = ptx::LoadConstant(b + g * kRowWords + t + 4);
  D sums[4];
  for (int i = 0; i < 4; ++i) {
    const uint32_t word = ptx::LoadConstant(d + (g + i / 2 * 8) * 8 + 2 * t + i % 2);
    memcpy(&sums[i], &word, 4);
  }
  kMultiply(sums, fragment, b0, b1);
  for (int i = 0; i < 4; ++i) {
    uint32_t word;
    memcpy(&word, &sums[i], 4);
    ptx::StoreGlobal(out + (g + i / 2 * 8) * 8 + 2 * t + i % 2, word);
  }
}

struct ProductOfInt8 : Example {
  static constexpr const char* kName = "mma.m16n8k32.s8";
  static constexpr int kOutputs = 128;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    MultiplyMatrices<8, int32_t, ptx::MultiplyS8>(in, out);
  }
  static Words Input() {
    Words words = NoiseWords(128 + 64 + 128);
    for (int i = 0; i < 8; ++i) words[i] = 0x80808080, words[128 + i] = 0x80808080;  // −128 · −128
    words[192] = 0x7fffffff;                                                         // wraps
    return words;
  }
  static Words Expected(const Words& in) {
    Words out(128);
    for (size_t m = 0; m < 16; ++m) {
      for (size_t n = 0; n < 8; ++n) {
        uint32_t sum = in[192 + m * 8 + n];
        for (size_t k = 0; k < 32; ++k) {
          sum += static_cast<uint32_t>(SignedByte(in, m * 32 + k) * SignedByte(in, 512 + n * 32 + k));
        }
        out[m * 8 + n] = sum;
      }
    }
    return out;
  }
};

// Small integers, of which every format here holds all exactly: the sum is exact in any order. An infinity and a NaN in
// two rows of their own.
template <int kDepth, uint32_t (*kEncode)(float)>
struct ProductOfFloats : Example {
  static constexpr int kOutputs = 128;
  static int Value(size_t index, uint32_t stream) {
    return static_cast<int>(Noise(static_cast<uint32_t>(index), stream) % 17) - 8;
  }
  static Words Input() {
    Words words(128 + 64 + 128);
    const auto put = [&words](size_t element, float x) {
      if constexpr (kDepth == 32) {
        PutByte(words, element, kEncode(x));
      } else {
        PutHalf(words, element, kEncode(x));
      }
    };
    for (size_t i = 0; i < 16 * kDepth; ++i) put(i, static_cast<float>(Value(i, 1)));
    for (size_t i = 0; i < 8 * kDepth; ++i) put(16 * kDepth + i, static_cast<float>(Value(i, 2)));
    for (size_t i = 0; i < 128; ++i) words[192 + i] = BitsOf(static_cast<float>(Value(i, 3)) * 1000);
    return words;
  }
  static Words Expected(const Words& in) {
    Words out(128);
    for (size_t m = 0; m < 16; ++m) {
      for (size_t n = 0; n < 8; ++n) {
        int sum = Value(m * 8 + n, 3) * 1000;
        for (size_t k = 0; k < kDepth; ++k) sum += Value(m * kDepth + k, 1) * Value(n * kDepth + k, 2);
        out[m * 8 + n] = BitsOf(static_cast<float>(sum));
      }
    }
    return out;
  }
};

struct ProductOfHalves : ProductOfFloats<16, HalfOf> {
  static constexpr const char* kName = "mma.m16n8k16.f16";
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    MultiplyMatrices<16, float, ptx::MultiplyF16>(in, out);
  }
};
struct ProductOfBFloat16 : ProductOfFloats<16, BFloat16Of> {
  static constexpr const char* kName = "mma.m16n8k16.bf16";
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    MultiplyMatrices<16, float, ptx::MultiplyBF16>(in, out);
  }
};
struct ProductOfE4M3 : ProductOfFloats<32, E4M3Of> {
  static constexpr const char* kName = "mma.m16n8k32.e4m3";
  static constexpr int kCapability = 89;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
#if defined(SPARGE_HAS_E4M3_MMA)
    MultiplyMatrices<8, float, ptx::MultiplyE4M3>(in, out);
#endif
  }
};

// 32 rows of 16 bytes into shared memory, at places that a permutation gives; then ldmatrix reads them in order.
template <int kCount, bool kTransposed>
struct MatrixLoad : Example {
  static constexpr int kSharedBytes = 512, kOutputs = 32 * kCount;
  static SPARGE_DEVICE void Body(const uint32_t* in, uint32_t* out) {
    const int lane = ptx::ThreadIndex(), place = lane * 11 % 32;
    const ptx::SharedAddress row = ptx::SharedMemory() + static_cast<uint32_t>(16 * place);
    for (int i = 0; i < 4; ++i)
      ptx::StoreShared(row + static_cast<uint32_t>(4 * i), ptx::LoadConstant(in + 4 * lane + i));
    ptx::SyncWarp();
    uint32_t r[kCount];
    if constexpr (kTransposed) {
      ptx::LoadMatricesTransposed(r, row);
    } else {
      ptx::LoadMatrices(r, row);
    }
    for (int i = 0; i < kCount; ++i) ptx::StoreGlobal(out + 32 * i + lane, r[i]);
  }
  static Words Input() { return NoiseWords(128); }
  static Words Expected(const Words& in) {
    const auto element = [&in](size_t matrix, size_t row, size_t column) {
      return in[(8 * matrix + row) * 4 + column / 2] >> column % 2 * 16 & 0xffff;
    };
    Words out;
    for (size_t i = 0; i < kCount; ++i) {
      for (size_t lane = 0; lane < 32; ++lane) {
        const size_t g = lane / 4, t = lane % 4;
        out.push_back(kTransposed ? element(i, 2 * t, g) | element(i, 2 * t + 1, g) << 16
                                  : element(i, g, 2 * t) | element(i, g, 2 * t + 1) << 16);
      }
    }
    return out;
  }
};
struct MatrixLoad1 : MatrixLoad<1, false> {
  static constexpr const char* kName = "ldmatrix.x1";
};
struct MatrixLoad2 : MatrixLoad<2, false> {
  static constexpr const char* kName = "ldmatrix.x2";
};
struct MatrixLoad4 : MatrixLoad<4, false> {
  static constexpr const char* kName = "ldmatrix.x4";
};
struct MatrixLoad2Transposed : MatrixLoad<2, true> {
  static constexpr const char* kName = "ldmatrix.x2.trans";
};
struct MatrixLoad4Transposed : MatrixLoad<4, true> {
  static constexpr const char* kName = "ldmatrix.x4.trans";
};

}  // namespace cuda_examples
