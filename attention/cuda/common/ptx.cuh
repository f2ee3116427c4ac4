#pragma once

#include <cstdint>
#include <cstring>

// The one place where kernels touch PTX, shared memory and global memory. Kernel bodies call these functions and nothing
// else of the machine, so that the same bodies run on the host: there tests/support/cuda_emulation implements every
// function of this page (and CUDA's built-in variables) after the PTX ISA sections named here.
//
// Words used below: lane = threadIdx.x % 32; g = lane / 4; t = lane % 4. "Packed" operands hold their elements from the
// lowest bits up. All warp-wide functions take all 32 lanes, converged.
//
// The block's dynamic shared memory is addressed by 32-bit byte addresses; there is no static shared memory.
namespace attention::cuda::ptx {
using SharedAddress = uint32_t;
}  // namespace attention::cuda::ptx

#if !defined(__CUDACC__)

// Declares and defines, in this namespace, every function below with the same signature, and SPARGE_DEVICE.
#include "cuda_emulation/host.h"

#else

#include <cuda_fp16.h>

#define SPARGE_DEVICE __device__ __forceinline__
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 890
#define SPARGE_HAS_E4M3_MMA 1
#endif

namespace attention::cuda::ptx {

// What this code is compiled for; 900: sm_90. 0: the host.
#if defined(__CUDA_ARCH__)
inline constexpr int kCompiledFor = __CUDA_ARCH__;
#else
inline constexpr int kCompiledFor = 0;
#endif

// ---- Where this thread is ------------------------------------------------------------------------------------------
// PTX ISA "Special Registers": %tid, %ctaid, %nctaid. Blocks are one-dimensional; grids have x and y.
SPARGE_DEVICE int ThreadIndex() { return static_cast<int>(threadIdx.x); }
// The same; the compiler is asked to read it where this stands, so that no register holds it in between.
SPARGE_DEVICE int FreshThreadIndex() {
  uint32_t x;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(x));
  return static_cast<int>(x);
}
SPARGE_DEVICE int BlockThreads() { return static_cast<int>(blockDim.x); }
SPARGE_DEVICE int64_t BlockX() { return static_cast<int64_t>(blockIdx.x); }
SPARGE_DEVICE int64_t BlockY() { return static_cast<int64_t>(blockIdx.y); }
SPARGE_DEVICE int64_t GridX() { return static_cast<int64_t>(gridDim.x); }

// The same value, of which the compiler knows nothing: what follows from it is computed here and now, not before a loop
// and then held in registers.
SPARGE_DEVICE int Fresh(int x) {
  asm volatile("" : "+r"(x));
  return x;
}
SPARGE_DEVICE uint32_t Fresh(uint32_t x) {
  asm volatile("" : "+r"(x));
  return x;
}

// ---- Memory --------------------------------------------------------------------------------------------------------

// The address of the first byte of dynamic shared memory; a multiple of 1024.
SPARGE_DEVICE SharedAddress SharedMemory() {
  extern __shared__ __align__(1024) uint8_t sparge_shared[];
  return static_cast<SharedAddress>(__cvta_generic_to_shared(sparge_shared));
}

// PTX ISA "ld" with .shared. T has 1, 2, 4, 8 or 16 bytes and is trivially copyable; the address is a multiple of its
// size.
template <class T>
SPARGE_DEVICE T LoadShared(SharedAddress address) {
  static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16);
  T value;
  if constexpr (sizeof(T) == 16) {
    uint32_t w[4];
    asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(w[0]), "=r"(w[1]), "=r"(w[2]), "=r"(w[3])
                 : "r"(address)
                 : "memory");
    memcpy(&value, w, 16);
  } else if constexpr (sizeof(T) == 8) {
    uint32_t w[2];
    asm volatile("ld.shared.v2.b32 {%0, %1}, [%2];" : "=r"(w[0]), "=r"(w[1]) : "r"(address) : "memory");
    memcpy(&value, w, 8);
  } else if constexpr (sizeof(T) == 4) {
    uint32_t w;
    asm volatile("ld.shared.b32 %0, [%1];" : "=r"(w) : "r"(address) : "memory");
    memcpy(&value, &w, 4);
  } else if constexpr (sizeof(T) == 2) {
    uint16_t w;
    asm volatile("ld.shared.b16 %0, [%1];" : "=h"(w) : "r"(address) : "memory");
    memcpy(&value, &w, 2);
  } else {
    uint32_t w;
    asm volatile("ld.shared.u8 %0, [%1];" : "=r"(w) : "r"(address) : "memory");
    const uint8_t byte = static_cast<uint8_t>(w);
    memcpy(&value, &byte, 1);
  }
  return value;
}

// PTX ISA "st" with .shared. Sizes and alignment as LoadShared.
template <class T>
SPARGE_DEVICE void StoreShared(SharedAddress address, const T& value) {
  static_assert(sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16);
  if constexpr (sizeof(T) == 16) {
    uint32_t w[4];
    memcpy(w, &value, 16);
    asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(w[0]), "r"(w[1]), "r"(w[2]), "r"(w[3])
                 : "memory");
  } else if constexpr (sizeof(T) == 8) {
    uint32_t w[2];
    memcpy(w, &value, 8);
    asm volatile("st.shared.v2.b32 [%0], {%1, %2};" ::"r"(address), "r"(w[0]), "r"(w[1]) : "memory");
  } else if constexpr (sizeof(T) == 4) {
    uint32_t w;
    memcpy(&w, &value, 4);
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(w) : "memory");
  } else if constexpr (sizeof(T) == 2) {
    uint16_t w;
    memcpy(&w, &value, 2);
    asm volatile("st.shared.b16 [%0], %1;" ::"r"(address), "h"(w) : "memory");
  } else {
    uint8_t byte;
    memcpy(&byte, &value, 1);
    asm volatile("st.shared.u8 [%0], %1;" ::"r"(address), "r"(static_cast<uint32_t>(byte)) : "memory");
  }
}

// PTX ISA "ld" with .global. T as in LoadShared, the pointer aligned to its size.
template <class T>
SPARGE_DEVICE T LoadGlobal(const T* from) {
  static_assert(sizeof(T) <= 16);
  T value;
  if constexpr (sizeof(T) == 16) {
    const uint4 w = *reinterpret_cast<const uint4*>(from);
    memcpy(&value, &w, 16);
  } else if constexpr (sizeof(T) == 8) {
    const uint2 w = *reinterpret_cast<const uint2*>(from);
    memcpy(&value, &w, 8);
  } else {
    value = *from;
  }
  return value;
}

// The same for memory that no thread of the launch writes. PTX ISA "ld.global.nc".
template <class T>
SPARGE_DEVICE T LoadConstant(const T* from) {
  T value;
  if constexpr (sizeof(T) == 16) {
    const uint4 w = __ldg(reinterpret_cast<const uint4*>(from));
    memcpy(&value, &w, 16);
  } else if constexpr (sizeof(T) == 8) {
    const uint2 w = __ldg(reinterpret_cast<const uint2*>(from));
    memcpy(&value, &w, 8);
  } else if constexpr (sizeof(T) == 4) {
    const unsigned w = __ldg(reinterpret_cast<const unsigned*>(from));
    memcpy(&value, &w, 4);
  } else if constexpr (sizeof(T) == 2) {
    const unsigned short w = __ldg(reinterpret_cast<const unsigned short*>(from));
    memcpy(&value, &w, 2);
  } else {
    static_assert(sizeof(T) == 1);
    const unsigned char w = __ldg(reinterpret_cast<const unsigned char*>(from));
    memcpy(&value, &w, 1);
  }
  return value;
}

// PTX ISA "st" with .global.
template <class T>
SPARGE_DEVICE void StoreGlobal(T* to, const T& value) {
  static_assert(sizeof(T) <= 16);
  if constexpr (sizeof(T) == 16) {
    uint4 w;
    memcpy(&w, &value, 16);
    *reinterpret_cast<uint4*>(to) = w;
  } else if constexpr (sizeof(T) == 8) {
    uint2 w;
    memcpy(&w, &value, 8);
    *reinterpret_cast<uint2*>(to) = w;
  } else {
    *to = value;
  }
}

// PTX ISA "red.global.add.u64", relaxed: added when the launch has ended.
SPARGE_DEVICE void AtomicAdd(int64_t* to, int64_t value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(to), static_cast<unsigned long long>(value));
}

// PTX ISA "cp.async": copies kBytes (4, 8 or 16) from global to shared memory, or the first `source_bytes` of them and
// zeros for the rest; with 0 nothing is read. Both addresses are multiples of kBytes. Visible to the thread that issued
// it after CpAsyncWait, to others after a barrier that follows that.
template <int kBytes>
SPARGE_DEVICE void CpAsync(SharedAddress to, const void* from, int source_bytes = kBytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  const uint64_t address = static_cast<uint64_t>(__cvta_generic_to_global(from));
  if constexpr (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(address), "r"(source_bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(address), "n"(kBytes),
                 "r"(source_bytes)
                 : "memory");
  }
}
// PTX ISA "cp.async.commit_group": closes this thread's group of copies (it may be empty).
SPARGE_DEVICE void CpAsyncCommit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// PTX ISA "cp.async.wait_group": until at most kPending of this thread's latest groups are under way.
template <int kPending>
SPARGE_DEVICE void CpAsyncWait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// ---- Matrix loads --------------------------------------------------------------------------------------------------
// PTX ISA "ldmatrix": N matrices of 8 rows of 16 bytes; lanes 8·i … 8·i + 7 hold the row addresses of matrix i (multiples
// of 16; lanes past 8·N are not read). Of matrix i, lane l receives in r[i] bytes 4·t … 4·t + 3 of row g: two 16-bit
// elements, or four 8-bit ones. With .trans, elements are of 16 bits and the lane receives column g of rows 2t, 2t + 1.
SPARGE_DEVICE void LoadMatrices(uint32_t (&r)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
SPARGE_DEVICE void LoadMatrices(uint32_t (&r)[2], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(row)
               : "memory");
}
SPARGE_DEVICE void LoadMatrices(uint32_t (&r)[1], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(row) : "memory");
}
SPARGE_DEVICE void LoadMatricesTransposed(uint32_t (&r)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row)
               : "memory");
}
SPARGE_DEVICE void LoadMatricesTransposed(uint32_t (&r)[2], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(row)
               : "memory");
}

// ---- Matrix products -----------------------------------------------------------------------------------------------
// PTX ISA "mma.sync", D += A·B with A row-major 16×k, B column-major k×8, D 16×8. Of D, d[0], d[1] are row g, columns 2t,
// 2t + 1; d[2], d[3] row g + 8. Of A (e elements a register: 4 of 8 bits, 2 of 16), a[0] is row g, columns e·t …;
// a[1] row g + 8, the same columns; a[2], a[3] as these, k/2 columns on. Of B, b[0] is column g, rows e·t …; b[1] k/2
// rows on.

// m16n8k32, s8·s8 in s32, exact (no saturation).
SPARGE_DEVICE void MultiplyS8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// m16n8k16, f16·f16 in f32.
SPARGE_DEVICE void MultiplyF16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// m16n8k16, bf16·bf16 in f32.
SPARGE_DEVICE void MultiplyBF16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#if defined(SPARGE_HAS_E4M3_MMA)
// m16n8k32, e4m3·e4m3 in f32; sm_89 and up. Some tensor cores keep 13 bits of mantissa in the sum: add up few products.
SPARGE_DEVICE void MultiplyE4M3(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
               "{%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
#endif

// ---- Numbers -------------------------------------------------------------------------------------------------------

// PTX ISA "ex2.approx.ftz.f32": 2^x within 2 ulp, subnormals as zero; −inf gives 0, NaN gives NaN.
SPARGE_DEVICE float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// PTX ISA "cvt.rn.f16x2.f32": `low` in bits 0–15. Overflow gives infinity.
SPARGE_DEVICE uint32_t PackF16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
// PTX ISA "cvt.rn.bf16x2.f32".
SPARGE_DEVICE uint32_t PackBF16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
#if defined(SPARGE_HAS_E4M3_MMA)
// PTX ISA "cvt.rn.satfinite.e4m3x2.f32": x0 in bits 0–7 … x3 in bits 24–31; beyond ±448 gives ±448, NaN gives 0x7f.
// sm_89 and up.
SPARGE_DEVICE uint32_t PackE4M3(float x0, float x1, float x2, float x3) {
  uint32_t packed;
  asm("{\n.reg .b16 low, high;\n"
      "cvt.rn.satfinite.e4m3x2.f32 low, %2, %1;\n"
      "cvt.rn.satfinite.e4m3x2.f32 high, %4, %3;\n"
      "mov.b32 %0, {low, high};\n}"
      : "=r"(packed)
      : "f"(x0), "f"(x1), "f"(x2), "f"(x3));
  return packed;
}
#endif
// PTX ISA "cvt.f32.f16": exact.
SPARGE_DEVICE float FromF16(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
// PTX ISA "cvt.rni.s32.f32": round half to even; NaN gives 0, what does not fit the nearest end.
SPARGE_DEVICE int32_t RoundToInt(float x) { return __float2int_rn(x); }
// PTX ISA "cvt.rn.f32.s32".
SPARGE_DEVICE float FromInt(int32_t x) { return __int2float_rn(x); }
// PTX ISA "div.rn.f32", "sqrt.rn.f32", "fma.rn.f32": IEEE 754, whatever the compiler's flags; subnormals kept.
SPARGE_DEVICE float Divide(float x, float y) { return __fdiv_rn(x, y); }
SPARGE_DEVICE float SquareRoot(float x) { return __fsqrt_rn(x); }
SPARGE_DEVICE float FusedMultiplyAdd(float x, float y, float z) { return __fmaf_rn(x, y, z); }
// PTX ISA "add.rn.f32", "mul.rn.f32": never fused with a neighbour.
SPARGE_DEVICE float Add(float x, float y) { return __fadd_rn(x, y); }
SPARGE_DEVICE float Subtract(float x, float y) { return __fsub_rn(x, y); }
SPARGE_DEVICE float Multiply(float x, float y) { return __fmul_rn(x, y); }
// PTX ISA "max.f32": the other one where one is NaN.
SPARGE_DEVICE float Max(float x, float y) { return fmaxf(x, y); }
SPARGE_DEVICE float Min(float x, float y) { return fminf(x, y); }
// PTX ISA "max.s32"; of three, one instruction on sm_90 and up.
SPARGE_DEVICE int32_t Max(int32_t x, int32_t y) { return max(x, y); }
SPARGE_DEVICE int32_t Max(int32_t x, int32_t y, int32_t z) { return __vimax3_s32(x, y, z); }
SPARGE_DEVICE uint32_t FloatBits(float x) { return __float_as_uint(x); }
SPARGE_DEVICE float FromBits(uint32_t bits) { return __uint_as_float(bits); }
// Exact logarithm and exponential (within a few ulp): not for inner loops.
SPARGE_DEVICE float Log(float x) { return logf(x); }
SPARGE_DEVICE float Exp(float x) { return expf(x); }
SPARGE_DEVICE int CountBits(uint32_t x) { return __popc(x); }
// The place of the lowest set bit, from 0; x is not 0.
SPARGE_DEVICE int LowestBit(uint32_t x) { return __ffs(static_cast<int>(x)) - 1; }
// PTX ISA "prmt.b32": byte i of the result is byte (selector >> 4·i & 7) of the eight bytes of y:x, x the lower.
SPARGE_DEVICE uint32_t Permute(uint32_t x, uint32_t y, uint32_t selector) { return __byte_perm(x, y, selector); }

// ---- Across lanes --------------------------------------------------------------------------------------------------

// PTX ISA "shfl.sync.bfly" and ".idx" over the warp. T has 4 or 8 bytes (8: two instructions).
template <class T>
SPARGE_DEVICE T ShuffleXor(T value, int lane_mask) {
  return __shfl_xor_sync(0xffffffffu, value, lane_mask);
}
template <class T>
SPARGE_DEVICE T Shuffle(T value, int from_lane) {
  return __shfl_sync(0xffffffffu, value, from_lane);
}
// PTX ISA "vote.sync": bit l is lane l's predicate; whether any, all are true.
SPARGE_DEVICE uint32_t Ballot(bool predicate) { return __ballot_sync(0xffffffffu, predicate); }
SPARGE_DEVICE bool Any(bool predicate) { return __any_sync(0xffffffffu, predicate) != 0; }
SPARGE_DEVICE bool All(bool predicate) { return __all_sync(0xffffffffu, predicate) != 0; }
// PTX ISA "bar.warp.sync": also orders memory among the lanes.
SPARGE_DEVICE void SyncWarp() { __syncwarp(); }

// ---- Across the block ----------------------------------------------------------------------------------------------

// PTX ISA "barrier.sync" 0 of all threads; with the number of threads whose predicate is true.
SPARGE_DEVICE void SyncThreads() { __syncthreads(); }
SPARGE_DEVICE int SyncThreadsCount(bool predicate) { return __syncthreads_count(predicate); }
SPARGE_DEVICE bool SyncThreadsOr(bool predicate) { return __syncthreads_or(predicate) != 0; }

// PTX ISA "barrier.sync id, threads": of the warps that take part; id 1–15, threads a multiple of 32.
SPARGE_DEVICE void Barrier(int id, int threads) {
  asm volatile("barrier.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// PTX ISA "barrier.red.or.pred": the same, and whether any thread's predicate is true.
SPARGE_DEVICE bool BarrierOr(int id, int threads, bool predicate) {
  uint32_t any;
  asm volatile(
      "{\n.reg .pred mine, all;\n"
      "setp.ne.u32 mine, %3, 0;\n"
      "barrier.red.or.pred all, %1, %2, mine;\n"
      "selp.u32 %0, 1, 0, all;\n}"
      : "=r"(any)
      : "r"(id), "r"(threads), "r"(static_cast<uint32_t>(predicate))
      : "memory");
  return any != 0;
}

}  // namespace attention::cuda::ptx

#endif
