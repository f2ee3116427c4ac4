// The body of a CPU kernel. Included inside the unnamed namespace of one translation unit an instruction set, after
// `struct Isa` (see cpu/avx512/isa.h for what it has); MakeKernel<Arithmetic> at the end gives the table of functions.
//
// One inner loop does all products: an operand A of rows of 32-bit words, each word the `kGroup` elements that a lane's
// dot product takes at once, against an operand B packed [step][column][kGroup], a column a lane.

#include "attention/cpu/lanes_impl.h"
// After the lanes:
#include "attention/cpu/attend_impl.h"
#include "attention/cpu/pack_impl.h"

// ---- Ceilings ------------------------------------------------------------------------------------------------------

// A loop of the product alone, in registers: what no kernel on this core can exceed.
template <class Product>
double PeakLoop() {
  constexpr int64_t kRounds = 200000;
  constexpr int kChains = 12;
  typename Product::Acc acc[kChains] = {};
  typename Product::Word a{}, b{};
  SPARGE_HIDE(b);  // or the compiler would know that it is zero
  for (int64_t n = 0; n < kRounds; ++n) {
    Unroll<kChains>([&](auto i) SPARGE_INLINE {
      SPARGE_HIDE(a);  // or it would be computed once
      Product::Dot(acc[i], a, b);
    });
  }
  Unroll<kChains>([&](auto i) SPARGE_INLINE { SPARGE_HIDE(acc[i]); });
  return 2.0 * kRounds * kChains * kLanes * Product::kGroup;
}

template <class A>
Kernel MakeKernel(const char* name, const char* needs, bool (*runs_on)(const CPUFeatures&)) {
  Kernel kernel;
  kernel.name = name;
  kernel.needs = needs;
  kernel.runs_on = runs_on;
  kernel.arithmetic = A::kArithmetic;
  kernel.lanes = kLanes;
  kernel.query_dwords = QueryWords<A>;
  kernel.key_block_bytes = [](int64_t head_dim) { return QueryWords<A>(head_dim) * kKeyBlock * 4; };
  kernel.value_block_bytes = [](int64_t padded) { return padded * A::kWords * 4; };
  kernel.group_scratch_bytes = static_cast<int64_t>(sizeof(Scratch<A>));
  kernel.sum_rows = SumRows;
  kernel.max_rows = MaxRows;
  kernel.pack_keys = PackKeys<A>;
  kernel.pack_values = PackValues<A>;
  kernel.pack_queries = PackQueries<A>;
  kernel.attend = AttendGroup<A>;
  kernel.scores = Scores<A>;
  kernel.write_rows = WriteRows;
  kernel.score_blocks = ScoreBlocks;
  kernel.peak_qk = PeakLoop<typename A::Scores>;
  kernel.peak_pv = PeakLoop<A>;
  return kernel;
}
