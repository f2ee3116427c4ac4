// Included by cpu/kernel_impl.h: lanes, reductions across them, and the products of each arithmetic.

using F = Isa::F;
using I = Isa::I;
constexpr int kLanes = Isa::kLanes;
constexpr int kKeyVectors = static_cast<int>(kKeyBlock) / kLanes;
constexpr int32_t kUnseen = INT32_MIN;  // an integer score that no product can be
constexpr float kMinusInfinity = -__builtin_inff();

template <class V>
inline V Load(const void* p) {
  V value;
  __builtin_memcpy(&value, p, sizeof(V));
  return value;
}
template <class V>
inline void Store(void* p, const V& value) {
  __builtin_memcpy(p, &value, sizeof(V));
}
// fn(0), fn(1) … fn(N − 1) with constants, written out: register tiles are arrays that only constants index, or gcc
// keeps them in memory.
template <int value>
struct Constant {
  constexpr operator int() const { return value; }
};
template <int... i, class Fn>
__attribute__((always_inline)) inline void UnrollIndices(std::integer_sequence<int, i...>, Fn fn) {
  (fn(Constant<i>{}), ...);
}
template <int N, class Fn>
__attribute__((always_inline)) inline void Unroll(Fn fn) {
  UnrollIndices(std::make_integer_sequence<int, N>{}, fn);
}
#define SPARGE_INLINE __attribute__((always_inline))
#if defined(__x86_64__)
#define SPARGE_HIDE(vector) asm volatile("" : "+x"(vector))
#else
#define SPARGE_HIDE(vector) asm volatile("" : "+w"(vector))
#endif

inline F SetAll(float x) { return x - F{}; }
inline I SetAll(int32_t x) { return x - I{}; }
inline I Iota() {
  I lanes;
  for (int i = 0; i < kLanes; ++i) lanes[i] = i;
  return lanes;
}
inline F Max(F a, F b) { return a > b ? a : b; }
inline I Max(I a, I b) { return a > b ? a : b; }

// ---- Reductions across lanes ---------------------------------------------------------------------------------------

// Lane i of the result is the reduction of all lanes of rows[i]. A butterfly: at distance s, lanes with bit s clear go
// on with row i, the others with row i + s.
template <int S, class V, class Op>
SPARGE_INLINE inline void ReduceHalf(V (&rows)[kLanes], Op op) {
  I own, other;
  for (int l = 0; l < kLanes; ++l) {
    own[l] = (l & S) != 0 ? kLanes + l : l;
    other[l] = (l & S) != 0 ? kLanes + (l ^ S) : (l ^ S);
  }
  Unroll<S>([&](auto i) SPARGE_INLINE {
    rows[i] = op(__builtin_shuffle(rows[i], rows[i + S], own), __builtin_shuffle(rows[i], rows[i + S], other));
  });
  if constexpr (S > 1) ReduceHalf<S / 2>(rows, op);
}
template <class V, class Op>
SPARGE_INLINE inline V ReduceRows(V (&rows)[kLanes], Op op) {
  ReduceHalf<kLanes / 2>(rows, op);
  return rows[0];
}

// The reduction of all lanes of one vector.
template <int S = kLanes / 2, class V, class Op>
SPARGE_INLINE inline auto ReduceLanes(V v, Op op) {
  I other;
  for (int l = 0; l < kLanes; ++l) other[l] = l ^ S;
  v = op(v, __builtin_shuffle(v, other));
  if constexpr (S > 1) {
    return ReduceLanes<S / 2>(v, op);
  } else {
    return v[0];
  }
}

#include "attention/quant/rows.h"

// ---- The products of each arithmetic -------------------------------------------------------------------------------

struct IntegerScores {
  using Acc = I;
  using Word = I;
  using Element = Isa::Element;
  static constexpr int kGroup = Isa::kGroup;
  static constexpr int kRows = Isa::kScoreRows, kColumns = Isa::kScoreColumns;
  static inline void Dot(I& acc, I q, I k) { Isa::DotScores(acc, q, k); }
  static inline I Broadcast(const int32_t* p) { return SetAll(*p); }
};
struct FloatScores {
  using Acc = F;
  using Word = F;
  using Element = float;
  static constexpr int kGroup = 1;
  static constexpr int kRows = Isa::kScoreRows, kColumns = Isa::kScoreColumns;
  static inline void Dot(F& acc, F q, F k) { acc += q * k; }
  static inline F Broadcast(const int32_t* p) { return SetAll(FromBits(static_cast<uint32_t>(*p))); }
};

// P as 255 levels of the row's maximum within the block, V as int8 with a scale a channel.
struct U8S8 {
  using Scores = IntegerScores;
  using Acc = I;
  using Word = I;
  static constexpr Arithmetic kArithmetic = Arithmetic::kU8S8;
  static constexpr bool kLocalMax = true;
  static constexpr int kGroup = Isa::kGroup;
  static constexpr int kWords = static_cast<int>(kKeyBlock) / kGroup;  // of a row of P
  // The group of successive keys that word `t` of a row of P holds (packing narrows vectors in 128-bit lanes).
  static int KeyGroup(int t) { return Isa::PackedKeyGroup(t); }
  static inline void Dot(I& acc, I p, I v) { Isa::DotValues(acc, p, v); }
  static inline I Broadcast(const int32_t* p) { return SetAll(*p); }
  static inline I PackRow(const F (&p)[kKeyVectors], int32_t* out) {
    I levels[kKeyVectors];
    for (int i = 0; i < kKeyVectors; ++i) levels[i] = Isa::ToInt(p[i]);
    return Isa::PackLevels(levels, out);
  }
  static constexpr float kTop = 255.f;  // what a weight of 1 is stored as
};
struct Float32 {
  using Scores = FloatScores;
  using Acc = F;
  using Word = F;
  static constexpr Arithmetic kArithmetic = Arithmetic::kFloat32;
  static constexpr bool kLocalMax = false;
  static constexpr int kGroup = 1;
  static constexpr int kWords = static_cast<int>(kKeyBlock);
  static int KeyGroup(int t) { return t; }
  static inline void Dot(F& acc, F p, F v) { acc += p * v; }
  static inline F Broadcast(const int32_t* p) { return FloatScores::Broadcast(p); }
  static inline F PackRow(const F (&p)[kKeyVectors], int32_t* out) {
    F sum{};
    for (int i = 0; i < kKeyVectors; ++i) {
      Store(out + i * kLanes, p[i]);
      sum += p[i];
    }
    return sum;
  }
  static constexpr float kTop = 1.f;
};
#ifdef SPARGE_ISA_BF16
struct BFloat16 {
  using Scores = IntegerScores;
  using Acc = F;
  using Word = I;
  static constexpr Arithmetic kArithmetic = Arithmetic::kBFloat16;
  static constexpr bool kLocalMax = false;
  static constexpr int kGroup = 2;
  static constexpr int kWords = static_cast<int>(kKeyBlock) / 2;
  static int KeyGroup(int t) { return t; }
  static inline void Dot(F& acc, I p, I v) { Isa::DotBFloat16(acc, p, v); }
  static inline I Broadcast(const int32_t* p) { return SetAll(*p); }
  static inline F PackRow(const F (&p)[kKeyVectors], int32_t* out) { return Isa::PackBFloat16(p, out); }
  static constexpr float kTop = 1.f;
};
#endif

// acc[r][c] += Σ_t dot(a[r][t], b[t][c]); `b_stride` counts vectors.
template <class Product, int R, int C>
SPARGE_INLINE inline void Multiply(typename Product::Acc (&result)[R][C], const int32_t* a, int64_t a_stride,
                                   const std::byte* b, int64_t b_stride, int64_t steps) {
  using Word = typename Product::Word;
  typename Product::Acc acc[R][C];  // of its own, or gcc stores the caller's array in every step
  Unroll<R>([&](auto r) SPARGE_INLINE { Unroll<C>([&](auto c) SPARGE_INLINE { acc[r][c] = result[r][c]; }); });
  for (int64_t t = 0; t < steps; ++t) {
    Word columns[C];
    Unroll<C>([&](auto c) SPARGE_INLINE { columns[c] = Load<Word>(b + c * static_cast<int64_t>(sizeof(Word))); });
    Unroll<R>([&](auto r) SPARGE_INLINE {
      const Word row = Product::Broadcast(a + r * a_stride);
      Unroll<C>([&](auto c) SPARGE_INLINE { Product::Dot(acc[r][c], row, columns[c]); });
    });
    a += 1;
    b += b_stride * static_cast<int64_t>(sizeof(Word));
  }
  Unroll<R>([&](auto r) SPARGE_INLINE { Unroll<C>([&](auto c) SPARGE_INLINE { result[r][c] = acc[r][c]; }); });
}
