// Included by each instruction set's `Isa`, inside its unnamed namespace.

// top · 2^f for f in [0, 1]: minimax fits with the ends held, so that 2^0 and 2^1 are exact. Relative error 1.1e-4,
// with kExact 2e-7.
template <bool kExact, class F>
inline F FractionExp2(F f, float top) {
  F p;
  if constexpr (kExact) {
    p = f * (1.879318617284298e-3f * top) + 8.990994654595852e-3f * top;
    p = p * f + 5.581867694854736e-2f * top;
    p = p * f + 2.40159273147583e-1f * top;
    p = p * f + 6.931517124176025e-1f * top;
  } else {
    p = f * (7.826796919107437e-2f * top) + 2.26307675242424e-1f * top;
    p = p * f + 6.954243183135986e-1f * top;
  }
  return p * f + top;
}
