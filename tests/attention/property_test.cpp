#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "attention/cpu/kernels.h"
#include "tests/attention/support.h"

// What must hold between calls, for every CPU kernel.
namespace attention::test {
namespace {

constexpr float kNone = HeadParameters::kNone;

class PropertyTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string lacking = WhyNot(GetParam(), DetectCPUFeatures());
    if (!lacking.empty()) GTEST_SKIP() << lacking;
  }
  Result Run(const Case& c) const { return Problem(c).RunKernel(GetParam(), 2); }
};

INSTANTIATE_TEST_SUITE_P(CPU, PropertyTest, testing::ValuesIn(CPUKernelNames()),
                         [](const auto& info) { return info.param; });

// Rows of `per` numbers in the order of `from`.
template <class T>
std::vector<T> Permute(const std::vector<T>& values, const std::vector<int64_t>& from) {
  const auto per = static_cast<int64_t>(values.size() / from.size());
  std::vector<T> permuted;
  for (const int64_t row : from)
    permuted.insert(permuted.end(), values.begin() + row * per, values.begin() + (row + 1) * per);
  return permuted;
}

Result Permute(const Result& result, const std::vector<int64_t>& from) {
  return {
      Permute(result.o, from), Permute(result.lse, from), Permute(result.map, from), Permute(result.counts, from), {}};
}

TEST_P(PropertyTest, HeadsAndBatchesAreIndependent) {
  for (const Mode mode : {Mode::kDense8, Mode::kSparge, Mode::kSpargeExact}) {
    Case c{.name = "permuted", .mode = mode, .shape = {2, 3, 3, 200, 400, 24, 24}};
    c.heads.assign(3, {0.4f, kNone, 0.3f, -2.f});
    c.recipe.q_amplitude = 2;
    Problem problem(c);
    const Result before = problem.RunKernel(GetParam(), 2);
    const std::vector<int64_t> from = {4, 2, 0, 5, 1, 3};  // (batch, head) pairs
    problem.SetInputs(Permute(problem.q(), from), Permute(problem.k(), from), Permute(problem.v(), from));
    EXPECT_TRUE(problem.RunKernel(GetParam(), 2).SameBits(Permute(before, from))) << Describe(c);
  }
}

TEST_P(PropertyTest, GroupedHeadsReadTheirKeyHead) {
  for (const Mode mode : {Mode::kDense8, Mode::kSparge, Mode::kSpargeExact}) {
    Case grouped{.name = "gqa", .mode = mode, .shape = {1, 6, 2, 150, 260, 24, 24}};
    const Problem problem(grouped);
    Case repeated = grouped;
    repeated.shape.key_heads = 6;
    Problem expanded(repeated);
    const auto repeat = [](const std::vector<float>& heads) {
      std::vector<float> all;
      for (int h = 0; h < 6; ++h) {
        const auto head = heads.begin() + static_cast<int64_t>(heads.size() / 2) * (h / 3);
        all.insert(all.end(), head, head + static_cast<int64_t>(heads.size() / 2));
      }
      return all;
    };
    expanded.SetInputs(problem.q(), repeat(problem.k()), repeat(problem.v()));
    EXPECT_TRUE(expanded.RunKernel(GetParam()).SameBits(problem.RunKernel(GetParam()))) << Describe(grouped);
  }
}

// The order of the keys in a block changes sums by rounding only.
TEST_P(PropertyTest, OrderWithinAKeyBlockDoesNotMatter) {
  for (const Mode mode : {Mode::kDense8, Mode::kSparge, Mode::kSpargeExact}) {
    Case c{.name = "shuffled", .mode = mode, .shape = {1, 1, 1, 200, 330, 32, 32}};
    c.heads = {{0.4f, kNone, 0.3f, 0.f}};
    Problem problem(c);
    const Result before = problem.RunKernel(GetParam());
    std::vector<int64_t> from(330);
    std::iota(from.begin(), from.end(), 0);
    std::mt19937 generator(1);
    for (auto at = from.begin(); at < from.end(); at += std::min<int64_t>(64, from.end() - at)) {
      std::shuffle(at, at + std::min<int64_t>(64, from.end() - at), generator);
    }
    problem.SetInputs(problem.q(), Permute(problem.k(), from), Permute(problem.v(), from));
    const Result after = problem.RunKernel(GetParam());
    EXPECT_EQ(after.map, before.map);
    const bool exact = mode == Mode::kSpargeExact;
    EXPECT_EQ(Difference(problem, after, before, exact ? 1e-5 : 2e-3, exact ? 1e-5 : 1e-3), "") << Describe(c);
  }
}

TEST_P(PropertyTest, KeepingAllIsDense) {
  for (const bool causal : {false, true}) {
    Case dense{.name = "dense", .mode = Mode::kDense8, .shape = {2, 2, 1, 300, 333, 40, 40}, .causal = causal};
    dense.key_lengths = {333, 200};
    const Result want = Run(dense);
    Case all = dense;
    all.mode = Mode::kSparge;
    all.heads.assign(2, {1.f, kNone, 0.3f, 0.f});
    EXPECT_TRUE(Run(all).SameBits(want)) << "topk 1, causal " << causal;
    all.heads.assign(2, {kNone, 1.f, 0.3f, 0.f});
    EXPECT_TRUE(Run(all).SameBits(want)) << "cdf 1, causal " << causal;
    all.heads.assign(2, {0.1f, kNone, 1.f, 0.f});
    EXPECT_TRUE(Run(all).SameBits(want)) << "theta 1, causal " << causal;
    all.heads.assign(2, {0.1f, kNone, 0.f, 0.f});
    all.block_map.assign(2 * 2 * 3 * 6, 3);
    EXPECT_TRUE(Run(all).SameBits(want)) << "a map of ones, causal " << causal;
    all.block_map.clear();
    all.window = 100;
    EXPECT_TRUE(Run(all).SameBits(want)) << "a wide window, causal " << causal;
  }
}

TEST_P(PropertyTest, MoreTopkAndTauKeepMore) {
  for (const bool by_mass : {false, true}) {
    std::vector<uint8_t> before;
    int64_t kept_before = 0;
    for (const float share : {0.01f, 0.1f, 0.25f, 0.4f, 0.6f, 0.75f, 0.9f, 0.99f, 1.f}) {
      Case c{.name = "monotone", .shape = {1, 2, 2, 300, 1000, 16, 16}};
      c.heads.assign(2, {by_mass ? kNone : share, by_mass ? share : kNone, 0.2f, 0.f});
      c.recipe = {.seed = 5, .q_amplitude = 0.25};
      const std::vector<uint8_t> map = Run(c).map;
      const int64_t kept = std::count(map.begin(), map.end(), 1);
      for (size_t b = 0; b < before.size(); ++b) ASSERT_LE(before[b], map[b]) << "block " << b << " left at " << share;
      EXPECT_GE(kept, kept_before);
      before = map;
      kept_before = kept;
    }
    EXPECT_EQ(kept_before, 2 * 3 * 16);
  }
}

TEST_P(PropertyTest, LambdaSkipsMoreTheCloserToZero) {
  int64_t before = 0;
  for (const float lambda : {0.f, -20.f, -6.f, -2.f, -0.5f}) {
    Case c{.name = "lambda", .shape = {1, 1, 1, 256, 1000, 16, 16}};
    c.heads = {{kNone, kNone, 0.f, lambda}};
    c.recipe.q_amplitude = 4;
    const HeadCounts counts = Run(c).counts[0];
    EXPECT_EQ(counts.pv_tiles, 4 * 16);
    EXPECT_GE(counts.pv_skipped, before) << "at " << lambda;
    EXPECT_TRUE(lambda < 0 || counts.pv_skipped == 0);
    before = counts.pv_skipped;
  }
  EXPECT_GT(before, 10);
}

TEST_P(PropertyTest, CountsAreTheMaps) {
  for (const Golden& golden : Goldens()) {
    if (golden.spec.mode == Mode::kSpargeExact) continue;
    const Case& c = golden.spec;
    const Shape& s = c.shape;
    const Result got = Run(c);
    for (int64_t bh = 0; bh < s.batch * s.query_heads; ++bh) {
      HeadCounts want;
      for (int64_t i = 0; i < s.query_blocks(); ++i) {
        for (int64_t j = 0; j < s.key_blocks(); ++j) {
          const bool kept = got.map[(bh * s.query_blocks() + i) * s.key_blocks() + j] == 1;
          const bool visible = IsVisible(c, bh / s.query_heads, i, j);
          ASSERT_TRUE(visible || !kept) << Describe(c) << " block [" << i << ", " << j << "]";
          want.visible_blocks += visible;
          want.kept_blocks += kept;
          for (int64_t row = i * kQueryBlock; kept && row < std::min((i + 1) * kQueryBlock, s.query_length);
               row += kRowGroup) {
            const int64_t last = std::min(row + kRowGroup, s.query_length) - 1;
            want.pv_tiles += KeysSeen(c, bh / s.query_heads, last) > j * kKeyBlock;
          }
        }
      }
      const HeadCounts& counts = got.counts[bh];
      EXPECT_EQ(counts.visible_blocks, want.visible_blocks) << Describe(c) << " head " << bh;
      EXPECT_EQ(counts.kept_blocks, want.kept_blocks) << Describe(c) << " head " << bh;
      EXPECT_EQ(counts.pv_tiles, want.pv_tiles) << Describe(c) << " head " << bh;
      EXPECT_LE(counts.pv_skipped, counts.pv_tiles) << Describe(c) << " head " << bh;
    }
  }
}

// What a call computes for a head does not depend on the others' non-finite values.
TEST_P(PropertyTest, NonFiniteValuesStayWhereTheyAre) {
  for (const Mode mode : {Mode::kDense8, Mode::kSparge, Mode::kSpargeExact}) {
    Case clean{.name = "clean", .mode = mode, .shape = {2, 2, 2, 200, 300, 24, 24}};
    clean.heads.assign(2, {0.5f, kNone, 0.f, -3.f});
    Case dirty = clean;
    dirty.specials = {{'q', 1, 1, 70, 3, NAN}, {'k', 1, 1, 90, 0, INFINITY}, {'v', 1, 1, 5, 7, NAN}};
    const Result a = Run(clean), b = Run(dirty);
    const size_t o = a.o.size() / 4 * 3, lse = a.lse.size() / 4 * 3, map = a.map.size() / 4 * 3;
    EXPECT_TRUE(std::equal(a.o.begin(), a.o.begin() + o, b.o.begin())) << Name(mode);
    EXPECT_TRUE(std::equal(a.lse.begin(), a.lse.begin() + lse, b.lse.begin())) << Name(mode);
    EXPECT_TRUE(std::equal(a.map.begin(), a.map.begin() + map, b.map.begin())) << Name(mode);
    EXPECT_TRUE(std::isnan(b.o.back()) || mode != Mode::kDense8);
  }
}

}  // namespace
}  // namespace attention::test
