#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "attention/cpu/kernels.h"
#include "attention/cpu/registry.h"
#include "tests/attention/support.h"

// The INT32 scores of every 8-bit kernel equal the products of the reference's INT8, whatever the instructions.
namespace attention::test {
namespace {

// One head of 64 queries and 64 keys (or less), packed by the kernel.
class PackedHead {
 public:
  PackedHead(const cpu::Kernel& kernel, const Problem& problem, const std::vector<float>& key_mean) : kernel_(kernel) {
    const Shape& s = problem.spec().shape;
    const Call call = problem.Inputs();
    const cpu::Rows queries{call.q.data, call.dtype, call.q.stride[2], call.q.stride[3], s.query_length, s.head_dim};
    const cpu::Rows keys{call.k.data, call.dtype, call.k.stride[2], call.k.stride[3], s.key_length, s.head_dim};
    dwords_ = kernel.query_dwords(s.head_dim);
    queries_ = Allocate(kQueryBlock * dwords_ * 4);
    keys_ = Allocate(kernel.key_block_bytes(s.head_dim));
    scratch_ = Allocate(std::max<int64_t>(kernel.group_scratch_bytes, kQueryBlock * kWidestHead * 4));
    auto* scratch = reinterpret_cast<float*>(scratch_.get());
    std::vector<float> mean = key_mean;
    mean.resize((mean.size() + 15) / 16 * 16);
    auto* packed = reinterpret_cast<int32_t*>(queries_.get());
    cpu::RowMask non_finite[2] = {};
    kernel.pack_keys(keys, mean.data(), 0, keys_.get(), &key_scale_, nullptr, scratch);
    kernel.pack_queries(queries, false, mean.data(), 0, {packed, dwords_, start_, scale_, km_dot_, non_finite}, nullptr,
                        scratch);
    visible_.assign(64, s.key_length);
    for (float& x : row_scale_) x = 1;
    packed_keys_ = {keys_.get(), &key_scale_, &key_non_finite_};
    group_.q = packed;
    group_.dwords = dwords_;
    group_.rows = s.query_length;
    group_.start = start_;
    group_.row_scale = row_scale_;
    group_.visible = visible_.data();
    group_.keys = &packed_keys_;
    group_.head_dim = s.head_dim;
    group_.scratch = scratch_.get();
  }

  std::vector<int32_t> Scores() const {
    std::vector<int32_t> scores(64 * 64);
    kernel_.scores(group_, 0, scores.data());
    return scores;
  }
  float key_scale() const { return key_scale_; }
  const float* query_scales() const { return scale_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  static std::unique_ptr<std::byte, Free> Allocate(int64_t bytes) {
    return std::unique_ptr<std::byte, Free>(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64)));
  }

  const cpu::Kernel& kernel_;
  int64_t dwords_ = 0;
  std::unique_ptr<std::byte, Free> queries_, keys_, scratch_;
  float key_scale_ = 0, scale_[kQueryBlock] = {}, km_dot_[kQueryBlock] = {}, row_scale_[64] = {};
  int32_t start_[kQueryBlock] = {};
  cpu::RowMask key_non_finite_ = 0;
  std::vector<int64_t> visible_;
  cpu::PackedKeys packed_keys_{};
  cpu::Group group_{};
};

TEST(ScoresTest, EqualTheReferences) {
  const CPUFeatures features = DetectCPUFeatures();
  int kernels = 0;
  const std::vector<cpu::KernelPair> pairs = {
#if defined(__x86_64__)
    cpu::AVX512BF16(),
    cpu::AVX512VNNI(),
    cpu::AVX2VNNI(),
    cpu::AVX2(),
#endif
    cpu::Generic(),
  };
  for (const cpu::KernelPair& pair : pairs) {
    const cpu::Kernel& kernel = pair.eight_bit;
    if (!kernel.runs_on(features)) continue;
    ++kernels;
    int index = 0;
    for (const int64_t width : {1, 3, 16, 33, 64, 80, 127, 128, 200, 256}) {
      for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat16}) {
        ++index;
        Case c{.name = "scores", .mode = Mode::kDense8, .dtype = dtype};
        c.shape = {1, 1, 1, index % 4 == 0 ? index : 64, index % 3 == 0 ? 64 - index : 64, width, 1};
        c.recipe = {.seed = static_cast<uint64_t>(index), .outliers = index % 2 == 0};
        Problem problem(c);
        if (index % 5 == 0) {  // the largest products there are: every level ±127
          std::vector<float> q(problem.q().size(), 1), k(problem.k().size(), -1), v(problem.v().size(), 1);
          for (size_t i = 0; i < k.size() / 2; ++i) k[i] = 1;
          problem.SetInputs(q, k, v);
        }
        SCOPED_TRACE(std::string(kernel.name) + " on " + Describe(c));
        reference::Trace trace;
        problem.RunReference({}, &trace);
        const PackedHead head(kernel, problem, trace.key_mean);
        const std::vector<int32_t> scores = head.Scores();
        EXPECT_EQ(head.key_scale(), trace.key_scales[0]);
        for (int64_t r = 0; r < c.shape.query_length; ++r) {
          EXPECT_EQ(head.query_scales()[r], trace.query_scales[r]);
          for (int64_t t = 0; t < c.shape.key_length; ++t) {
            int32_t want = 0;
            for (int64_t d = 0; d < width; ++d) want += trace.query8[r * width + d] * trace.key8[t * width + d];
            ASSERT_EQ(scores[r * 64 + t], want) << "[" << r << ", " << t << "]";
          }
        }
      }
    }
  }
  EXPECT_GE(kernels, 1);
}

}  // namespace
}  // namespace attention::test
