#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attention/attention.h"
#include "attention/base/error.h"

// attention::Attend, mode dense, against sums in double.
namespace attention {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");

at::Tensor Random(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return at::randn(sizes, at::TensorOptions().dtype(at::kFloat)).to(dtype);
}

// Row by row over the keys that the row sees, in double: hidden keys are not even read.
std::pair<at::Tensor, at::Tensor> Exact(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                        const AttentionContext& ctx) {
  const int64_t batch = q.size(0), heads = q.size(1), rows = q.size(2), keys = k.size(2);
  at::Tensor o = at::zeros({batch, heads, rows, v.size(3)}, at::kDouble);
  at::Tensor lse = at::full({batch, heads, rows}, -kInf, at::kDouble);
  const double scale = ctx.scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  const at::Tensor bias = ctx.bias.defined() ? ctx.bias.to(at::kDouble).expand({batch, heads, rows, keys}) : ctx.bias;
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = ctx.key_lengths.defined() ? ctx.key_lengths[b].item<int64_t>() : keys;
    for (int64_t h = 0; h < heads; ++h) {
      const at::Tensor kh = k[b][h / (heads / k.size(1))].to(at::kDouble);
      const at::Tensor vh = v[b][h / (heads / k.size(1))].to(at::kDouble);
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t sees = ctx.causal ? std::clamp(i + keys - rows + 1, int64_t{0}, length) : length;
        if (sees == 0) continue;
        at::Tensor scores = at::mv(kh.narrow(0, 0, sees), q[b][h][i].to(at::kDouble)).mul(scale);
        if (bias.defined()) scores = scores.add(bias[b][h][i].narrow(0, 0, sees));
        o[b][h][i].copy_(at::mv(vh.narrow(0, 0, sees).t(), at::softmax(scores, 0)));
        lse[b][h][i].copy_(at::logsumexp(scores, 0));
      }
    }
  }
  return {o, lse};
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  // Equal infinities differ by nothing; a NaN on one side only differs by infinity.
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const at::Tensor same = x.eq(y).logical_or(at::isnan(x).logical_and(at::isnan(y)));
  return at::nan_to_num(x.sub(y).abs(), kInf, kInf).masked_fill(same, 0.0).max().item<double>();
}

double Tolerance(at::ScalarType dtype) { return dtype == at::kBFloat16 ? 0.03 : dtype == at::kHalf ? 0.004 : 1e-5; }

// Attends with the kernels, with and without the LSE, and compares with Exact.
void ExpectExact(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, AttentionContext ctx,
                 const std::vector<std::string>& kernels = {"auto"}) {
  const auto [o, lse] = Exact(q, k, v, ctx);
  const double tolerance = Tolerance(q.scalar_type());
  for (const std::string& kernel : kernels) {
    SCOPED_TRACE(kernel);
    AttentionOptions options;
    options.kernel = kernel;
    CallResults results;
    ctx.options = &options;
    ctx.results = &results;
    const at::Tensor alone = Attend(q, k, v, ctx);
    EXPECT_FALSE(results.lse.defined());
    results.want_lse = results.want_block_map = results.want_counts = true;
    const at::Tensor both = Attend(q, k, v, ctx);
    EXPECT_EQ(both.scalar_type(), q.scalar_type());
    EXPECT_LE(MaxDifference(alone, o), tolerance);
    EXPECT_LE(MaxDifference(both, o), tolerance);
    EXPECT_EQ(results.lse.scalar_type(), at::kFloat);
    EXPECT_LE(MaxDifference(results.lse, lse), tolerance);
    EXPECT_FALSE(results.block_map.defined() || results.kept_blocks.defined());
    EXPECT_EQ(results.kernel == kernel, kernel != "auto");
  }
}

struct Lengths {
  int64_t rows, keys;
};

TEST(DenseDoor, EveryKernelEqualsExactSums) {
  at::manual_seed(1);
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const auto [rows, keys] : {Lengths{1, 1}, {70, 70}, {30, 150}, {90, 40}}) {
      const at::Tensor q = Random({2, 2, rows, 24}, dtype), k = Random({2, 1, keys, 24}, dtype);
      for (int64_t value_dim : {24, 8, 40}) {
        const at::Tensor v = Random({2, 1, keys, value_dim}, dtype);
        for (const bool causal : {false, true}) {
          SCOPED_TRACE(testing::Message()
                       << dtype << " " << rows << "x" << keys << " Dv " << value_dim << (causal ? " causal" : ""));
          const std::vector<std::string> kernels = {"auto", "sdpa", "sdpa_chunked", "math"};
          AttentionContext ctx;
          ctx.causal = causal;
          ctx.scale = 0.3;
          ExpectExact(q, k, v, ctx, kernels);
          ctx.key_lengths = at::tensor({keys / 2, value_dim == 8 ? 0 : keys}, at::kLong);
          ExpectExact(q, k, v, ctx, kernels);
        }
      }
    }
  }
}

TEST(DenseDoor, ChunksOfLongSequences) {
  at::manual_seed(2);
  // More than one chunk of queries in the causal mask (1024), with and without lengths.
  const at::Tensor q = Random({1, 1, 1500, 8}), k = Random({1, 1, 1700, 8}), v = Random({1, 1, 1700, 8});
  AttentionContext ctx;
  ctx.causal = true;
  ExpectExact(q, k, v, ctx);
  ctx.key_lengths = at::tensor({900}, at::kLong);
  ExpectExact(q, k, v, ctx, {"sdpa_chunked"});
}

TEST(DenseDoor, BiasAndStridesAndWideHeads) {
  at::manual_seed(3);
  const at::Tensor q = Random({2, 50, 3, 20}).transpose(1, 2), k = Random({2, 60, 20, 3}).permute({0, 3, 1, 2});
  const at::Tensor v = Random({1, 3, 60, 20}).expand({2, 3, 60, 20});
  for (const bool causal : {false, true}) {
    AttentionContext ctx;
    ctx.causal = causal;
    ExpectExact(q, k, v, ctx, {"auto", "math"});
    for (const std::vector<int64_t>& sizes :
         std::vector<std::vector<int64_t>>{{60}, {50, 60}, {3, 1, 60}, {2, 1, 50, 60}, {1, 3, 50, 1}}) {
      ctx.bias = Random(sizes);
      ctx.key_lengths = at::Tensor();
      ExpectExact(q, k, v, ctx, {"auto", "math"});
      ctx.key_lengths = at::tensor({31, 60}, at::kLong);
      ExpectExact(q, k, v, ctx, {"auto", "math"});
    }
  }
  AttentionContext ctx;
  ctx.causal = true;
  ExpectExact(Random({1, 2, 30, 300}), Random({1, 2, 40, 300}), Random({1, 2, 40, 260}), ctx);
  ExpectExact(Random({1, 2, 30, 1}), Random({1, 2, 40, 1}), Random({1, 2, 40, 1}), ctx);
}

// What a query does not see does not reach it, whatever it holds; what it sees does.
TEST(DenseDoor, HiddenKeysDoNotShine) {
  at::manual_seed(4);
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto [rows, keys] : {Lengths{90, 90}, {60, 100}, {100, 60}}) {
      for (const double bad : {kNaN, kInf, -kInf, 1e30}) {
        for (const bool in_v : {false, true}) {
          SCOPED_TRACE(testing::Message() << rows << "x" << keys << " " << bad << (in_v ? " in v" : " in k"));
          const at::Tensor q = Random({2, 2, rows, 16}, dtype);
          at::Tensor k = Random({2, 2, keys, 16}, dtype), v = Random({2, 2, keys, 16}, dtype);
          (in_v ? v : k).narrow(2, keys - 20, 20).fill_(bad);
          AttentionContext ctx;
          ctx.key_lengths = at::tensor({keys - 20, keys - 33}, at::kLong);
          ExpectExact(q, k, v, ctx);
          ctx.causal = true;
          ctx.key_lengths = at::tensor({keys - 20, keys - 20}, at::kLong);
          ExpectExact(q, k, v, ctx);
          ctx.key_lengths = at::Tensor();
          AttentionOptions options;
          ctx.options = &options;
          const at::Tensor o = Attend(q, k, v, ctx), exact = Exact(q, k, v, ctx).first;
          const int64_t clean = rows - 20;  // queries that see none of the bad keys
          EXPECT_LE(MaxDifference(o.narrow(2, 0, clean), exact.narrow(2, 0, clean)), Tolerance(dtype));
          if (std::isnan(bad)) {
            EXPECT_TRUE(at::isnan(o).eq(at::isnan(exact)).all().item<bool>());
          }
        }
      }
    }
  }
}

TEST(DenseDoor, AQueryThatIsNotFiniteStaysAlone) {
  at::manual_seed(5);
  at::Tensor q = Random({1, 2, 40, 16});
  q[0][1][7][3].fill_(kNaN);
  q[0][0][2].fill_(kInf);  // sees nothing below
  AttentionContext ctx;
  ctx.causal = true;
  ExpectExact(q, Random({1, 2, 36, 16}), Random({1, 2, 36, 16}), ctx);
}

TEST(DenseDoor, NamedKernelsRefuseWhatTheyGetWrong) {
  at::Tensor q = Random({1, 1, 8, 8}), v = Random({1, 1, 8, 8});
  v[0][0][7].fill_(kNaN);
  AttentionOptions options;
  options.kernel = "sdpa";
  AttentionContext ctx;
  ctx.options = &options;
  ctx.causal = true;
  try {
    Attend(q, q, v, ctx);
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), base::ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("'sdpa' cannot run this call"), std::string::npos) << error.what();
  }
}

TEST(DenseDoor, CountsWhatIsVisible) {
  StatsRecorder stats;
  AttentionContext ctx;
  ctx.stats = &stats;
  ctx.causal = true;
  ctx.key_lengths = at::tensor({130, 300}, at::kLong);
  Attend(Random({2, 3, 200, 8}), Random({2, 3, 300, 8}), Random({2, 3, 300, 8}), ctx);
  const CallRecord& call = stats.denoising_calls().front();
  // Query blocks end at keys 228 and 300; row groups at 164, 228, 292, 300. Entry 0 sees 130 keys: 3 blocks.
  EXPECT_EQ(call.visible_blocks, (std::vector<int64_t>(3, 3 + 3 + 4 + 5)));
  EXPECT_EQ(call.kept_blocks, call.visible_blocks);
  EXPECT_EQ(call.pv_tiles, (std::vector<int64_t>(3, 4 * 3 + 3 + 4 + 5 + 5)));
  EXPECT_EQ(call.pv_skipped, (std::vector<int64_t>(3, 0)));
  EXPECT_EQ(stats.sparsity(), 0);
}

}  // namespace
}  // namespace attention
