#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <stdexcept>

#include "attention/cpu/kernels.h"
#include "attention/parallel.h"
#include "attention/reference/numbers.h"
#include "tests/attention/support.h"

// Where the tensors lie changes no bit, and nothing else in memory is read or written.
namespace attention::test {
namespace {

constexpr Mode kModes[] = {Mode::kDense8, Mode::kSparge, Mode::kSpargeExact};
constexpr DType kDTypes[] = {DType::kFloat32, DType::kBFloat16, DType::kFloat16};

class MemoryTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const std::string lacking = WhyNot(GetParam(), DetectCPUFeatures());
    if (!lacking.empty()) GTEST_SKIP() << lacking;
  }
};

INSTANTIATE_TEST_SUITE_P(CPU, MemoryTest, testing::ValuesIn(CPUKernelNames()),
                         [](const auto& info) { return info.param; });

TEST_P(MemoryTest, LayoutChangesNoBit) {
  int index = 0;
  for (const Mode mode : kModes) {
    for (const DType dtype : kDTypes) {
      Case c{.name = "layouts", .mode = mode, .dtype = dtype, .shape = {2, 4, 2, 150, 200, 20 + 7 * ++index, 40}};
      c.causal = index % 2 == 0;
      c.heads.assign(4, {0.5f, HeadParameters::kNone, 0.2f, -3.f});
      const Result want = Problem(c).RunKernel(GetParam());
      for (const Layout layout : kLayouts) {
        EXPECT_TRUE(Problem(c, layout).RunKernel(GetParam()).SameBits(want))
            << "layout " << int(layout) << ": " << Describe(c);
      }
    }
  }
}

// Heads, rows and even channels that are one and the same memory.
TEST_P(MemoryTest, StrideZero) {
  for (const Mode mode : kModes) {
    Case c{.name = "stride 0", .mode = mode, .shape = {2, 2, 2, 140, 200, 16, 16}};
    Problem expanded(c);
    std::vector<float> k = expanded.k(), v = expanded.v();
    const size_t head = 200 * 16;
    for (size_t i = head; i < k.size(); ++i) k[i] = k[i % head];         // every head as the first
    for (size_t i = 0; i < v.size(); ++i) v[i] = v[i % head / 16 * 16];  // and every channel as the first
    expanded.SetInputs(expanded.q(), k, v);
    const Result want = expanded.RunKernel(GetParam());
    Call call = expanded.Inputs();
    call.k.stride[0] = call.k.stride[1] = 0;
    call.v.stride[0] = call.v.stride[1] = call.v.stride[3] = 0;
    std::vector<float> o(want.o.size());
    call.o = {o.data(), {2 * 140 * 16, 140 * 16, 16, 1}};
    RunOnCPU(call, StdThreads(1), GetParam());
    EXPECT_EQ(o, want.o) << Name(mode);
  }
}

// Address space without memory behind it, between pages that may not be touched.
class Region {
 public:
  explicit Region(size_t bytes) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    size_ = (bytes + page_ - 1) / page_ * page_;
    void* base = mmap(nullptr, size_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) throw std::runtime_error("no address space");
    base_ = static_cast<std::byte*>(base);
    if (mprotect(begin(), size_, PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("no memory");
  }
  ~Region() { munmap(base_, size_ + 2 * page_); }
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  std::byte* begin() const { return base_ + page_; }
  std::byte* end() const { return begin() + size_; }

 private:
  size_t page_, size_;
  std::byte* base_;
};

// Tensors that begin or end where the next byte may not be touched.
TEST_P(MemoryTest, ReadsAndWritesOnlyTheTensors) {
  int index = 0;
  for (const Mode mode : kModes) {
    for (const DType dtype : kDTypes) {
      for (const bool at_end : {true, false}) {
        ++index;
        Case c{
            .name = "guarded", .mode = mode, .dtype = dtype, .shape = {1, 1, 1, 60 + 9 * index, 70 + 13 * index, 0, 0}};
        c.shape.head_dim = 1 + 17 * index % 131;
        c.shape.value_dim = 1 + 29 * index % 127;
        const Problem problem(c);
        const Result want = problem.RunKernel(GetParam());
        const size_t element = dtype == DType::kFloat32 ? 4 : 2;
        const auto place = [&](const Region& region, size_t count) {
          return at_end ? region.end() - count * element : region.begin();
        };
        Call call = problem.Inputs();
        const Region q(problem.q().size() * element), k(problem.k().size() * element), v(problem.v().size() * element);
        const Region o(want.o.size() * element);
        const auto move = [&](TensorView& view, const Region& region, size_t count) {
          std::byte* to = place(region, count);
          std::memcpy(to, view.data, count * element);
          view.data = to;
        };
        move(call.q, q, problem.q().size());
        move(call.k, k, problem.k().size());
        move(call.v, v, problem.v().size());
        std::byte* out = place(o, want.o.size());
        call.o = {out, {0, 0, c.shape.value_dim, 1}};
        RunOnCPU(call, StdThreads(1), GetParam());
        for (size_t i = 0; i < want.o.size(); ++i) {
          ASSERT_EQ(reference::Load(dtype, out, static_cast<int64_t>(i)), want.o[i]) << Describe(c);
        }
      }
    }
  }
}

// Rows 2^33 and more elements apart, forwards and backwards.
TEST_P(MemoryTest, StridesBeyond32Bits) {
  constexpr int64_t kFar = (int64_t{1} << 33) + 24;
  for (const Mode mode : kModes) {
    Case c{.name = "far", .mode = mode, .dtype = DType::kBFloat16, .shape = {2, 2, 2, 3, 3, 16, 16}};
    const Problem problem(c);
    const Result want = problem.RunKernel(GetParam());
    const Region region(static_cast<size_t>(6 * kFar * 2));
    Call call = problem.Inputs();
    std::byte* const q = region.begin() + 5 * kFar * 2;  // batch far backwards
    int64_t at = 0;
    for (int64_t b = 0; b < 2; ++b) {
      for (int64_t h = 0; h < 2; ++h) {
        for (int64_t row = 0; row < 3; ++row) {
          for (int64_t d = 0; d < 16; ++d, ++at) {
            reference::Store(c.dtype, q, -b * kFar + h * 64 + row * 16 + d, problem.q()[at]);
            reference::Store(c.dtype, region.begin(), b * 128 + h * 64 + row * kFar + d, problem.k()[at]);
            reference::Store(c.dtype, region.begin() + 1024, b * 128 + h * kFar + row * 16 + d, problem.v()[at]);
          }
        }
      }
    }
    call.q = {q, {-kFar, 64, 16, 1}};
    call.k = {region.begin(), {128, 64, kFar, 1}};
    call.v = {region.begin() + 1024, {128, kFar, 16, 1}};
    std::byte* const o = region.begin() + 4096;
    call.o = {o, {2 * kFar, kFar, 16, 1}};
    RunOnCPU(call, StdThreads(1), GetParam());
    for (int64_t i = 0; i < static_cast<int64_t>(want.o.size()); ++i) {
      const int64_t b = i / 96, h = i / 48 % 2, within = i % 48;
      ASSERT_EQ(reference::Load(c.dtype, o, b * 2 * kFar + h * kFar + within), want.o[i]) << Name(mode) << " " << i;
    }
  }
}

// Keys at or past the length, whatever they hold.
TEST_P(MemoryTest, InvisibleKeysArePoison) {
  for (const Mode mode : kModes) {
    for (const DType dtype : kDTypes) {
      for (const bool causal : {false, true}) {
        Case c{.name = "poison", .mode = mode, .dtype = dtype, .shape = {3, 2, 2, 150, 260, 24, 24}, .causal = causal};
        c.key_lengths = {100, 0, 193};
        Problem problem(c);
        const Result want = problem.RunKernel(GetParam());
        std::vector<float> q = problem.q(), k = problem.k(), v = problem.v();
        for (int64_t row = 0; row < 3 * 2 * 260; ++row) {
          if (row % 260 < c.key_lengths[static_cast<size_t>(row / 520)]) continue;
          for (int64_t d = 0; d < 24; ++d) {
            k[row * 24 + d] = row % 3 == 0 ? NAN : row % 3 == 1 ? INFINITY : 6e4f;
            v[row * 24 + d] = row % 3 == 1 ? NAN : row % 3 == 2 ? -INFINITY : 6e4f;
          }
        }
        // The queries of the batch entry that sees nothing, too.
        std::fill(q.begin() + 2 * 150 * 24, q.begin() + 4 * 150 * 24, NAN);
        problem.SetInputs(q, k, v);
        EXPECT_TRUE(problem.RunKernel(GetParam()).SameBits(want)) << Describe(c);
      }
    }
  }
}

}  // namespace
}  // namespace attention::test
