#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "attention/attention.h"
#include "attention/base/error.h"
#include "attention/cpu/kernels.h"
#include "attention/torch_threads.h"

// attention::Attend: the modes of the core are its call, and what is wrong is said.
namespace attention {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
const double kNaN = std::nan("");

at::Tensor Random(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return at::randn(sizes, at::TensorOptions().dtype(at::kFloat)).to(dtype);
}

// The call as a program without libtorch would make it.
struct Direct {
  at::Tensor o, lse, map;
  std::vector<HeadCounts> counts;
  RunInfo info;
};
Direct RunDirect(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, Call call, const std::string& kernel) {
  const auto view = [](const at::Tensor& x) {
    return TensorView{x.const_data_ptr(), {x.stride(0), x.stride(1), x.stride(2), x.stride(3)}};
  };
  Direct out;
  call.dtype = q.scalar_type() == at::kFloat ? DType::kFloat32 : DType::kBFloat16;
  call.shape = {q.size(0), q.size(1), k.size(1), q.size(2), k.size(2), q.size(3), v.size(3)};
  call.q = view(q);
  call.k = view(k);
  call.v = view(v);
  const Shape& s = call.shape;
  out.o = at::empty({s.batch, s.query_heads, s.query_length, s.value_dim}, q.options());
  call.o = {out.o.mutable_data_ptr(), {out.o.stride(0), out.o.stride(1), out.o.stride(2), 1}};
  out.lse = at::empty({s.batch, s.query_heads, s.query_length}, at::kFloat);
  out.map = at::empty({s.batch, s.query_heads, s.query_blocks(), s.key_blocks()}, at::kByte);
  out.counts.resize(static_cast<size_t>(s.batch * s.query_heads));
  call.lse = out.lse.mutable_data_ptr<float>();
  call.block_map_used = out.map.mutable_data_ptr<uint8_t>();
  call.counts = out.counts.data();
  out.info = RunOnCPU(call, StdThreads(2), kernel);
  return out;
}

bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         std::memcmp(a.contiguous().const_data_ptr(), b.contiguous().const_data_ptr(), a.nbytes()) == 0;
}

void ExpectSame(const at::Tensor& o, const CallResults& results, const Direct& direct) {
  EXPECT_TRUE(SameBits(o, direct.o));
  EXPECT_TRUE(SameBits(results.lse, direct.lse));
  EXPECT_TRUE(SameBits(results.block_map, direct.map));
  EXPECT_EQ(results.kernel, direct.info.kernel);
  EXPECT_EQ(results.reason, direct.info.reason);
  for (size_t i = 0; i < direct.counts.size(); ++i) {
    EXPECT_EQ(results.visible_blocks.const_data_ptr<int64_t>()[i], direct.counts[i].visible_blocks);
    EXPECT_EQ(results.kept_blocks.const_data_ptr<int64_t>()[i], direct.counts[i].kept_blocks);
    EXPECT_EQ(results.pv_tiles.const_data_ptr<int64_t>()[i], direct.counts[i].pv_tiles);
    EXPECT_EQ(results.pv_skipped.const_data_ptr<int64_t>()[i], direct.counts[i].pv_skipped);
  }
}

struct ModePair {
  const char* name;
  Mode mode;
};
constexpr ModePair kModes[] = {
    {"dense8", Mode::kDense8}, {"sparge", Mode::kSparge}, {"sparge_exact", Mode::kSpargeExact}};

TEST(CoreDoor, IsTheDirectCall) {
  at::manual_seed(6);
  const at::Tensor q = Random({2, 300, 4, 40}, at::kBFloat16).transpose(1, 2);
  const at::Tensor k = Random({2, 2, 420, 40}, at::kBFloat16), v = Random({2, 2, 420, 24}, at::kBFloat16);
  for (const auto& [name, mode] : kModes) {
    SCOPED_TRACE(name);
    AttentionOptions options;
    options.mode = name;
    options.cdf = 0.8;
    options.theta = 0.1;
    options.sink = true;
    options.keep_keys = {100, 130};
    options.keep_queries = {0, 5};
    CallResults results{true, true, true};
    AttentionContext ctx;
    ctx.options = &options;
    ctx.results = &results;
    ctx.scale = 0.2;
    ctx.causal = true;
    ctx.key_lengths = at::tensor({410, 77}, at::kLong);
    ctx.topk = at::tensor({0.2, 1.0, kNaN, 0.5}, at::kFloat);
    ctx.lambda = at::tensor({-1.0, kNaN, 0.0, -3.0}, at::kFloat);
    const at::Tensor o = Attend(q, k, v, ctx);

    Call call;
    call.mode = mode;
    call.scale = 0.2;
    call.causal = true;
    const int64_t lengths[] = {410, 77};
    call.key_lengths = lengths;
    constexpr float kNone = HeadParameters::kNone;
    const HeadParameters heads[] = {
        {0.2f, 0.8f, 0.1f, -1}, {1, 0.8f, 0.1f, -7}, {kNone, 0.8f, 0.1f, 0}, {0.5f, 0.8f, 0.1f, -3}};
    call.heads = heads;
    call.sink = true;
    call.keep_keys = {100, 130};
    call.keep_queries = {0, 5};
    ExpectSame(o, results, RunDirect(q, k, v, call, "auto"));
    // o lies as q does, so that joining the heads costs nothing.
    EXPECT_TRUE(o.transpose(1, 2).is_contiguous());
  }
}

TEST(CoreDoor, ACallersMapReplacesTheChoice) {
  at::manual_seed(7);
  const at::Tensor q = Random({1, 2, 200, 16}), k = Random({1, 2, 200, 16}), v = Random({1, 2, 200, 16});
  AttentionOptions options;
  options.mode = "sparge";
  CallResults results{true, true, true};
  AttentionContext ctx;
  ctx.options = &options;
  ctx.results = &results;
  ctx.block_map = at::randint(0, 3, {1, 2, 2, 4}, at::kByte);
  const at::Tensor o = Attend(q, k, v, ctx);
  EXPECT_TRUE(results.block_map.ne(0).eq(ctx.block_map.ne(0)).all().item<bool>());
  Call call;
  call.mode = Mode::kSparge;
  call.scale = 0.25;
  call.block_map = ctx.block_map.const_data_ptr<uint8_t>();
  ExpectSame(o, results, RunDirect(q, k, v, call, "auto"));
}

// The default top-k holds where neither top-k nor cdf is given for the head, at any level.
TEST(CoreDoor, LevelsOfParameters) {
  at::manual_seed(8);
  const at::Tensor q = Random({1, 3, 128, 16}), k = Random({1, 3, 640, 16}), v = Random({1, 3, 640, 16});
  AttentionOptions options;
  options.mode = "sparge_exact";
  options.theta = 0;
  CallResults results;
  results.want_counts = true;
  AttentionContext ctx;
  ctx.options = &options;
  ctx.results = &results;
  const auto kept = [&] {
    Attend(q, k, v, ctx);
    const int64_t* values = results.kept_blocks.const_data_ptr<int64_t>();
    return std::vector<int64_t>(values, values + 3);
  };
  EXPECT_EQ(kept(), (std::vector<int64_t>{5, 5, 5}));
  options.topk = 0.3;
  EXPECT_EQ(kept(), (std::vector<int64_t>{3, 3, 3}));
  ctx.topk = at::tensor({0.7, 0.1, kNaN}, at::kFloat);
  EXPECT_EQ(kept(), (std::vector<int64_t>{7, 1, 3}));
  options.topk.reset();
  EXPECT_EQ(kept(), (std::vector<int64_t>{7, 1, 5}));
  ctx.cdf = at::tensor({kNaN, kNaN, 1.0}, at::kFloat);
  EXPECT_EQ(kept(), (std::vector<int64_t>{7, 1, 10}));
}

TEST(CoreDoor, StatisticsAreSummedOverTheBatch) {
  at::manual_seed(9);
  StatsRecorder stats;
  AttentionOptions options;
  options.mode = "sparge";
  CallResults results{false, false, true};
  AttentionContext ctx;
  ctx.options = &options;
  ctx.results = &results;
  ctx.stats = &stats;
  ctx.layer = 4;
  Attend(Random({2, 2, 300, 32}), Random({2, 1, 500, 32}), Random({2, 1, 500, 32}), ctx);
  const CallRecord& call = stats.denoising_calls().front();
  EXPECT_EQ(call.layer, 4);
  EXPECT_EQ(call.kernel, results.kernel);
  EXPECT_EQ(call.visible_blocks, (std::vector<int64_t>(2, 2 * 3 * 8)));
  for (int64_t h = 0; h < 2; ++h) {
    EXPECT_EQ(call.kept_blocks[static_cast<size_t>(h)], results.kept_blocks.select(1, h).sum().item<int64_t>());
    EXPECT_EQ(call.pv_tiles[static_cast<size_t>(h)], results.pv_tiles.select(1, h).sum().item<int64_t>());
  }
  EXPECT_GT(call.seconds, 0);
  EXPECT_GT(call.predict_seconds, 0);
  EXPECT_LT(call.predict_seconds, call.seconds);
}

TEST(CoreDoor, TheSameBitsForAnyNumberOfThreads) {
  at::manual_seed(10);
  const at::Tensor q = Random({1, 3, 700, 64}), k = Random({1, 3, 700, 64}), v = Random({1, 3, 700, 64});
  const int before = at::get_num_threads();
  for (const auto& [name, mode] : kModes) {
    AttentionOptions options;
    options.mode = name;
    AttentionContext ctx;
    ctx.options = &options;
    at::Tensor first;
    for (const int threads : {1, 2, 16}) {
      at::set_num_threads(threads);
      CallResults results{true, false, false};
      ctx.results = &results;
      const at::Tensor o = Attend(q, k, v, ctx), both = at::cat({o, results.lse.unsqueeze(3)}, 3);
      if (!first.defined()) first = both;
      EXPECT_TRUE(SameBits(first, both)) << name << " " << threads;
    }
  }
  at::set_num_threads(before);
}

std::string ErrorOf(const std::function<void()>& body, base::ErrorCode code) {
  try {
    body();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(Door, ChecksEveryFieldInEveryMode) {
  const at::Tensor q = at::zeros({2, 4, 130, 8}), k = at::zeros({2, 2, 65, 8}), v = at::zeros({2, 2, 65, 8});
  using Change = std::function<void(AttentionOptions&, AttentionContext&)>;
  struct Case {
    Change change;
    const char* says;
  };
  const Case cases[] = {
      {[](auto& o, auto&) { o.topk = 0; }, "topk"},
      {[](auto& o, auto&) { o.topk = 1e-60; }, "topk"},
      {[](auto& o, auto&) { o.topk = 1.0000001; }, "topk"},
      {[](auto& o, auto&) { o.topk = kNaN; }, "topk"},
      {[](auto& o, auto&) { o.cdf = -0.5; }, "cdf"},
      {[](auto& o, auto&) { o.theta = 1.5; }, "theta"},
      {[](auto& o, auto&) { o.lambda = 1; }, "lambda"},
      {[](auto& o, auto&) { o.lambda = -kInf; }, "lambda"},
      {[](auto& o, auto&) { o.lambda = -1e200; }, "lambda"},
      {[](auto& o, auto&) { o.window = -1; }, "window"},
      {[](auto& o, auto&) { o.selector = "best"; }, "there are: spargeattn, sliding_window"},
      {[](auto& o, auto&) {
         o.keep_keys = {5, 5};
       },
       "keep_keys"},
      {[](auto& o, auto&) {
         o.keep_keys = {0, 66};
       },
       "keep_keys"},
      {[](auto& o, auto&) {
         o.keep_queries = {9, 3};
       },
       "keep_queries"},
      {[](auto&, auto& c) { c.scale = kInf; }, "scale"},
      {[](auto&, auto& c) {
         c.key_lengths = at::tensor({1, 66}, at::kLong);
       },
       "key length 66"},
      {[](auto&, auto& c) {
         c.key_lengths = at::tensor({-1, 3}, at::kLong);
       },
       "key length -1"},
      {[](auto&, auto& c) {
         c.key_lengths = at::tensor({1, 2}, at::kInt);
       },
       "key_lengths is Int"},
      {[](auto&, auto& c) { c.key_lengths = at::tensor({1}, at::kLong); }, "key_lengths is Long [1]"},
      {[](auto&, auto& c) {
         c.block_map = at::zeros({2, 4, 2, 1}, at::kByte);
       },
       "block_map is Byte [2, 4, 2, 1]"},
      {[](auto&, auto& c) {
         c.block_map = at::zeros({2, 4, 2, 2}, at::kBool);
       },
       "block_map is Bool"},
      {[](auto&, auto& c) { c.topk = at::zeros({4}); }, "topk 0 of head 0"},
      {[](auto&, auto& c) { c.topk = at::ones({2}); }, "topk is Float [2]"},
      {[](auto&, auto& c) { c.cdf = at::full({4}, kInf); }, "cdf inf"},
      {[](auto&, auto& c) { c.theta = at::full({4}, -0.1); }, "theta -0.1"},
      {[](auto&, auto& c) { c.lambda = at::full({4}, -kInf); }, "lambda -inf"},
      {[](auto&, auto& c) { c.lambda = at::zeros({4}, at::kDouble); }, "lambda is Double"},
  };
  for (const std::string& mode : Modes()) {
    for (const Case& bad : cases) {
      SCOPED_TRACE(mode + ": " + bad.says);
      AttentionOptions options;
      options.mode = mode;
      AttentionContext ctx;
      ctx.options = &options;
      bad.change(options, ctx);
      const std::string message = ErrorOf([&] { Attend(q, k, v, ctx); }, base::ErrorCode::kInvalidInput);
      EXPECT_NE(message.find(bad.says), std::string::npos) << message;
    }
  }
}

TEST(Door, ChecksTensors) {
  const at::Tensor x = at::zeros({1, 2, 8, 16});
  const auto refused = [](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const std::string& mode) {
    AttentionOptions options;
    options.mode = mode;
    AttentionContext ctx;
    ctx.options = &options;
    return ErrorOf([&] { Attend(q, k, v, ctx); }, base::ErrorCode::kInvalidInput);
  };
  for (const std::string& mode : Modes()) {
    refused(x[0], x, x, mode);
    refused(x, x, x.to(at::kHalf), mode);
    refused(x.to(at::kInt), x.to(at::kInt), x.to(at::kInt), mode);
    refused(x, at::zeros({1, 3, 8, 16}), at::zeros({1, 3, 8, 16}), mode);
    refused(x, at::zeros({1, 2, 8, 15}), x, mode);
    refused(x, x, at::zeros({1, 2, 9, 16}), mode);
    refused(x, at::zeros({1, 2, 0, 16}), at::zeros({1, 2, 0, 16}), mode);
    refused(x, x, at::zeros({1, 2, 8, 0}), mode);
  }
  const at::Tensor wide = at::zeros({1, 1, 4, 257});
  EXPECT_NE(refused(wide, wide, wide, "sparge").find("257"), std::string::npos);
  AttentionContext ctx;
  EXPECT_EQ(Attend(wide, wide, wide, ctx).size(3), 257);
}

TEST(Door, ModesAndKernels) {
  const at::Tensor x = at::zeros({1, 1, 8, 16});
  const auto refused = [&](const std::string& mode, const std::string& kernel, const at::Tensor& q) {
    AttentionOptions options;
    options.mode = mode;
    options.kernel = kernel;
    AttentionContext ctx;
    ctx.options = &options;
    return ErrorOf([&] { Attend(q, q, q, ctx); }, base::ErrorCode::kUnsupported);
  };
  EXPECT_NE(refused("fast", "auto", x).find("there are: dense, dense8, sparge, sparge_exact"), std::string::npos);
  EXPECT_NE(refused("sparge", "magic", x).find("is not in this build; there are: auto, "), std::string::npos);
  EXPECT_NE(refused("sparge", "sdpa", x).find("cannot do mode sparge; there are: auto, "), std::string::npos);
  EXPECT_NE(refused("dense", "reference", x).find("cannot do mode dense; there are: auto, sdpa"), std::string::npos);
  refused("dense8", "auto", x.to(at::kDouble));
  EXPECT_NE(refused("sparge", "auto", at::zeros({1, 1, 8, 16}, at::TensorOptions().device(at::kMeta)))
                .find("cannot run on meta: there are no kernels for meta"),
            std::string::npos);
  for (const std::string& kernel : CPUKernelNames()) {
    const bool runs = WhyNot(kernel, DetectCPUFeatures()).empty();
    for (const auto& [mode, unused] : kModes) {
      if (!runs) {
        EXPECT_NE(refused(mode, kernel, x).find(kernel), std::string::npos);
        continue;
      }
      AttentionOptions options;
      options.mode = mode;
      options.kernel = kernel;
      CallResults results;
      AttentionContext ctx;
      ctx.options = &options;
      ctx.results = &results;
      Attend(x, x, x, ctx);
      EXPECT_EQ(results.kernel, kernel);
    }
  }
  AttentionOptions options;
  options.mode = "dense8";
  AttentionContext ctx;
  ctx.options = &options;
  ctx.bias = at::zeros({8, 8});
  EXPECT_NE(ErrorOf([&] { Attend(x, x, x, ctx); }, base::ErrorCode::kInvalidInput).find("bias"), std::string::npos);
  options.mode = "dense";
  ctx.bias = at::zeros({8, 7});
  EXPECT_NE(ErrorOf([&] { Attend(x, x, x, ctx); }, base::ErrorCode::kInvalidInput).find("bias is Float [8, 7]"),
            std::string::npos);
}

TEST(TorchThreads, CallsEveryWorkerOnce) {
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 5}) {
    at::set_num_threads(threads);
    const TorchThreads pool;
    ASSERT_EQ(pool.num_threads(), threads);
    std::vector<std::atomic<int>> calls(static_cast<size_t>(threads));
    pool.OnEach([&](int worker) { ++calls[static_cast<size_t>(worker)]; });
    for (const auto& count : calls) EXPECT_EQ(count, 1);
    EXPECT_THROW(pool.OnEach([&](int worker) {
      if (worker == threads - 1) base::Fail(base::ErrorCode::kOutOfMemory, "no memory");
    }),
                 base::Error);
  }
  // At the same time, in threads of one pool: each waits until all have come.
  at::set_num_threads(2);
  std::atomic<int> arrived{0};
  TorchThreads().OnEach([&](int) {
    ++arrived;
    for (int i = 0; i < 100'000'000 && arrived < 2; ++i) {
    }
    EXPECT_EQ(arrived, 2);
    EXPECT_EQ(TorchThreads().num_threads(), 1);
  });
  at::set_num_threads(before);
}

}  // namespace
}  // namespace attention
