#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "attention/cuda/attend/shared_bytes.h"
#include "tests/attention/cuda/emulated_device.h"

// Every CUDA kernel's body on the emulator against the reference with the same rounding: block maps, counts, INT8, o,
// lse. A fault that the emulator sees fails the test too.
namespace attention::test {
namespace {

// What sm_89 has. Two of the three widths get three stages, the widest fewer.
constexpr int kCapability = 89;
constexpr int64_t kSharedKiB = 99;

class EmulatedKernelTest : public testing::TestWithParam<std::string> {
 protected:
  bool exact() const { return GetParam() == "cuda_exact"; }
  void ExpectAsReference(EmulatedDevice& device, const CudaCase& c) const {
    const Problem problem(c.spec, c.layout);
    std::string difference;
    try {
      const Result got = RunOnBackend(device, problem, GetParam(), c.layout);
      difference = CompareWithReference(problem, got, CudaArithmetic(GetParam()));
    } catch (const cuda_emulation::EmulationFault& fault) {
      difference = fault.what();
    }
    EXPECT_EQ(difference, "") << GetParam() << " on " << Describe(c.spec);
  }
  // The `part`th of three of the shared cases, so that a test is not long.
  void ExpectThirdAsReference(size_t part) const {
    EmulatedDevice device(kCapability, kSharedKiB);
    const std::vector<CudaCase> cases = CudaCases(exact());
    ASSERT_GT(cases.size(), 30u);
    for (size_t n = part; n < cases.size(); n += 3) ExpectAsReference(device, cases[n]);
  }
};

INSTANTIATE_TEST_SUITE_P(CUDA, EmulatedKernelTest, testing::ValuesIn(cuda::KernelNames()),
                         [](const auto& info) { return info.param; });

TEST_P(EmulatedKernelTest, AsReferenceOnSharedCases1) { ExpectThirdAsReference(0); }
TEST_P(EmulatedKernelTest, AsReferenceOnSharedCases2) { ExpectThirdAsReference(1); }
TEST_P(EmulatedKernelTest, AsReferenceOnSharedCases3) { ExpectThirdAsReference(2); }

TEST_P(EmulatedKernelTest, AsReferenceOnRandomCases) {
  EmulatedDevice device(kCapability, kSharedKiB);
  for (uint64_t seed = 1; seed <= 12; ++seed) ExpectAsReference(device, RandomCudaCase(seed, exact()));
}

// The errors that docs/attention_spec.md promises against float64.
TEST_P(EmulatedKernelTest, ErrorsAreWithinTheBounds) {
  EmulatedDevice device(kCapability, kSharedKiB);
  EXPECT_EQ(CheckErrorBounds(device, GetParam()), "");
}

// A device with just the shared memory for it.
TEST_P(EmulatedKernelTest, EveryPipelineDepth) {
  if (exact()) GTEST_SKIP() << "the exact kernel has no pipeline";
  const cuda::PV pv = GetParam() == "cuda_e4m3"   ? cuda::PV::kE4M3
                      : GetParam() == "cuda_bf16" ? cuda::PV::kBFloat16
                                                  : cuda::PV::kFloat16;
  for (const int width : {64, 128, 256}) {
    for (const int stages : {1, 2, 3}) {
      EmulatedDevice device(kCapability, (cuda::AttendSharedBytes(pv, width, stages) + 1023) / 1024);
      int seen = 0;
      device.Observe([&seen](const cuda::LaunchStep& step) {
        if (const auto* attend = std::get_if<cuda::AttendParams>(&step.params)) seen = attend->stages;
      });
      CudaCase c;
      c.spec = {.name = "depth", .mode = Mode::kSparge, .dtype = DType::kBFloat16};
      c.spec.shape = {1, 1, 1, 200, 700, width, width};
      c.spec.heads = {{0.8f, HeadParameters::kNone, 0.f, -3.f}};
      c.spec.recipe = {.seed = static_cast<uint64_t>(width + stages), .q_amplitude = 2};
      for (const bool causal : {false, true}) {
        c.spec.causal = causal;
        ExpectAsReference(device, c);
        EXPECT_EQ(seen, stages) << "width " << width;
      }
    }
  }
}

// Twenty schedules of a dozen cases: the same bits, and no fault.
TEST_P(EmulatedKernelTest, ScheduleDoesNotMatter) {
  std::vector<CudaCase> cases;
  for (uint64_t seed = 101; cases.size() < 12; ++seed) {
    CudaCase c = RandomCudaCase(seed, exact());
    const Shape& s = c.spec.shape;
    if (s.batch * s.query_heads * s.query_length * (s.key_length + 100) * (s.head_dim + s.value_dim + 64) > 1e7)
      continue;
    cases.push_back(c);
  }
  for (const CudaCase& c : cases) {
    const Problem problem(c.spec, c.layout);
    EmulatedDevice first(kCapability, kSharedKiB, 1);
    const Result once = RunOnBackend(first, problem, GetParam(), c.layout);
    EXPECT_EQ(CompareWithReference(problem, once, CudaArithmetic(GetParam())), "") << Describe(c.spec);
    for (uint64_t seed = 2; seed <= 20; ++seed) {
      EmulatedDevice device(kCapability, kSharedKiB, seed);
      EXPECT_TRUE(RunOnBackend(device, problem, GetParam(), c.layout).SameBits(once))
          << seed << ": " << Describe(c.spec);
    }
  }
}

TEST_P(EmulatedKernelTest, Int32ScoresAreTheProductsOfTheLevels) {
  if (exact()) GTEST_SKIP() << "the exact kernel has no INT8";
  EmulatedDevice device(kCapability, 227);  // room for the widest operands of every kernel
  EXPECT_EQ(CheckScores(device, GetParam()), "");
}

// What the first pass hands to the main kernel, taken out of its swizzled tiles: every level and scale as the
// reference's.
TEST_P(EmulatedKernelTest, Int8AsReference) {
  if (exact()) GTEST_SKIP() << "the exact kernel has no INT8";
  const int64_t dims[][2] = {{64, 64}, {40, 33}, {128, 128}, {200, 256}};
  for (const auto& [head_dim, value_dim] : dims) {
    for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
      Case c{
          .name = "levels", .mode = Mode::kDense8, .dtype = dtype, .shape = {2, 2, 1, 150, 200, head_dim, value_dim}};
      c.key_lengths = {200, 77};
      c.recipe = {.seed = 9, .outliers = true};
      c.specials = {{'k', 0, 0, 70, 3, NAN}, {'q', 1, 1, 20, 5, INFINITY}};
      const Problem problem(c);
      reference::Trace trace;
      problem.RunReference(CudaArithmetic(GetParam()), &trace);

      const Shape& s = c.shape;
      int64_t wrong = 0, scales = 0;
      EmulatedDevice device(kCapability, kSharedKiB);
      device.Observe([&](const cuda::LaunchStep& step) {
        const auto* p = std::get_if<cuda::AttendParams>(&step.params);
        if (p == nullptr) return;
        const auto level = [&](const uint8_t* tiles, int64_t rows, int64_t tile, int64_t row, int64_t channel) {
          const int64_t width = p->geometry.width, chunk = channel / 16;
          const int64_t mix = width == 64 ? row / 2 % 4 : row % 8;
          return static_cast<int8_t>(tiles[tile * rows * width + row * width + (chunk ^ mix) * 16 + channel % 16]);
        };
        for (int64_t head = 0; head < s.batch * s.query_heads; ++head) {
          for (int64_t row = 0; row < s.query_length; ++row) {
            for (int64_t d = 0; d < s.head_dim; ++d) {
              wrong += level(p->query8, kQueryBlock, head * s.query_blocks() + row / kQueryBlock, row % kQueryBlock,
                             d) != trace.query8[static_cast<size_t>((head * s.query_length + row) * s.head_dim + d)];
            }
          }
        }
        for (int64_t head = 0; head < s.batch * s.key_heads; ++head) {
          for (int64_t row = 0; row < c.key_lengths[static_cast<size_t>(head)]; ++row) {
            for (int64_t d = 0; d < s.head_dim; ++d) {
              wrong += level(p->key8, kKeyBlock, head * s.key_blocks() + row / kKeyBlock, row % kKeyBlock, d) !=
                       trace.key8[static_cast<size_t>((head * s.key_length + row) * s.head_dim + d)];
            }
          }
          for (int64_t j = 0; j < s.key_blocks(); ++j) {
            const auto at = static_cast<size_t>(head * s.key_blocks() + j);
            scales += std::abs(p->key_scale[at]) != trace.key_scales[at];
          }
        }
      });
      RunOnBackend(device, problem, GetParam());
      EXPECT_EQ(wrong, 0) << Describe(c);
      EXPECT_EQ(scales, 0) << Describe(c);
    }
  }
}

}  // namespace
}  // namespace attention::test
