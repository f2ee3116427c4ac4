// A render that stops after some steps and goes on later has the bits of one that never stopped.
#include <gtest/gtest.h>

#include <optional>

#include "attention/base/error.h"
#include "pipeline/pipeline.h"
#include "tests/support/golden.h"

namespace {

using pipeline::DenoiseState;
using pipeline::HostTensor;

std::unique_ptr<pipeline::Pipeline> Open(const std::string& folder, const std::string& dtype) {
  pipeline::RuntimeOptions options;
  options.device = "cpu";
  options.dtype = dtype;
  return pipeline::Pipeline::Open(folder, options);
}

// Takes the state after every step, and cancels within a step.
class Keeper : public pipeline::DenoiseControl, public pipeline::Progress {
 public:
  std::optional<pipeline::AttentionSettings> BeforeStep(int64_t step, const TakeState& state) override {
    if (step > 0) states.push_back(state());
    if (step == cancel_within) Cancel();
    return step == change_at ? changed : std::nullopt;
  }
  void Cancelled(const TakeState& state) override { at_cancel = state(); }
  void Update(pipeline::Stage, int64_t, int64_t) override {}

  int64_t cancel_within = -1, change_at = -1;
  std::optional<pipeline::AttentionSettings> changed;
  std::vector<DenoiseState> states;
  std::optional<DenoiseState> at_cancel;
};

struct Case {
  std::string model, scheduler, mode, dtype;
  double guidance;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.model << " " << c.scheduler << " " << c.mode << " " << c.dtype << " " << c.guidance;
}

class Checkpoint : public testing::TestWithParam<Case> {
 protected:
  static std::string Folder() {
    return GetParam().model == "toybox" ? std::string(SPARGE_SOURCE_DIR) + "/assets/toybox"
                                        : test::OpenGoldenPipeline(GetParam().model).folder;
  }
  static pipeline::Request Request() {
    pipeline::Request request;
    request.prompt = "a red sphere bouncing on a gray floor";
    request.negative_prompt = "dark";
    const bool toybox = GetParam().model == "toybox";  // which is slower, and has more to skip at one size
    request.width_px = request.height_px = toybox ? 48 : 64;
    request.num_frames = toybox ? 5 : 17;
    request.num_steps = 5;
    request.max_sequence_length = 32;
    request.guidance = GetParam().guidance;
    request.seed = 7;
    request.scheduler = GetParam().scheduler;
    request.attention.choice.mode = GetParam().mode;
    request.attention.choice.topk = 0.5;
    return request;
  }
};

INSTANTIATE_TEST_SUITE_P(Renders, Checkpoint,
                         testing::Values(Case{"toybox", "unipc", "sparge", "float32", 4.0},
                                         Case{"toybox", "euler", "sparge", "bfloat16", 1.0},
                                         Case{"unipc_deep", "unipc", "dense", "float32", 5.0},
                                         Case{"unipc_deep", "unipc", "sparge", "bfloat16", 5.0},
                                         Case{"unipc_bh1_half", "unipc", "dense8", "float32", 1.0},
                                         Case{"euler_tiny", "euler", "sparge", "float32", 5.0},
                                         Case{"euler_tiny", "euler", "dense", "bfloat16", 3.0}));

TEST_P(Checkpoint, GoingOnGivesTheBitsOfNeverStopping) {
  const auto whole_pipe = Open(Folder(), GetParam().dtype);
  Keeper keeper;
  pipeline::Request request = Request();
  request.control = &keeper;
  const pipeline::Denoised whole = whole_pipe->Denoise(request, keeper);
  ASSERT_EQ(keeper.states.size(), 4u);
  EXPECT_FALSE(keeper.at_cancel);
  const auto calls = whole_pipe->attention_stats().calls_by_kernel();
  const double sparsity = whole_pipe->attention_stats().sparsity();
  for (const DenoiseState& start : keeper.states) {
    SCOPED_TRACE(start.step);
    const auto pipe = Open(Folder(), GetParam().dtype);  // as another process would
    pipe->StartRender(start.seconds, start.attention);
    pipeline::Request rest = Request();
    rest.start = &start;
    pipeline::NoProgress progress;
    const pipeline::Denoised result = pipe->Denoise(rest, progress);
    EXPECT_EQ(result.latents.data, whole.latents.data);
    EXPECT_EQ(result.sigmas, whole.sigmas);
    EXPECT_EQ(result.notices, whole.notices);
    EXPECT_EQ(pipe->attention_stats().calls_by_kernel(), calls);
    EXPECT_EQ(pipe->attention_stats().sparsity(), sparsity);
    EXPECT_EQ(pipe->seconds().steps.size(), 5u);
  }
}

TEST_P(Checkpoint, ACancelledStepIsDoneAgain) {
  const auto pipe = Open(Folder(), GetParam().dtype);
  pipeline::NoProgress quiet;
  const pipeline::Denoised whole = pipe->Denoise(Request(), quiet);
  Keeper keeper;
  keeper.cancel_within = 3;
  pipeline::Request request = Request();
  request.control = &keeper;
  EXPECT_THROW(pipe->Denoise(request, keeper), base::Error);
  ASSERT_TRUE(keeper.at_cancel);
  EXPECT_EQ(keeper.at_cancel->step, 3);
  pipeline::Request rest = Request();
  rest.start = &*keeper.at_cancel;
  EXPECT_EQ(pipe->Denoise(rest, quiet).latents.data, whole.latents.data);
}

// Attention that changes on the way is a rule of the schedule from that step on.
TEST(LiveAttention, IsARuleFromThatStepOn) {
  const auto pipe = Open(std::string(SPARGE_SOURCE_DIR) + "/assets/toybox", "float32");
  pipeline::Request request;
  request.prompt = "a blue cube spinning on a green floor";
  request.width_px = request.height_px = 64;
  request.num_frames = 9;
  request.num_steps = 4;
  request.max_sequence_length = 32;
  request.guidance = 1;
  request.attention.choice.topk = 0.9;
  Keeper keeper;
  keeper.change_at = 2;
  keeper.changed = request.attention;
  pipeline::AttentionRule rule;
  rule.steps = std::vector<int64_t>{2, 3};
  rule.choice.topk = 0.2;
  keeper.changed->schedule.push_back(rule);
  pipeline::NoProgress quiet;
  const HostTensor plain = pipe->Denoise(request, quiet).latents;
  request.control = &keeper;
  const HostTensor live = pipe->Denoise(request, keeper).latents;
  request.control = nullptr;
  request.attention = *keeper.changed;
  EXPECT_EQ(pipe->Denoise(request, quiet).latents.data, live.data);
  EXPECT_NE(plain.data, live.data);
}

TEST(CheckpointState, OfAnotherRenderIsRefused) {
  const auto pipe = Open(test::OpenGoldenPipeline("unipc_deep").folder, "float32");
  pipeline::Request request = test::RequestOf(test::OpenGoldenPipeline("unipc_deep").json["requests"][0]);
  request.num_steps = 4;
  Keeper keeper;
  request.control = &keeper;
  pipe->Denoise(request, keeper);
  request.control = nullptr;
  const auto refused = [&](auto change) {
    DenoiseState state = keeper.states.at(1);
    change(state);
    request.start = &state;
    pipeline::NoProgress quiet;
    try {
      pipe->Denoise(request, quiet);
    } catch (const base::Error& error) {
      EXPECT_EQ(error.code(), base::ErrorCode::kInvalidInput);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused([](DenoiseState&) {}), "");
  EXPECT_NE(refused([](DenoiseState& s) { s.step = 4; }).find("after 4 steps is none for a render of 4"),
            std::string::npos);
  EXPECT_NE(refused([](DenoiseState& s) { s.step = 0; }), "");
  EXPECT_NE(refused([](DenoiseState& s) { s.step = 1; }).find("has 3 tensors, not the 2"), std::string::npos);
  EXPECT_NE(refused([](DenoiseState& s) { s.scheduler = "euler"; }).find("scheduler 'euler'"), std::string::npos);
  EXPECT_NE(refused([](DenoiseState& s) { s.latents.values.shape[1] += 1; }), "");
  EXPECT_NE(refused([](DenoiseState& s) { s.latents.dtype = "float8"; }).find("float8"), std::string::npos);
  EXPECT_NE(refused([](DenoiseState& s) { s.sampler.at("x0_0").values.data[3] = NAN; }).find("NaN"), std::string::npos);
  EXPECT_NE(refused([](DenoiseState& s) { s.sampler.erase("last_sample"); }), "");
}

}  // namespace
