#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "attention/base/error.h"
#include "attention/call.h"
#include "attention/parallel.h"
#include "attention/reference/reference.h"
#include "tests/attention/support.h"

// Every field that is not right is refused with one line that names it, by CheckCall and by whoever runs the call.
namespace attention::test {
namespace {

struct Bad {
  const char* name;
  std::function<void(Call&)> spoil;
  const char* says;
};

const HeadParameters* Heads(float topk, float cdf, float theta, float lambda) {
  static HeadParameters heads[2];
  heads[1] = {topk, cdf, theta, lambda};
  return heads;
}
const int64_t* Lengths(int64_t second) {
  static int64_t lengths[2];
  lengths[0] = 0;
  lengths[1] = second;
  return lengths;
}

constexpr float kNone = HeadParameters::kNone;

const std::vector<Bad>& AllBad() {
  static const std::vector<Bad> all = {
      {"batch", [](Call& c) { c.shape.batch = 0; }, "batch"},
      {"query_heads", [](Call& c) { c.shape.query_heads = -2; }, "heads"},
      {"key_heads", [](Call& c) { c.shape.key_heads = 0; }, "heads"},
      {"uneven_heads", [](Call& c) { c.shape.query_heads = 3, c.shape.key_heads = 2; }, "3"},
      {"more_key_heads", [](Call& c) { c.shape.key_heads = 4; }, "4"},
      {"query_length", [](Call& c) { c.shape.query_length = 0; }, "length"},
      {"key_length", [](Call& c) { c.shape.key_length = 0; }, "length"},
      {"head_dim_0", [](Call& c) { c.shape.head_dim = 0; }, "256"},
      {"head_dim_257", [](Call& c) { c.shape.head_dim = 257; }, "257"},
      {"value_dim_0", [](Call& c) { c.shape.value_dim = 0; }, "256"},
      {"value_dim_257", [](Call& c) { c.shape.value_dim = 257; }, "257"},
      {"no_q", [](Call& c) { c.q.data = nullptr; }, "q"},
      {"no_k", [](Call& c) { c.k.data = nullptr; }, "k"},
      {"no_v", [](Call& c) { c.v.data = nullptr; }, "v"},
      {"no_o", [](Call& c) { c.o.data = nullptr; }, "o"},
      {"scale_nan", [](Call& c) { c.scale = NAN; }, "scale"},
      {"scale_infinite", [](Call& c) { c.scale = -INFINITY; }, "scale"},
      {"length_negative", [](Call& c) { c.key_lengths = Lengths(-1); }, "-1"},
      {"length_beyond", [](Call& c) { c.key_lengths = Lengths(301); }, "301"},
      {"topk_0", [](Call& c) { c.heads = Heads(0, kNone, 0.3f, 0); }, "topk"},
      {"topk_negative", [](Call& c) { c.heads = Heads(-0.5f, kNone, 0.3f, 0); }, "topk"},
      {"topk_beyond", [](Call& c) { c.heads = Heads(1.01f, kNone, 0.3f, 0); }, "topk"},
      {"topk_infinite", [](Call& c) { c.heads = Heads(INFINITY, kNone, 0.3f, 0); }, "topk"},
      {"cdf_0", [](Call& c) { c.heads = Heads(kNone, 0, 0.3f, 0); }, "cdf"},
      {"cdf_beyond", [](Call& c) { c.heads = Heads(0.5f, 1.5f, 0.3f, 0); }, "cdf"},
      {"theta_negative", [](Call& c) { c.heads = Heads(kNone, kNone, -0.1f, 0); }, "theta"},
      {"theta_beyond", [](Call& c) { c.heads = Heads(kNone, kNone, 1.1f, 0); }, "theta"},
      {"theta_nan", [](Call& c) { c.heads = Heads(kNone, kNone, NAN, 0); }, "theta"},
      {"lambda_positive", [](Call& c) { c.heads = Heads(kNone, kNone, 0.3f, 0.5f); }, "lambda"},
      {"lambda_nan", [](Call& c) { c.heads = Heads(kNone, kNone, 0.3f, NAN); }, "lambda"},
      {"keep_keys_reversed",
       [](Call& c) {
         c.keep_keys = {20, 10};
       },
       "keep_keys"},
      {"keep_keys_empty",
       [](Call& c) {
         c.keep_keys = {10, 10};
       },
       "keep_keys"},
      {"keep_keys_beyond",
       [](Call& c) {
         c.keep_keys = {0, 301};
       },
       "keep_keys"},
      {"keep_keys_negative",
       [](Call& c) {
         c.keep_keys = {-1, 10};
       },
       "keep_keys"},
      {"keep_queries_reversed",
       [](Call& c) {
         c.keep_queries = {20, 10};
       },
       "keep_queries"},
      {"keep_queries_empty",
       [](Call& c) {
         c.keep_queries = {200, 200};
       },
       "keep_queries"},
      {"keep_queries_beyond",
       [](Call& c) {
         c.keep_queries = {199, 201};
       },
       "keep_queries"},
      {"selector", [](Call& c) { c.selector = "oracle"; }, "oracle"},
      {"window", [](Call& c) { c.selector = "sliding_window", c.window = -1; }, "window"},
  };
  return all;
}

class CheckTest : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Fields, CheckTest, testing::Range(size_t{0}, AllBad().size()),
                         [](const auto& info) { return std::string(AllBad()[info.param].name); });

void ExpectRefused(const Bad& bad, const std::function<void()>& run) {
  try {
    run();
    ADD_FAILURE() << bad.name << ": no error";
  } catch (const base::Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), base::ErrorCode::kInvalidInput) << message;
    EXPECT_NE(message.find(bad.says), std::string::npos) << bad.name << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_GE(message.size(), 20u) << message;
  }
}

TEST_P(CheckTest, IsRefused) {
  const Bad& bad = AllBad()[GetParam()];
  const Problem problem(Case{.name = "check", .shape = {2, 2, 2, 200, 300, 16, 16}});
  // In every mode, also where the field would not be used.
  for (const Mode mode : {Mode::kDense8, Mode::kSparge, Mode::kSpargeExact}) {
    std::vector<float> o(2 * 2 * 200 * 16, 99);
    Call call = problem.Inputs();
    call.mode = mode;
    call.o = {o.data(), {2 * 200 * 16, 200 * 16, 16, 1}};
    EXPECT_NO_THROW(CheckCall(call));
    bad.spoil(call);
    ExpectRefused(bad, [&] { CheckCall(call); });
    ExpectRefused(bad, [&] { reference::Run(call); });
    ExpectRefused(bad, [&] { RunOnCPU(call, StdThreads(1)); });
    EXPECT_EQ(std::count(o.begin(), o.end(), 99), static_cast<int64_t>(o.size())) << bad.name << ": o was written";
  }
}

TEST(CheckCallTest, TakesTheLimits) {
  const Problem problem(Case{.name = "limits", .shape = {2, 2, 2, 200, 300, 256, 256}});
  std::vector<float> o(problem.q().size());
  Call call = problem.Inputs();
  call.o = {o.data(), {2 * 200 * 256, 200 * 256, 256, 1}};
  call.scale = 0;
  call.key_lengths = Lengths(300);
  call.heads = Heads(1, 1, 1, -1000);
  call.keep_keys = {0, 300};
  call.keep_queries = {199, 200};
  EXPECT_NO_THROW(CheckCall(call));
  call.heads = Heads(1e-6f, 1e-6f, 0, 0);
  EXPECT_NO_THROW(CheckCall(call));
}

}  // namespace
}  // namespace attention::test
