#include <gtest/gtest.h>

#include <cmath>

#include "attention/base/error.h"
#include "attention/cpu/kernels.h"
#include "attention/parallel.h"
#include "tests/attention/support.h"

// Every CPU kernel, by name, against the reference with the same rounding of P·V: block maps and counts, o and lse.
namespace attention::test {
namespace {

constexpr Mode kModes[] = {Mode::kDense8, Mode::kSparge, Mode::kSpargeExact};
constexpr DType kDTypes[] = {DType::kFloat32, DType::kBFloat16, DType::kFloat16};

class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string lacking = WhyNot(GetParam(), DetectCPUFeatures());
    if (!lacking.empty()) GTEST_SKIP() << lacking;
  }
  void ExpectAsReference(const Case& c, int threads = 1) const {
    EXPECT_EQ(CompareWithReference(Problem(c), GetParam(), threads), "") << GetParam() << " on " << Describe(c);
  }
};

INSTANTIATE_TEST_SUITE_P(CPU, KernelTest, testing::ValuesIn(CPUKernelNames()),
                         [](const auto& info) { return info.param; });

TEST_P(KernelTest, AsReferenceOnGoldenCases) {
  for (const Golden& golden : Goldens()) ExpectAsReference(golden.spec);
}

// What NumPy computed in float64.
TEST_P(KernelTest, ExactAsGoldens) {
  for (const Golden& golden : Goldens()) {
    if (golden.spec.mode != Mode::kSpargeExact) continue;
    const Result got = Problem(golden.spec).RunKernel(GetParam());
    EXPECT_EQ(got.map, golden.map) << golden.spec;
    const double rounding = golden.spec.dtype == DType::kFloat32    ? 0
                            : golden.spec.dtype == DType::kBFloat16 ? 2e-3
                                                                    : 3e-4;
    std::vector<float> rows = EveryRow(golden, got.o), want = golden.o;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (!std::isfinite(rows[i]) || !std::isfinite(want[i])) rows[i] = want[i] = 0;  // AsReferenceOnGoldenCases
    }
    EXPECT_LE(RelativeL1(rows, want), 1e-5 + rounding) << GetParam() << " on " << Describe(golden.spec);
  }
}

// Every width matters: full and ragged vectors, groups of 4 channels, the widest head.
TEST_P(KernelTest, Widths) {
  constexpr int64_t kWidths[] = {1,  2,  3,  4,  7,  15,  16,  17,  31,  32,  40,
                                 63, 64, 65, 80, 96, 127, 128, 129, 192, 255, 256};
  int index = 0;
  for (const int64_t head_dim : kWidths) {
    for (const Mode mode : kModes) {
      Case c{.name = "widths", .mode = mode, .dtype = kDTypes[index % 3]};
      c.shape = {1, 2, 1, 70 + index, 150 + 3 * index % 60, head_dim, kWidths[(index * 5 + 3) % std::size(kWidths)]};
      c.heads = {{0.5f, HeadParameters::kNone, 0.2f, -4.f}, {HeadParameters::kNone, 0.8f, 0.2f, 0.f}};
      c.recipe.seed = static_cast<uint64_t>(++index);
      ExpectAsReference(c);
    }
  }
}

TEST_P(KernelTest, EveryModeAndDType) {
  for (const Mode mode : kModes) {
    for (const DType dtype : kDTypes) {
      for (const bool causal : {false, true}) {
        Case c{.name = "modes", .mode = mode, .dtype = dtype, .shape = {2, 4, 2, 200, 330, 64, 64}, .causal = causal};
        c.key_lengths = {330, 170};
        c.heads.assign(4, {0.4f, HeadParameters::kNone, 0.3f, -3.f});
        c.recipe = {.seed = 11, .q_amplitude = 2};
        ExpectAsReference(c, 2);
      }
    }
  }
}

// Lengths around the edges of blocks and row groups.
TEST_P(KernelTest, Lengths) {
  constexpr int64_t kLengths[] = {1, 2, 15, 16, 17, 31, 63, 64, 65, 127, 128, 129, 191, 192, 193, 257};
  int index = 0;
  for (const int64_t query_length : kLengths) {
    for (int step = 0; step < 3; ++step, ++index) {
      Case c{.name = "lengths", .mode = kModes[index % 3], .dtype = kDTypes[index / 3 % 3], .causal = index % 2 == 0};
      c.shape = {1, 1, 1, query_length, kLengths[(index * 7 + 5) % std::size(kLengths)], 24, 24};
      c.recipe.seed = static_cast<uint64_t>(index);
      ExpectAsReference(c);
    }
  }
}

// The errors that docs/attention_spec.md promises against float64.
TEST_P(KernelTest, ErrorsAreWithinTheBounds) {
  for (const int64_t head_dim : {64, 128}) {
    for (const int64_t outliers : {0, 4}) {
      for (const DType dtype : kDTypes) {
        Case c{
            .name = "bounds", .mode = Mode::kDense8, .dtype = dtype, .shape = {1, 1, 1, 256, 1024, head_dim, head_dim}};
        Problem problem(c);
        FillWithGaussians(problem, 3, outliers);
        const Result truth = Truth(problem, std::vector<uint8_t>(2 * 16, 1)), got = problem.RunKernel(GetParam());
        EXPECT_LE(RelativeL1(got.o, truth.o), outliers > 0 ? 0.04 : 0.03)
            << GetParam() << " " << Name(dtype) << " d " << head_dim << " outliers " << outliers;
        EXPECT_LE(RelativeL1(got.lse, truth.lse), 0.01) << GetParam() << " " << Name(dtype) << " d " << head_dim;
      }
    }
  }
}

TEST_P(KernelTest, ThreadsAndRunsGiveTheSameBits) {
  for (const Mode mode : kModes) {
    Case c{.name = "threads",
           .mode = mode,
           .dtype = DType::kBFloat16,
           .shape = {2, 4, 2, 330, 700, 40, 72},
           .causal = true};
    c.heads.assign(4, {0.4f, 0.3f, 0.3f, -2.f});
    c.recipe.q_amplitude = 2;
    c.specials = {{'q', 0, 1, 200, 3, NAN}, {'k', 1, 0, 500, 0, INFINITY}, {'v', 0, 1, 100, 7, -INFINITY}};
    const Problem problem(c);
    const Result once = problem.RunKernel(GetParam(), 1);
    for (const int threads : {1, 2, 3, 16}) {
      EXPECT_TRUE(problem.RunKernel(GetParam(), threads).SameBits(once)) << threads << " threads, " << Describe(c);
    }
  }
}

TEST_P(KernelTest, OptionalResultsMayBeLeftOut) {
  const Problem problem(Case{.name = "optional", .shape = {1, 2, 2, 150, 200, 16, 16}});
  const Result want = problem.RunKernel(GetParam());
  std::vector<float> o(want.o.size());
  Call call = problem.Inputs();
  call.o = {o.data(), {2 * 150 * 16, 150 * 16, 16, 1}};
  const RunInfo info = RunOnCPU(call, StdThreads(2), GetParam());
  EXPECT_EQ(o, want.o);
  EXPECT_EQ(info.kernel, GetParam());
}

TEST(DispatchTest, AutoPrefersTheFirstThatRuns) {
  const Problem problem(Case{.name = "auto", .shape = {1, 1, 1, 64, 64, 16, 16}});
  for (const Mode mode : kModes) {
    Case c = problem.spec();
    c.mode = mode;
    const RunInfo info = Problem(c).RunKernel("auto").info;
    EXPECT_EQ(info.kernel, RunnableKernels().front()) << info.reason;
    EXPECT_FALSE(info.reason.empty());
  }
}

TEST(DispatchTest, AKernelThatIsNotThereIsRefused) {
  const Problem problem(Case{.name = "unknown", .shape = {1, 1, 1, 64, 64, 16, 16}});
  try {
    problem.RunKernel("abacus");
    FAIL() << "no error";
  } catch (const base::Error& error) {
    EXPECT_NE(error.code(), base::ErrorCode::kInternal);
    EXPECT_NE(std::string(error.what()).find("abacus"), std::string::npos) << error.what();
    for (const std::string& kernel : CPUKernelNames()) {
      EXPECT_NE(std::string(error.what()).find(kernel), std::string::npos) << kernel << " not named: " << error.what();
    }
  }
}

TEST(DispatchTest, ReferenceIsTheLast) { EXPECT_EQ(CPUKernelNames().back(), "reference"); }

}  // namespace
}  // namespace attention::test
