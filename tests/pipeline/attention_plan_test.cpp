// Which settings hold at which step and layer, and what is refused.
#include "pipeline/attention_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "attention/base/error.h"
#include "pipeline/weights/safetensors.h"
#include "tests/support/scratch.h"

namespace {

using pipeline::AttentionChoice;
using pipeline::AttentionPlan;
using pipeline::AttentionSettings;
using pipeline::PlannedAttention;

constexpr pipeline::AttentionShape kShape{4, 3, 2, 300};  // steps, layers, heads, tokens

AttentionChoice Mode(const char* mode) {
  AttentionChoice choice;
  choice.mode = mode;
  return choice;
}
AttentionChoice TopK(double value) {
  AttentionChoice choice;
  choice.topk = value;
  return choice;
}
AttentionChoice CDF(double value) {
  AttentionChoice choice;
  choice.cdf = value;
  return choice;
}
AttentionChoice DenseAs(const char* mode) {
  AttentionChoice choice;
  choice.dense_as = mode;
  return choice;
}

// A profile whose layer 1 says everything, heads apart, and whose layer 2 is dense8.
std::map<int64_t, pipeline::LayerProfile> Profile() {
  pipeline::LayerProfile one, two;
  one.topk = {0.1f, 0.2f};
  one.cdf = {0.9f, NAN};
  one.theta = {0.5f, 0.6f};
  one.lambda = {-1.0f, -2.0f};
  two.mode = "dense8";
  return {{1, one}, {2, two}};
}

// "mode topk cdf theta lambda" at a place; a profile's heads as a/b, what is not given as -.
std::string Said(const PlannedAttention& planned) {
  const auto number = [](double value) {
    std::ostringstream out;
    out << value;
    return std::isnan(value) ? std::string("-") : out.str();
  };
  const auto one = [&](const std::vector<float>& heads, const std::optional<double>& option) {
    if (heads.empty()) return option ? number(*option) : std::string("-");
    return number(heads[0]) + "/" + number(heads[1]);
  };
  const auto& o = planned.options;
  return o.mode + " " + one(planned.topk, o.topk) + " " + one(planned.cdf, o.cdf) + " " + one(planned.theta, o.theta) +
         " " + one(planned.lambda, o.lambda);
}

struct Case {
  const char* name;
  std::function<void(AttentionSettings&)> set;
  int64_t step, layer;
  const char* said;
};

// Levels from the lowest: defaults, profile, choice, dense_steps and dense_layers, rules.
const Case kCases[] = {
    {"Defaults", [](auto&) {}, 0, 0, "sparge - - - -"},
    {"Profile", [](auto& s) { s.profile = Profile(); }, 0, 1, "sparge 0.1/0.2 0.9/- 0.5/0.6 -1/-2"},
    {"ProfileOfAnotherLayer", [](auto& s) { s.profile = Profile(); }, 0, 0, "sparge - - - -"},
    {"ProfileMode", [](auto& s) { s.profile = Profile(); }, 0, 2, "dense8 - - - -"},
    {"ExplicitModeOverProfile",
     [](auto& s) {
       s.profile = Profile();
       s.choice.mode = "sparge_exact";
     },
     0, 2, "sparge_exact - - - -"},
    {"ExplicitTopKDropsTheProfilesPair",
     [](auto& s) {
       s.profile = Profile();
       s.choice.topk = 0.7;
     },
     0, 1, "sparge 0.7 - 0.5/0.6 -1/-2"},
    {"ExplicitCDFDropsTheProfilesPair",
     [](auto& s) {
       s.profile = Profile();
       s.choice.cdf = 0.7;
     },
     0, 1, "sparge - 0.7 0.5/0.6 -1/-2"},
    {"BothExplicitAreTheUnion",
     [](auto& s) {
       s.choice.topk = 0.4;
       s.choice.cdf = 0.8;
     },
     0, 0, "sparge 0.4 0.8 - -"},
    {"ExplicitThetaAndLambda",
     [](auto& s) {
       s.profile = Profile();
       s.choice.theta = 0.0;
       s.choice.lambda = -9.0;
     },
     3, 1, "sparge 0.1/0.2 0.9/- 0 -9"},
    {"DenseStep", [](auto& s) { s.dense_steps = {1}; }, 1, 2, "dense - - - -"},
    {"NotThatStep", [](auto& s) { s.dense_steps = {1}; }, 2, 2, "sparge - - - -"},
    {"DenseLayer",
     [](auto& s) {
       s.dense_layers = {0, 2};
     },
     3, 2, "dense - - - -"},
    {"DenseAs",
     [](auto& s) {
       s.dense_layers = {2};
       s.choice.dense_as = "dense8";
     },
     3, 2, "dense8 - - - -"},
    {"DenseLayerOverExplicitMode",
     [](auto& s) {
       s.dense_layers = {2};
       s.choice.mode = "sparge_exact";
     },
     3, 2, "dense - - - -"},
    {"AJobInModeDenseStaysExact",
     [](auto& s) {
       s.choice = Mode("dense");
       s.choice.dense_as = "dense8";
       s.dense_layers = {0};
     },
     0, 0, "dense - - - -"},
    {"RuleOverDenseSteps",
     [](auto& s) {
       s.dense_steps = {0};
       s.schedule = {{std::nullopt, {{1}}, Mode("sparge_exact")}};
     },
     0, 1, "sparge_exact - - - -"},
    {"RuleElsewhere",
     [](auto& s) {
       s.dense_steps = {0};
       s.schedule = {{std::nullopt, {{1}}, Mode("sparge_exact")}};
     },
     0, 0, "dense - - - -"},
    {"LaterRulesWin",
     [](auto& s) {
       s.schedule = {{{{0, 1}}, std::nullopt, TopK(0.2)}, {{{1}}, std::nullopt, TopK(0.3)}};
     },
     1, 0, "sparge 0.3 - - -"},
    {"EarlierRuleWhereTheLaterIsNot",
     [](auto& s) {
       s.schedule = {{{{0, 1}}, std::nullopt, TopK(0.2)}, {{{1}}, std::nullopt, TopK(0.3)}};
     },
     0, 0, "sparge 0.2 - - -"},
    {"RulesNeedStepAndLayer",
     [](auto& s) {
       s.schedule = {{{{2}}, {{1}}, TopK(0.2)}};
     },
     2, 0, "sparge - - - -"},
    {"ARulesPairReplacesThePairBelow",
     [](auto& s) {
       s.choice.topk = 0.6;
       s.schedule = {{std::nullopt, std::nullopt, CDF(0.9)}};
     },
     0, 0, "sparge - 0.9 - -"},
    {"RulesAddUp",
     [](auto& s) {
       s.schedule = {{{{0}}, std::nullopt, TopK(0.2)}, {std::nullopt, {{0}}, Mode("sparge_exact")}};
     },
     0, 0, "sparge_exact 0.2 - - -"},
    {"ARulesDenseAsHoldsForDenseStepsThere",
     [](auto& s) {
       s.dense_steps = {0};
       s.schedule = {{std::nullopt, {{2}}, DenseAs("dense8")}};
     },
     0, 2, "dense8 - - - -"},
    {"AndNotElsewhere",
     [](auto& s) {
       s.dense_steps = {0};
       s.schedule = {{std::nullopt, {{2}}, DenseAs("dense8")}};
     },
     1, 2, "sparge - - - -"},
};

class Precedence : public testing::TestWithParam<Case> {};

TEST_P(Precedence, Holds) {
  AttentionSettings settings;
  GetParam().set(settings);
  EXPECT_EQ(Said(AttentionPlan(settings, kShape).At(GetParam().step, GetParam().layer)), GetParam().said);
}

INSTANTIATE_TEST_SUITE_P(AttentionPlan, Precedence, testing::ValuesIn(kCases),
                         [](const auto& info) { return info.param.name; });

TEST(AttentionPlan, SaysWhereAModeComesFrom) {
  AttentionSettings settings;
  settings.profile = Profile();
  settings.dense_steps = {0};
  settings.dense_layers = {1};
  settings.schedule = {{{{3}}, {{0}}, Mode("dense8")}};
  const AttentionPlan plan(settings, kShape);
  EXPECT_EQ(plan.At(1, 0).why, "");
  EXPECT_EQ(plan.At(1, 2).why, "as the profile says");
  EXPECT_EQ(plan.At(0, 2).why, "step 0 is one of dense_steps");
  EXPECT_EQ(plan.At(2, 1).why, "layer 1 is one of dense_layers");
  EXPECT_EQ(plan.At(3, 0).why, "attention.schedule, rule 1");
}

TEST(AttentionPlan, KernelAndSinkByRule) {
  AttentionSettings settings;
  AttentionChoice reference;
  reference.kernel = "reference";
  reference.sink = true;
  settings.schedule = {{{{1}}, std::nullopt, reference}};
  const AttentionPlan plan(settings, kShape);
  EXPECT_EQ(plan.At(1, 0).options.kernel, "reference");
  EXPECT_TRUE(plan.At(1, 0).options.sink);
  EXPECT_EQ(plan.At(0, 0).options.kernel, "auto");
  EXPECT_FALSE(plan.At(0, 0).options.sink);
}

std::string ErrorOf(const std::function<void(AttentionSettings&)>& set) {
  AttentionSettings settings;
  set(settings);
  try {
    AttentionPlan(settings, kShape);
  } catch (const base::Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

TEST(AttentionPlan, RefusesInOneLine) {
  EXPECT_EQ(ErrorOf([](auto& s) { s.dense_steps = {4}; }), "attention.dense_steps: 4 is out of range: 0 to 3");
  EXPECT_EQ(ErrorOf([](auto& s) { s.dense_layers = {0, -1}; }), "attention.dense_layers: -1 is out of range: 0 to 2");
  EXPECT_EQ(ErrorOf([](auto& s) {
              s.schedule = {{{{9}}, std::nullopt, TopK(0.5)}};
            }),
            "attention.schedule, rule 1: steps: 9 is out of range: 0 to 3");
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.mode = "spargey"; }).find("there are: dense, dense8, sparge"),
            std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.dense_as = "sparge"; }).find("expected dense or dense8"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.topk = 0.0; }).find("topk is 0, expected more than 0"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.cdf = 1.5; }).find("cdf is 1.5"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.theta = NAN; }).find("theta is nan"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) {
              s.schedule = {{{}, {}, TopK(0.5)}, {{}, {}, TopK(2)}};
            }).find("rule 2: topk is 2"),
            std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.lambda = 1.0; }).find("lambda is 1"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.order = "zigzag"; }).find("expected raster or hilbert"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.kernel = "sdpa"; }).find("cannot do mode sparge"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.choice.kernel = "magic"; }).find("is not in this build"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.profile[3] = {}; }).find("layer 3 is out of range: 0 to 2"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.profile[0].topk = {0.5f}; }).find("topk has 1 values; this model has 2 heads"),
            std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.profile[0].theta = {0.5f, 2.0f}; }).find("layer 0: theta is 2"), std::string::npos);
  EXPECT_NE(ErrorOf([](auto& s) { s.block_maps = "/nowhere.safetensors"; }).find("/nowhere.safetensors"),
            std::string::npos);
}

// ---- Block maps

class BlockMapFile : public testing::Test {
 protected:
  // A file of maps, all ones but for `first` at the start; returns its path.
  std::string Write(const std::vector<std::tuple<std::string, std::vector<int64_t>, uint8_t>>& maps,
                    pipeline::DType dtype = pipeline::DType::kU8) {
    std::vector<pipeline::TensorData> tensors;
    data_.clear();
    data_.reserve(maps.size());
    for (const auto& [key, shape, first] : maps) {
      int64_t numel = 1;
      for (int64_t size : shape) numel *= size;
      data_.emplace_back(static_cast<size_t>(numel) * 4, uint8_t{1});
      data_.back()[0] = first;
      tensors.push_back({key, dtype, shape, data_.back().data()});
    }
    const std::string path = scratch_ / "maps.safetensors";
    pipeline::WriteTensors(path, tensors, {});
    return path;
  }
  std::string Error(const std::string& path) {
    return ErrorOf([&](auto& s) { s.block_maps = path; });
  }
  test::Scratch scratch_;
  std::vector<std::vector<uint8_t>> data_;
};

TEST_F(BlockMapFile, AStepsMapGoesBeforeTheLayers) {
  AttentionSettings settings;
  settings.block_maps = Write({{"l1", {2, 3, 5}, 7}, {"s2_l1", {1, 2, 3, 5}, 8}});  // 300 tokens: 3 x 5 blocks
  const AttentionPlan plan(settings, kShape);
  ASSERT_NE(plan.MapAt(0, 1).data, nullptr);
  EXPECT_EQ(plan.MapAt(0, 1).data[0], 7);
  EXPECT_EQ(plan.MapAt(2, 1).data[0], 8);
  EXPECT_EQ(plan.MapAt(2, 1).query_blocks, 3);
  EXPECT_EQ(plan.MapAt(2, 1).key_blocks, 5);
  EXPECT_EQ(plan.MapAt(2, 0).data, nullptr);
}

TEST_F(BlockMapFile, RefusesInOneLineThatNamesTheKey) {
  for (const char* key : {"map", "l", "l-1", "l01", "s1l1", "s1_l1_cond", "s_l1", "l1 ", "s-1_l1", "s1_l"}) {
    EXPECT_NE(Error(Write({{key, {2, 3, 5}, 1}})).find("'" + std::string(key) + "' is no block map"), std::string::npos)
        << key;
  }
  EXPECT_NE(Error(Write({{"l3", {2, 3, 5}, 1}})).find("layer out of range: 0 to 2"), std::string::npos);
  EXPECT_NE(Error(Write({{"s4_l0", {2, 3, 5}, 1}})).find("step out of range: 0 to 3"), std::string::npos);
  EXPECT_NE(Error(Write({{"l0", {1, 3, 5}, 1}})).find("has 1 heads; this model has 2"), std::string::npos);
  EXPECT_NE(Error(Write({{"l0", {2, 3, 4}, 1}})).find("300 tokens make 3 x 5"), std::string::npos);
  EXPECT_NE(Error(Write({{"l0", {2, 2, 3, 5}, 1}})).find("U8 [2, 2, 3, 5], expected U8"), std::string::npos);
  EXPECT_NE(Error(Write({{"l0", {3, 5}, 1}})).find("expected U8"), std::string::npos);
  EXPECT_NE(Error(Write({{"l0", {2, 3, 5}, 1}}, pipeline::DType::kF32)).find("is F32"), std::string::npos);
  EXPECT_NE(Error(Write({})).find("holds no block map"), std::string::npos);
}

}  // namespace
