#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <random>

#include "attention/cpu/kernels.h"
#include "tests/attention/support.h"

// Random small calls, every kernel against the reference. SPARGE_FUZZ_COUNT calls (default 10000) from SPARGE_FUZZ_SEED
// on, shared among the shards; a failure prints the call's seed: SPARGE_FUZZ_SEED=it SPARGE_FUZZ_COUNT=1 runs it again
// (in shard 0).
namespace attention::test {
namespace {

constexpr int kShards = 10;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::strtoull(value, nullptr, 10) : otherwise;
}

class Dice {
 public:
  explicit Dice(uint64_t seed) : generator_(seed) {}
  int64_t Within(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(generator_() % static_cast<uint64_t>(high - low + 1));
  }
  bool Percent(int64_t chance) { return Within(0, 99) < chance; }
  float Share() { return static_cast<float>(Within(1, 1000)) / 1000; }
  template <class T>
  T Of(std::initializer_list<T> choices) {
    return choices.begin()[Within(0, static_cast<int64_t>(choices.size()) - 1)];
  }

 private:
  std::mt19937_64 generator_;
};

TokenRange RandomRange(Dice& dice, int64_t length) {
  const int64_t begin = dice.Within(0, length - 1);
  return {begin, dice.Within(begin + 1, length)};
}

Case RandomCase(uint64_t seed) {
  Dice dice(seed);
  Case c{.name = "fuzz " + std::to_string(seed)};
  c.mode = dice.Of({Mode::kDense8, Mode::kSparge, Mode::kSparge, Mode::kSpargeExact});
  c.dtype = dice.Of({DType::kFloat32, DType::kBFloat16, DType::kFloat16});
  Shape& s = c.shape;
  s.batch = dice.Percent(30) ? dice.Within(2, 3) : 1;
  s.key_heads = dice.Within(1, 2);
  s.query_heads = s.key_heads * (dice.Percent(30) ? dice.Within(2, 3) : 1);
  const int64_t rows = 100000 / (s.batch * s.query_heads);
  s.query_length = dice.Percent(20) ? dice.Of<int64_t>({1, 63, 64, 65, 128, 129}) : dice.Within(1, 300);
  s.key_length = std::min(dice.Percent(20) ? dice.Of<int64_t>({1, 64, 65, 128, 256}) : dice.Within(1, 600),
                          std::max<int64_t>(1, rows / s.query_length));
  const auto width = [&] {
    return dice.Percent(15)   ? dice.Within(1, kWidestHead)
           : dice.Percent(50) ? dice.Within(1, 40)
                              : dice.Of<int64_t>({8, 16, 32, 64});
  };
  s.head_dim = width();
  s.value_dim = dice.Percent(60) ? s.head_dim : width();
  c.causal = dice.Percent(40);
  c.sink = dice.Percent(15);
  if (dice.Percent(20)) c.scale = dice.Of({0.05, 1.0, -0.2, 0.0});
  if (dice.Percent(20)) c.keep_keys = RandomRange(dice, s.key_length);
  if (dice.Percent(20)) c.keep_queries = RandomRange(dice, s.query_length);
  if (dice.Percent(15)) c.window = dice.Within(0, 3);
  if (dice.Percent(25)) {
    for (int64_t b = 0; b < s.batch; ++b) c.key_lengths.push_back(dice.Within(0, s.key_length));
  }
  for (int64_t h = 0; h < s.query_heads && !c.name.empty(); ++h) {
    HeadParameters head;
    if (dice.Percent(60)) head.topk = dice.Share();
    if (dice.Percent(30)) head.cdf = dice.Share();
    head.theta = dice.Percent(30) ? 0 : dice.Share();
    head.lambda = dice.Percent(40) ? 0 : -10 * dice.Share();
    c.heads.push_back(head);
  }
  if (dice.Percent(20)) c.heads.clear();
  if (dice.Percent(15)) {
    for (int64_t b = 0; b < s.batch * s.query_heads * s.query_blocks() * s.key_blocks(); ++b) {
      c.block_map.push_back(dice.Percent(60) ? static_cast<uint8_t>(dice.Within(1, 255)) : 0);
    }
  }
  c.recipe.seed = seed;
  c.recipe.q_coherence = dice.Within(0, 2);
  c.recipe.k_coherence = dice.Within(0, 2);
  c.recipe.k_offset = dice.Of({0, 1, 20});
  c.recipe.outliers = dice.Percent(20);
  c.recipe.q_amplitude = dice.Of({0.0, 0.01, 0.25, 1.0, 1.0, 3.0});
  c.recipe.k_amplitude = dice.Of({0.0, 0.1, 1.0, 1.0, 1.0});
  for (int64_t n = dice.Percent(20) ? dice.Within(1, 3) : 0; n > 0; --n) {
    Special x{.tensor = dice.Of({'q', 'k', 'v'}), .batch = dice.Within(0, s.batch - 1)};
    x.head = dice.Within(0, (x.tensor == 'q' ? s.query_heads : s.key_heads) - 1);
    x.row = dice.Within(0, (x.tensor == 'q' ? s.query_length : s.key_length) - 1);
    x.channel = dice.Within(0, (x.tensor == 'v' ? s.value_dim : s.head_dim) - 1);
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    x.value = dice.Of({std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity});
    c.specials.push_back(x);
  }
  return c;
}

class FuzzTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Shards, FuzzTest, testing::Range(0, kShards));

TEST_P(FuzzTest, KernelsAgreeWithTheReference) {
  const uint64_t count = FromEnvironment("SPARGE_FUZZ_COUNT", 10000), first = FromEnvironment("SPARGE_FUZZ_SEED", 1);
  std::vector<std::string> kernels = RunnableKernels();
  kernels.pop_back();  // the reference itself
  ASSERT_FALSE(kernels.empty());
  int failures = 0;
  for (uint64_t n = static_cast<uint64_t>(GetParam()); n < count && failures < 5; n += kShards) {
    const uint64_t seed = first + n;
    const Case c = RandomCase(seed);
    const Problem problem(c, kLayouts[seed % std::size(kLayouts)]);
    // All in turn, so that a call costs one or two runs of the reference.
    const std::string& kernel = kernels[seed / kShards % kernels.size()];
    const std::string difference = CompareWithReference(problem, kernel, static_cast<int>(1 + seed % 3));
    EXPECT_EQ(difference, "") << kernel << " on " << Describe(c);
    failures += !difference.empty();
  }
}

}  // namespace
}  // namespace attention::test
