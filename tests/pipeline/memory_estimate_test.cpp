// The estimate of memory against what renders take.
#include "pipeline/memory_estimate.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "pipeline/memory_available.h"
#include "pipeline/pipeline.h"
#include "tests/support/golden.h"

namespace {

using pipeline::EstimateMemory;
using pipeline::Machine;
using pipeline::MemoryRequest;
using pipeline::ModelInfo;

const std::string kToybox = std::string(SPARGE_SOURCE_DIR) + "/assets/toybox";
constexpr int64_t kMB = 1 << 20;

MemoryRequest Size(int64_t width, int64_t height, int64_t frames) {
  MemoryRequest request;
  request.width_px = width;
  request.height_px = height;
  request.num_frames = frames;
  return request;
}

int64_t Of(const pipeline::MemoryEstimate& estimate, const std::string& stage) {
  for (const pipeline::StageMemory& s : estimate.stages) {
    if (s.stage == stage) return s.host_bytes;
  }
  return 0;
}

int64_t PeakBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
  }
  return 0;
}

// Notes the most that each stage had in memory.
class Peaks : public pipeline::Progress {
 public:
  void Update(pipeline::Stage stage, int64_t, int64_t) override {
    if (stage == stage_) return;
    Close();
    stage_ = stage;
  }
  void Close() {
    int64_t& peak = peaks[pipeline::StageName(stage_)];
    peak = std::max(peak, PeakBytes());
    std::ofstream("/proc/self/clear_refs") << "5";
  }
  std::map<std::string, int64_t> peaks;

 private:
  pipeline::Stage stage_ = pipeline::Stage::kLoadTextEncoder;
};

struct Case {
  std::string dtype;
  int64_t width, height, frames;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.dtype << " " << c.width << "x" << c.height << "x" << c.frames;
}

class Measured : public testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Toybox, Measured,
                         testing::Values(Case{"float32", 64, 64, 9}, Case{"float32", 256, 192, 9},
                                         Case{"bfloat16", 128, 128, 17}, Case{"bfloat16", 256, 256, 9}));

// In a process of its own, as a worker is: the peak is a process's.
TEST_P(Measured, IsNearTheEstimate) {
  const Case c = GetParam();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    // As the program has it (app/main.cpp).
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    pipeline::RuntimeOptions options;
    options.device = "cpu";
    options.dtype = c.dtype;
    const Machine machine = pipeline::LookAtMachine(options);
    const auto pipe = pipeline::Pipeline::Open(kToybox, options);
    pipeline::Request request;
    request.prompt = "a red sphere bouncing on a gray floor";
    request.width_px = c.width;
    request.height_px = c.height;
    request.num_frames = c.frames;
    request.num_steps = 1;
    request.guidance = 4;
    Peaks peaks;
    const pipeline::Denoised denoised = pipe->Denoise(request, peaks);
    pipe->Decode(denoised.latents, peaks);
    peaks.Close();
    const auto estimate = EstimateMemory(pipe->info(), Size(c.width, c.height, c.frames), machine);
    int64_t numbers[6];
    size_t i = 0;
    for (const char* stage : {"encode prompt", "denoise", "decode"}) {
      numbers[i++] = Of(estimate, stage);
      numbers[i++] = peaks.peaks[stage];
    }
    _exit(write(ends[1], numbers, sizeof numbers) == sizeof numbers ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  int64_t numbers[6] = {};
  ASSERT_EQ(read(ends[0], numbers, sizeof numbers), static_cast<ssize_t>(sizeof numbers));
  close(ends[0]);
  close(ends[1]);
  for (int i = 0; i < 3; ++i) {
    const int64_t estimated = numbers[2 * i], measured = numbers[2 * i + 1];
    const int64_t allowed = std::max(measured / 5, 100 * kMB);
    EXPECT_LE(std::abs(estimated - measured), allowed)
        << "stage " << i << ": estimated " << estimated / kMB << " MB, measured " << measured / kMB;
    RecordProperty("estimated_mb_" + std::to_string(i), static_cast<int>(estimated / kMB));
    RecordProperty("measured_mb_" + std::to_string(i), static_cast<int>(measured / kMB));
  }
}

TEST(MemoryEstimate, GrowsWithWhatIsAskedFor) {
  const ModelInfo model = pipeline::Inspect(kToybox);
  Machine machine;
  machine.base_bytes = 100 * kMB;
  const auto bytes = [&](const MemoryRequest& request) { return EstimateMemory(model, request, machine).host_bytes(); };
  const int64_t base = bytes(Size(256, 256, 33));
  EXPECT_GT(base, 500 * kMB);
  EXPECT_GT(bytes(Size(512, 256, 33)), base * 5 / 4);
  EXPECT_GT(bytes(Size(256, 256, 129)), base);
  EXPECT_LT(bytes(Size(128, 128, 33)), base);
  MemoryRequest large = Size(1024, 1024, 33), tiled = large;
  tiled.tiled = true;
  EXPECT_LT(Of(EstimateMemory(model, tiled, machine), "decode"),
            Of(EstimateMemory(model, large, machine), "decode") / 4);
  MemoryRequest small = Size(128, 128, 33);
  small.tiled = true;
  EXPECT_EQ(bytes(small), bytes(Size(128, 128, 33))) << "one tile is the whole picture";
  MemoryRequest lean = Size(256, 256, 33);
  lean.lean = true;
  EXPECT_LT(bytes(lean), base);
  MemoryRequest unguided = Size(256, 256, 33);
  unguided.guided = false;
  EXPECT_LT(Of(EstimateMemory(model, unguided, machine), "denoise"),
            Of(EstimateMemory(model, Size(256, 256, 33), machine), "denoise"));
  Machine half = machine;
  half.element_bytes = 2;
  EXPECT_LT(EstimateMemory(model, Size(256, 256, 33), half).host_bytes(), base);
  MemoryRequest decodes = Size(256, 256, 33);
  decodes.decodes_only = true;
  EXPECT_EQ(Of(EstimateMemory(model, decodes, machine), "denoise"), 0);
}

TEST(MemoryEstimate, OfADeviceIsApart) {
  const ModelInfo model = pipeline::Inspect(kToybox);
  Machine machine;
  machine.cuda = true;
  machine.element_bytes = 2;
  const auto estimate = EstimateMemory(model, Size(512, 512, 33), machine);
  EXPECT_GT(estimate.device_bytes(), 500 * kMB);
  machine.cuda = false;
  EXPECT_EQ(EstimateMemory(model, Size(512, 512, 33), machine).device_bytes(), 0);
}

TEST(MemoryAvailable, IsKnownHere) {
  EXPECT_GT(pipeline::AvailableMemoryBytes(), 0);
  EXPECT_GT(pipeline::ResidentMemoryBytes(), 10 * kMB);
  EXPECT_LE(pipeline::ResidentMemoryBytes(), PeakBytes() + kMB);
}

}  // namespace
