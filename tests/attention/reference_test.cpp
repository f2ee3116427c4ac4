#include "attention/reference/reference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "attention/reference/numbers.h"
#include "tests/attention/support.h"

// The reference against tests/golden/data/attention.safetensors, which NumPy computed from the same page in float64.
namespace attention::test {
namespace {

using reference::PV;

std::string GoldenName(const testing::TestParamInfo<size_t>& info) {
  std::string name = Goldens()[info.param].spec.name;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

class ReferenceTest : public testing::TestWithParam<size_t> {
 protected:
  const Golden& golden() const { return Goldens()[GetParam()]; }

  void ExpectBlocks(const Result& got) const {
    EXPECT_EQ(got.map, golden().map);
    ASSERT_EQ(got.counts.size(), golden().counts.size());
    for (size_t h = 0; h < got.counts.size(); ++h) {
      const HeadCounts &a = got.counts[h], &b = golden().counts[h];
      EXPECT_EQ(a.visible_blocks, b.visible_blocks) << "head " << h;
      EXPECT_EQ(a.kept_blocks, b.kept_blocks) << "head " << h;
      EXPECT_EQ(a.pv_tiles, b.pv_tiles) << "head " << h;
      EXPECT_EQ(a.pv_skipped, b.pv_skipped) << "head " << h;
    }
  }

  // `got` in the rows that the golden holds.
  void ExpectClose(const Result& got, const std::vector<float>& o, const std::vector<float>& lse, double o_tolerance,
                   double lse_tolerance) const {
    const std::vector<float> rows = EveryRow(golden(), got.o);
    ASSERT_EQ(rows.size(), o.size());
    ASSERT_EQ(got.lse.size(), lse.size());
    for (size_t i = 0; i < o.size(); ++i) {
      ASSERT_EQ(std::isfinite(rows[i]), std::isfinite(o[i])) << i << ": " << rows[i] << ", not " << o[i];
    }
    EXPECT_LE(RelativeL1(rows, o), o_tolerance);
    for (size_t i = 0; i < lse.size(); ++i) {
      if (std::isnan(lse[i])) {
        ASSERT_TRUE(std::isnan(got.lse[i])) << i << ": " << got.lse[i];
      } else if (std::isinf(lse[i])) {
        ASSERT_EQ(got.lse[i], lse[i]) << i;
      } else {
        ASSERT_NEAR(got.lse[i], lse[i], lse_tolerance * std::max(1.f, std::abs(lse[i]))) << i;
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Goldens, ReferenceTest, testing::Range(size_t{0}, Goldens().size()), GoldenName);

TEST_P(ReferenceTest, MatchesGolden) {
  const Case& c = golden().spec;
  SCOPED_TRACE(Describe(c));
  const Problem problem(c);
  // What the output's own format rounds away.
  const double rounding = c.dtype == DType::kFloat32 ? 0 : c.dtype == DType::kBFloat16 ? 2e-3 : 3e-4;
  if (c.mode == Mode::kSpargeExact) {
    const Result got = problem.RunReference();
    ExpectBlocks(got);
    ExpectClose(got, golden().o, golden().lse, 1e-6 + rounding, 1e-6);
    return;
  }
  struct {
    const char* name;
    reference::Arithmetic arithmetic;
    double o_tolerance, lse_tolerance;
  } const kinds[] = {
      {"bf16", {PV::kBFloat16, 1, 64}, 4e-3, 2e-3},
      {"bf16, tiles of 4, flushed every 16", {PV::kBFloat16, 4, 16}, 4e-3, 2e-3},
      {"fp16", {PV::kFloat16, 1, 64}, 1e-3, 5e-4},
      {"u8s8", {PV::kU8S8, 1, 64}, 2e-2, 5e-2},
      {"u8s8, tiles of 2", {PV::kU8S8, 2, 128}, 2e-2, 5e-2},
      {"e4m3", {PV::kE4M3, 1, 64}, 5e-2, 2e-2},
  };
  for (const auto& kind : kinds) {
    SCOPED_TRACE(kind.name);
    const Result got = problem.RunReference(kind.arithmetic);
    ExpectBlocks(got);
    ExpectClose(got, golden().o8, golden().lse8, kind.o_tolerance + rounding, kind.lse_tolerance);
  }
}

TEST(ReferenceTraceTest, MatchesGolden) {
  int traced = 0;
  for (const Golden& golden : Goldens()) {
    if (golden.query8.empty()) continue;
    ++traced;
    SCOPED_TRACE(Describe(golden.spec));
    reference::Trace trace;
    Problem(golden.spec).RunReference({}, &trace);
    EXPECT_EQ(trace.query8, golden.query8);
    EXPECT_EQ(trace.key8, golden.key8);
    EXPECT_EQ(trace.query_scales, golden.query_scales);
    EXPECT_EQ(trace.key_scales, golden.key_scales);
    if (golden.scores.empty()) continue;
    EXPECT_LE(RelativeL2(trace.key_mean, golden.key_mean), 1e-6);
    EXPECT_LE(RelativeL2(trace.query_means, golden.query_means), 1e-6);
    EXPECT_LE(RelativeL2(trace.key_means, golden.key_means), 1e-6);
    EXPECT_LE(RelativeL2(trace.query_sims, golden.query_sims), 1e-6);
    EXPECT_LE(RelativeL2(trace.key_sims, golden.key_sims), 1e-6);
    EXPECT_LE(RelativeL2(trace.scores, golden.scores), 1e-6);
  }
  EXPECT_GE(traced, 2);
}

TEST(ReferenceTest, TruthIsTheGoldens) {
  for (const Golden& golden : Goldens()) {
    if (golden.spec.mode != Mode::kDense8) continue;
    const Result truth = Truth(Problem(golden.spec), golden.map);
    EXPECT_LE(RelativeL1(EveryRow(golden, truth.o), golden.o), 1e-6) << golden.spec;
    EXPECT_LE(RelativeL1(truth.lse, golden.lse), 1e-6) << golden.spec;
  }
}

// The errors that docs/attention_spec.md promises: unit Gaussian inputs, float64 over the same map, λ off.
TEST(ReferenceTest, ErrorsAreWithinTheBounds) {
  for (const int64_t outliers : {0, 4}) {
    Problem problem(Case{.name = "bounds", .mode = Mode::kDense8, .shape = {1, 2, 2, 256, 512, 64, 64}});
    FillWithGaussians(problem, 7, outliers);
    const Result truth = Truth(problem, std::vector<uint8_t>(2 * 2 * 8, 1));
    for (const PV pv : {PV::kBFloat16, PV::kFloat16, PV::kU8S8, PV::kE4M3}) {
      const double bound = (pv == PV::kE4M3 ? 0.05 : 0.03) + (outliers > 0 ? 0.01 : 0);
      EXPECT_LE(RelativeL1(problem.RunReference({pv}).o, truth.o), bound)
          << "PV " << int(pv) << " outliers " << outliers;
    }
  }
}

TEST(ReferenceTest, LayoutChangesNothing) {
  Case c{.name = "layouts", .shape = {2, 4, 2, 150, 200, 24, 40}};
  c.dtype = DType::kFloat16;
  const Result want = Problem(c).RunReference();
  for (const Layout layout : kLayouts) {
    EXPECT_TRUE(Problem(c, layout).RunReference().SameBits(want)) << "layout " << int(layout);
  }
}

TEST(NumbersTest, EveryHalfSurvives) {
  for (int bits = 0; bits < 65536; ++bits) {
    const auto b = static_cast<uint16_t>(bits);
    const float half = reference::FromFloat16(b), brain = reference::FromBFloat16(b);
    ASSERT_TRUE(std::isnan(half) || reference::ToFloat16(half) == b) << bits;
    ASSERT_TRUE(std::isnan(brain) || reference::ToBFloat16(brain) == b) << bits;
    ASSERT_EQ(std::isnan(half), (b & 0x7fff) > 0x7c00);
  }
}

TEST(NumbersTest, RoundsToEven) {
  EXPECT_EQ(reference::RoundToBFloat16(1 + std::ldexp(1.0, -8)), 1);
  EXPECT_EQ(reference::RoundToBFloat16(1 + 3 * std::ldexp(1.0, -8)), 1 + std::ldexp(1.0, -6));
  EXPECT_EQ(reference::RoundToFloat16(2049), 2048);
  EXPECT_EQ(reference::RoundToFloat16(65519), 65504);
  EXPECT_EQ(reference::RoundToFloat16(-65520), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(reference::RoundToFloat16(std::ldexp(1.5, -24)), std::ldexp(2.0, -24));
  EXPECT_EQ(reference::RoundToFloat16(std::ldexp(1.0, -25)), 0);
  EXPECT_EQ(reference::RoundToE4M3(17), 16);
  EXPECT_EQ(reference::RoundToE4M3(500), 448);
  EXPECT_EQ(reference::RoundToE4M3(std::ldexp(3.0, -10)), std::ldexp(4.0, -10));
}

}  // namespace
}  // namespace attention::test
