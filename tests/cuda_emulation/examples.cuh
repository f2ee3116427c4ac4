#pragma once

#include <string>

#include "tests/cuda_emulation/exchange_examples.cuh"
#include "tests/cuda_emulation/matrix_examples.cuh"
#include "tests/cuda_emulation/number_examples.cuh"

// The worked examples, one table: emulation_test.cpp runs it on the emulator, emulator_cases.cu on a GPU. The outputs
// begin as zeros.
namespace cuda_examples {

// Calls visit.template Run<E>() for every example.
template <class Visitor>
void ForEachExample(Visitor&& visit) {
  visit.template Run<ProductOfInt8>();
  visit.template Run<ProductOfHalves>();
  visit.template Run<ProductOfBFloat16>();
  visit.template Run<ProductOfE4M3>();
  visit.template Run<MatrixLoad1>();
  visit.template Run<MatrixLoad2>();
  visit.template Run<MatrixLoad4>();
  visit.template Run<MatrixLoad2Transposed>();
  visit.template Run<MatrixLoad4Transposed>();
  visit.template Run<PackHalves>();
  visit.template Run<PackBFloat16s>();
  visit.template Run<PackE4M3s>();
  visit.template Run<UnpackHalves>();
  visit.template Run<RoundToIntegers>();
  visit.template Run<FloatsOfIntegers>();
  visit.template Run<Arithmetic>();
  visit.template Run<Integers>();
  visit.template Run<Exponentials2>();
  visit.template Run<Exponentials>();
  visit.template Run<Logarithms>();
  visit.template Run<Pieces1>();
  visit.template Run<Pieces2>();
  visit.template Run<Pieces4>();
  visit.template Run<Pieces8>();
  visit.template Run<Pieces16>();
  visit.template Run<AsynchronousCopies>();
  visit.template Run<CopyPipeline>();
  visit.template Run<LoopSkeleton<false>>();
  visit.template Run<LoopSkeleton<true>>();
  visit.template Run<Shuffles>();
  visit.template Run<Votes>();
  visit.template Run<WarpExchange>();
  visit.template Run<NamedBarriers>();
  visit.template Run<Grid>();
}

// How many units in the last place two floats are apart; 0 for two NaNs, the most there is for one.
inline uint64_t UlpsApart(uint32_t a, uint32_t b) {
  const float x = FloatOf(a), y = FloatOf(b);
  if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && std::isnan(y) ? 0 : ~uint64_t{0};
  const auto place = [](uint32_t bits) {
    return bits >> 31 ? -static_cast<int64_t>(bits & 0x7fffffff) : static_cast<int64_t>(bits);
  };
  const int64_t apart = place(a) - place(b);
  return static_cast<uint64_t>(apart < 0 ? -apart : apart);
}

// Empty where `got` is what example E must give; else the first difference.
template <class E>
std::string Difference(const Words& got) {
  const Words want = E::Expected(E::Input());
  if (want.size() != got.size() || got.size() != E::kOutputs) return "a wrong number of outputs";
  for (size_t i = 0; i < want.size(); ++i) {
    // A power below the least normal number may be it, rounded up before it was flushed.
    const bool flushed = E::kUlps > 0 && want[i] == 0 && UlpsApart(got[i], 0x00800000) <= E::kUlps;
    if (E::kUlps > 0 ? UlpsApart(got[i], want[i]) <= E::kUlps || flushed : got[i] == want[i]) continue;
    char text[160];
    std::snprintf(text, sizeof(text), "output %zu is 0x%08x (%g), not 0x%08x (%g)", i, got[i],
                  static_cast<double>(FloatOf(got[i])), want[i], static_cast<double>(FloatOf(want[i])));
    return text;
  }
  return "";
}

}  // namespace cuda_examples
