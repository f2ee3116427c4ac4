#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/settings/text.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/command_fixture.h"

// The program as a process: signals, disks that are full, model folders that are broken.
namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// ---- Signals
// ---------------------------------------------------------------------------------------------------------

class CommandFailureTest : public CommandTest {};

class SignalTest : public CommandTest, public testing::WithParamInterface<std::tuple<int, const char*>> {};

std::string SignalTestName(const testing::TestParamInfo<std::tuple<int, const char*>>& info) {
  std::string name = strsignal(std::get<0>(info.param)) + std::string("_") + std::get<1>(info.param);
  for (char& c : name) c = isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(AtEachStage, SignalTest,
                         testing::Combine(testing::Values(SIGINT),
                                          testing::Values("load text encoder", "encode prompt", "load transformer",
                                                          "denoise", "load VAE", "decode", "write")),
                         SignalTestName);
INSTANTIATE_TEST_SUITE_P(OtherSignals, SignalTest,
                         testing::Combine(testing::Values(SIGTERM, SIGUSR1), testing::Values("denoise")),
                         SignalTestName);

TEST_P(SignalTest, CancelsAndLeavesOnlyWhatIsWhole) {
  const auto [signal, stage] = GetParam();
  bool sent = false;
  ProcessOptions options;
  const std::string stage_name = stage;
  options.on_line = [&, signal = signal](pid_t pid, const std::string& line) {
    const json event = json::parse(line, nullptr, false);
    if (!sent && event.is_object() && event["event"] == "progress" && event["stage"] == stage_name) {
      kill(pid, signal);
      sent = true;
    }
  };
  const bool denoised = stage_name == "load VAE" || stage_name == "decode" || stage_name == "write";
  // Long enough that it does not end before the signal arrives.
  const ProcessResult result = Run(Job({"--steps", denoised ? "1" : "60", "--frames", "81", "--width", "64", "--height",
                                        "64", "--out", "f/", "--out", "g/", "--progress", "json"}),
                                   options);
  ASSERT_TRUE(sent) << result.err;
  EXPECT_EQ(result.status, 130) << result.err;
  EXPECT_NE(result.err.find("sparge: error: cancelled"), std::string::npos) << result.err;
  std::vector<std::string> names = Names();
  const auto first_clip =
      std::erase_if(names, [](const std::string& name) { return name == "f" || name.starts_with("f/"); });
  EXPECT_TRUE(first_clip == 0 || (stage_name == "write" && first_clip == 82)) << first_clip;  // none or whole
  if (stage_name == "denoise" && !names.empty()) {  // a step was whole before the signal came
    EXPECT_EQ(names, std::vector<std::string>{"f.latents.safetensors"});
    EXPECT_NE(result.err.find(" of 60 is kept: the same command goes on from there"), std::string::npos) << result.err;
  } else {
    EXPECT_EQ(names, denoised ? std::vector<std::string>{"f.latents.safetensors"} : std::vector<std::string>{});
  }
  const json last = json::parse(Split(Trim(result.out), '\n').back());
  EXPECT_EQ(last["event"], "failed");
  EXPECT_EQ(last["status"], "cancelled");
  if (!denoised) return;
  EXPECT_NE(result.err.find("--from-latents"), std::string::npos);
  EXPECT_EQ(pipeline::SafetensorsFile::Open(Path("f.latents.safetensors"))->tensors().at("latents").shape[1], 21);
}

// Stopped at a late step, the same command goes on there; so does --from-latents. The files have the bits of a render
// that was never stopped.
TEST_F(CommandFailureTest, AStoppedRenderGoesOn) {
  const std::vector<std::string> more = {"--steps", "120", "--guidance", "5", "--frames", "17", "--progress", "json"};
  const auto job = [&](const std::string& out) {
    std::vector<std::string> args = Job(more);
    args.insert(args.end(), {"--out", out});
    return args;
  };
  ASSERT_EQ(Run(job("whole.safetensors")).status, 0);
  ProcessOptions options;
  bool sent = false;
  options.on_line = [&](pid_t pid, const std::string& line) {
    const json event = json::parse(line, nullptr, false);
    if (sent || event["event"] != "progress" || event["stage"] != "denoise" || event["step"] < 60) return;
    kill(pid, SIGTERM);
    sent = true;
  };
  for (const char* out : {"a.safetensors", "b.safetensors"}) {
    sent = false;
    EXPECT_EQ(Run(job(out), options).status, 130);
    ASSERT_TRUE(sent);
  }
  const ProcessResult same = Run(job("a.safetensors"));
  EXPECT_EQ(same.status, 0) << same.err;
  EXPECT_NE(same.err.find("note: going on after step "), std::string::npos) << same.err;
  EXPECT_NE(Run({"generate", "--from-latents", "b.latents.safetensors", "--steps", "50", "--out", "c.mp4"})
                .err.find("has no effect on latents that are already made"),
            std::string::npos);
  const ProcessResult from = Run({"generate", "--from-latents", "b.latents.safetensors", "--out", "b.safetensors"});
  EXPECT_EQ(from.status, 0) << from.err;
  const auto whole = pipeline::SafetensorsFile::Open(Path("whole.safetensors"));
  for (const char* name : {"a.safetensors", "b.safetensors"}) {
    const auto file = pipeline::SafetensorsFile::Open(Path(name));
    for (const char* tensor : {"latents", "frames"}) {
      EXPECT_EQ(file->ReadFloat(tensor).data, whole->ReadFloat(tensor).data) << name << " " << tensor;
    }
  }
  EXPECT_EQ(ReadJSON("a.json")["attention"]["steps"].size(), 120u);
  EXPECT_EQ(ReadJSON("b.json")["attention"]["steps"].size(), 120u);
  EXPECT_EQ(Names(), (std::vector<std::string>{"a.json", "a.safetensors", "b.json", "b.safetensors", "whole.json",
                                               "whole.safetensors"}));
}

TEST_F(CommandFailureTest, ASecondSignalLeavesAtOnce) {
  ProcessOptions options;
  int sent = 0;
  options.on_line = [&](pid_t pid, const std::string& line) {
    if (line.find("\"decode\"") == std::string::npos || sent > 0) return;
    for (; sent < 2; ++sent) kill(pid, sent == 0 ? SIGINT : SIGTERM);
  };
  const ProcessResult result = Run(Job({"--steps", "1", "--frames", "81", "--out", "f/", "--progress", "json",
                                        "--keep-latents", "off", "--checkpoint-minutes", "0"}),
                                   options);
  ASSERT_EQ(sent, 2);
  EXPECT_EQ(result.status, 130) << result.err;
  EXPECT_TRUE(Names().empty());
}

// ---- Files and disks that fail
// ---------------------------------------------------------------------------------------

TEST_F(CommandFailureTest, AFileSizeLimitIsAFailedWriteThatLeavesNothing) {
  ProcessOptions options;
  options.max_file_bytes = 20000;
  const ProcessResult result = Run(Job({"--out", "a.safetensors", "--width", "64", "--height", "64"}), options);
  EXPECT_EQ(result.status, 1) << result.err;
  ExpectErrorLines(Split(Trim(result.err), '\n').back());
  const std::vector<std::string> names = Names();
  EXPECT_TRUE(names.empty() || names == std::vector<std::string>{"a.latents.safetensors"}) << names.size();
}

TEST_F(CommandFailureTest, AFullDisk) {
  fs::create_directories(Path("small"));
  if (mount("tmpfs", Path("small").c_str(), "tmpfs", 0, "size=64k") != 0) GTEST_SKIP() << "mounting needs privileges";
  const ProcessResult result = Run(Job({"--out", "small/a.safetensors", "--width", "64", "--height", "64"}));
  const bool empty = fs::is_empty(Path("small")) || fs::exists(Path("small/a.latents.safetensors"));
  umount(Path("small").c_str());
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_NE(result.err.find("No space left"), std::string::npos) << result.err;
  EXPECT_TRUE(empty);
}

TEST_F(CommandFailureTest, HostileModelFolders) {
  const std::string model = CopyModel();
  const auto run = [&] { return Run(Job({"--model", model, "--out", "a.mp4"})); };
  const std::string weights = model + "/transformer/diffusion_pytorch_model.safetensors";
  fs::resize_file(weights, fs::file_size(weights) - 5);
  ProcessResult result = run();
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_NE(result.err.find("transformer/diffusion_pytorch_model.safetensors"), std::string::npos) << result.err;
  fs::remove(weights);
  fs::create_directories(weights);
  result = run();
  EXPECT_EQ(result.status, 2) << result.err;
  fs::remove_all(model + "/transformer");
  result = run();
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_NE(result.err.find("transformer"), std::string::npos) << result.err;
  std::ofstream(model + "/model_index.json") << "{";
  result = run();
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_NE(result.err.find("model_index.json"), std::string::npos) << result.err;
  EXPECT_EQ(Names()[0], "model");  // nothing else
}

TEST_F(CommandFailureTest, ErrorsInSpargeYAMLHavePlaces) {
  const std::string model = CopyModel();
  std::ofstream(model + "/sparge.yaml") << "steps: 3\nguidnace: 2\nwidth: wide\n";
  const ProcessResult result = Run(Job({"--model", model, "--out", "a.mp4"}));
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(
      result.err.find(model + "/sparge.yaml:2:1: unknown key 'guidnace' (did you mean 'guidance'?)\nguidnace: 2\n^\n"),
      std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find(model + "/sparge.yaml:3:8: width: expected"), std::string::npos) << result.err;
}

TEST_F(CommandFailureTest, ModelDefaultsAndVocabulary) {
  const std::string model = CopyModel();
  std::ofstream(model + "/sparge.yaml") << "width: 16\nheight: 16\nframes: 1\nsteps: 1\nvocabulary: [dance]\n";
  const ProcessResult result = Run({"generate", "--model", model, "--prompt", "dance monkey", "--out", "a.png"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.err.find("sparge: note: the model does not know the word 'monkey'"), std::string::npos)
      << result.err;
  EXPECT_EQ(ReadJSON("a.json")["job"]["steps"], 1);
}

TEST_F(CommandFailureTest, AWeightFileThatBreaksWhileItIsRead) {
  const std::string model = CopyModel();
  ProcessOptions options;
  options.on_line = [&](pid_t, const std::string& line) {  // before the VAE is loaded, after it was looked at
    if (line.find("\"denoise\"") != std::string::npos) {
      std::error_code error;
      fs::resize_file(model + "/vae/diffusion_pytorch_model.safetensors", 100, error);
    }
  };
  const ProcessResult result = Run(Job({"--model", model, "--out", "a.mp4", "--progress", "json", "--steps", "30",
                                        "--keep-latents", "off", "--checkpoint-minutes", "0"}),
                                   options);
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_NE(result.err.find("sparge: error: "), std::string::npos);
  EXPECT_NE(result.err.find("vae/diffusion_pytorch_model.safetensors"), std::string::npos) << result.err;
  EXPECT_FALSE(fs::exists(Path("a.mp4")));
  EXPECT_EQ(std::count_if(fs::directory_iterator(folder_), fs::directory_iterator(), [](const auto&) { return true; }),
            1);
}

}  // namespace
}  // namespace app
