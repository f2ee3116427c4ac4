#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/settings/table.h"
#include "app/settings/text.h"
#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"
#include "tests/app/command_fixture.h"

// The program as a process.
namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST_F(CommandTest, VersionAndHelp) {
  const ProcessResult version = Run({"--version"});
  EXPECT_EQ(version.status, 0);
  for (const char* part : {"sparge ", "libtorch ", "CUDA ", "FFmpeg", "kernels ", "CPU "}) {
    EXPECT_NE(version.out.find(part), std::string::npos) << part;
  }
  const ProcessResult help = Run({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* command : {"generate", "render", "compare", "report", "attend", "bench", "gui", "worker", "info"}) {
    EXPECT_NE(help.out.find(std::string("sparge ") + command), std::string::npos) << command;
  }
  const ProcessResult generate = Run({"generate", "--help"});
  EXPECT_EQ(generate.status, 0);
  for (const Setting& setting : Settings()) {
    EXPECT_NE(generate.out.find("\n  " + FlagName(setting) + " "), std::string::npos) << setting.key;
  }
  EXPECT_EQ(Run({}).status, 2);
}

TEST_F(CommandTest, UnknownCommands) {
  const ProcessResult typo = Run({"genrate"});
  EXPECT_EQ(typo.status, 2);
  EXPECT_EQ(typo.err, "sparge: error: unknown command 'genrate' (did you mean 'generate'?); see sparge --help\n");
}

TEST_F(CommandTest, BadInputIsSaidAllAtOnceAndNothingIsMade) {
  const ProcessResult result = Run(Job({"--stpes", "3", "--width", "33", "--frames", "6", "--codec", "h266", "--out",
                                        "a.xyz", "--dense-layers", "5", "extra"}));
  EXPECT_EQ(result.status, 2);
  ExpectErrorLines(result.err);
  for (const char* part : {"'--stpes'", "width: 32 px, not 33", "frames: 5 frames, not 6", "h266", "a.xyz",
                           "attention.dense_layers: 5 is out of range: -2 to 1", "unexpected argument 'extra'"}) {
    EXPECT_NE(result.err.find(part), std::string::npos) << part << " in\n" << result.err;
  }
  EXPECT_TRUE(Names().empty());
  EXPECT_EQ(result.out, "");
}

TEST_F(CommandTest, WithoutModelOrPrompt) {
  EXPECT_NE(Run({"generate", "--prompt", "x"}).err.find("no model"), std::string::npos);
  EXPECT_NE(Run({"generate", "--model", kModel}).err.find("no prompt"), std::string::npos);
  EXPECT_NE(Run({"generate", "--model", "no_such", "--prompt", "x"}).err.find("no folder 'no_such'"),
            std::string::npos);
}

TEST_F(CommandTest, OneRenderEveryOutput) {
  const ProcessResult result = Run(Job({"--out", "x/a.mp4", "--out", "x/a.webm", "--out", "x/a.gif", "--out",
                                        "x/f_%04d.png", "--out", "x/a.safetensors"}));
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Names(),
            (std::vector<std::string>{"x", "x/a.gif", "x/a.json", "x/a.mp4", "x/a.safetensors", "x/a.webm",
                                      "x/f_0000.png", "x/f_0001.png", "x/f_0002.png", "x/f_0003.png", "x/f_0004.png"}));
  EXPECT_EQ(result.out, "");
  const json sidecar = ReadJSON("x/a.json");
  EXPECT_EQ(sidecar["job"]["prompt"], "dance monkey");
  EXPECT_EQ(sidecar["program"]["device"], "cpu");
  EXPECT_EQ(sidecar["attention"]["steps"].size(), 2u);
  EXPECT_FALSE(sidecar["attention"]["kernels"].empty());
  const json info = json::parse(Run({"info", "x/a.mp4", "--json"}).out);
  EXPECT_EQ(info["frames"], 5);
  EXPECT_EQ(info["width"], 32);
  EXPECT_EQ(info["record"]["hash"], sidecar["hash"]);
  EXPECT_EQ(info["statistics"]["timings_s"], sidecar["timings_s"]);
  const auto tensors = pipeline::SafetensorsFile::Open(Path("x/a.safetensors"));
  EXPECT_EQ(tensors->tensors().at("frames").shape, (std::vector<int64_t>{5, 16, 32, 3}));
  EXPECT_EQ(json::parse(tensors->metadata().at("sparge"))["hash"], sidecar["hash"]);
}

// Attention settings end to end: what is asked for runs, and stands in the sidecar.
TEST_F(CommandTest, AttentionSettings) {
  ASSERT_EQ(Run(Job({"--out", "d.safetensors", "--attention", "dense8", "--width", "128", "--height", "128"})).status,
            0);
  const ProcessResult all = Run(Job(
      {"--out", "a.safetensors", "--topk", "1", "--theta", "0", "--lambda", "0", "--width", "128", "--height", "128"}));
  ASSERT_EQ(all.status, 0) << all.err;
  EXPECT_NE(all.err.find("sparge: note: the model is untuned"), std::string::npos) << all.err;
  const auto latents = [&](const char* name) {
    return pipeline::SafetensorsFile::Open(Path(name))->ReadFloat("latents").data;
  };
  EXPECT_EQ(latents("a.safetensors"), latents("d.safetensors"));  // nothing skipped: dense8

  std::ofstream(Path("p.yaml")) << "version: 1\n"
                                   "model: {class: WanTransformer3DModel, layers: 2, heads: 2, head_dim: 12}\n"
                                   "layers: {1: {topk: [0.3, 0.6]}}\n";
  const ProcessResult tuned =
      Run(Job({"--out", "b.safetensors", "--profile", "p.yaml", "--theta", "0", "--width", "128", "--height", "128",
               "--schedule", "[{steps: 1, layers: 0, mode: dense8}]"}));
  ASSERT_EQ(tuned.status, 0) << tuned.err;
  EXPECT_EQ(tuned.err.find("untuned"), std::string::npos);
  const json sidecar = ReadJSON("b.json");
  EXPECT_EQ(sidecar["job"]["attention.schedule"], json::parse(R"([{"steps": "1", "layers": "0", "mode": "dense8"}])"));
  EXPECT_EQ(sidecar["job"]["attention.profile"], Path("p.yaml"));
  for (const json& step : sidecar["attention"]["steps"]) {
    for (const json& call : step["layers"]) {  // 128 tokens: one row of two key blocks
      const bool all_kept = call["layer"] == 0 && step["step"] == 1;
      const json expected = all_kept ? json{2, 2} : call["layer"] == 0 ? json{1, 1} : json{1, 2};
      EXPECT_EQ(call["kept_blocks"], expected) << step["step"] << " " << call["layer"];
      EXPECT_EQ(call["visible_blocks"], (json{2, 2}));
    }
  }
  const ProcessResult wrong =
      Run(Job({"--out", "c.mp4", "--schedule", "[{stps: 1, topk: 0.5}]", "--attention", "spagre"}));
  EXPECT_EQ(wrong.status, 2);
  ExpectErrorLines(wrong.err);
  EXPECT_NE(wrong.err.find("--schedule: rule 1: unknown key 'stps' (did you mean 'steps'?)"), std::string::npos);
  EXPECT_NE(wrong.err.find("--attention: 'spagre' is not one of"), std::string::npos) << wrong.err;
}

// The first request of the golden, as diffusers rendered it.
TEST_F(CommandTest, EqualsDiffusers) {
  std::ifstream in(kModel + "/golden.json");
  const json request = json::parse(in)["requests"][0];
  const auto text = [&](const char* key) {
    return request[key].is_string() ? request[key].get<std::string>() : request[key].dump();
  };
  const ProcessResult result = Run({"generate",
                                    "--model",
                                    kModel,
                                    "--prompt",
                                    text("prompt"),
                                    "--negative-prompt",
                                    text("negative_prompt"),
                                    "--width",
                                    text("width"),
                                    "--height",
                                    text("height"),
                                    "--frames",
                                    text("frames"),
                                    "--steps",
                                    text("steps"),
                                    "--guidance",
                                    text("guidance"),
                                    "--seed",
                                    text("seed"),
                                    "--max-sequence-length",
                                    text("length"),
                                    "--dtype",
                                    "float32",
                                    "--device",
                                    "cpu",
                                    "--attention",
                                    "dense",
                                    "--out",
                                    "a.safetensors"});
  ASSERT_EQ(result.status, 0) << result.err;
  const auto ours = pipeline::SafetensorsFile::Open(Path("a.safetensors"));
  const auto golden = pipeline::SafetensorsFile::Open(kModel + "/golden.safetensors");
  for (const char* name : {"latents", "frames"}) {
    const auto a = ours->ReadFloat(name), b = golden->ReadFloat(std::string("r0.") + name);
    ASSERT_EQ(a.shape, b.shape);
    double mean = 0, square = 0, worst = 0;
    for (size_t i = 0; i < a.data.size(); ++i) {
      mean += b.data[i];
      square += static_cast<double>(b.data[i]) * b.data[i];
      worst = std::max(worst, std::fabs(static_cast<double>(a.data[i]) - b.data[i]));
    }
    mean /= static_cast<double>(a.data.size());
    const double deviation = std::sqrt(square / static_cast<double>(a.data.size()) - mean * mean);
    EXPECT_LE(worst, name == std::string("latents") ? 1e-4 * deviation : 1e-4) << name;
  }
}

TEST_F(CommandTest, TheSameJobGivesTheSameBytes) {
  for (const char* folder : {"a", "b"}) {
    ProcessOptions options;
    options.folder = Path(folder);
    fs::create_directories(options.folder);
    ASSERT_EQ(Run(Job({"--out", "c.mp4", "--out", "c.png", "--frames", "1"}), options).status, 0);
  }
  for (const char* name : {"c.mp4", "c.png"}) {
    std::ifstream a(Path(std::string("a/") + name), std::ios::binary),
        b(Path(std::string("b/") + name), std::ios::binary);
    const std::string first{std::istreambuf_iterator<char>(a), {}}, second{std::istreambuf_iterator<char>(b), {}};
    EXPECT_GT(first.size(), 100u);
    EXPECT_TRUE(first == second) << name;
  }
  EXPECT_EQ(ReadJSON("a/c.json")["hash"], ReadJSON("b/c.json")["hash"]);
}

TEST_F(CommandTest, DefaultNameAndPlaceholders) {
  ASSERT_EQ(Run(Job({"--seed", "7"})).status, 0);
  ASSERT_EQ(Run(Job({"--out", "{model}_{steps}_{guidance}.mp4", "--guidance", "1.50"})).status, 0);
  const std::vector<std::string> names = Names();
  EXPECT_TRUE(std::any_of(names.begin(), names.end(), [](const std::string& n) {
    return n.starts_with("out/clip_main_7_") && n.ends_with(".mp4") &&
           n.size() == std::string("out/clip_main_7_12345678.mp4").size();
  }));
  EXPECT_TRUE(fs::exists(Path("euler_tiny_2_1.5.mp4")));
}

TEST_F(CommandTest, ExistingFilesStayWithoutOverwrite) {
  std::ofstream(Path("a.mp4")) << "mine";
  const ProcessResult refused = Run(Job({"--out", "a.mp4"}));
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("exists already"), std::string::npos);
  EXPECT_EQ(fs::file_size(Path("a.mp4")), 4u);
  EXPECT_EQ(Run(Job({"--out", "a.mp4", "--overwrite"})).status, 0);
  EXPECT_GT(fs::file_size(Path("a.mp4")), 100u);
}

TEST_F(CommandTest, FromLatents) {
  ASSERT_EQ(Run(Job({"--out", "a.mkv", "--codec", "ffv1", "--out", "t/a.safetensors"})).status, 0);
  ASSERT_EQ(Run(Job({"--out", "b.mkv", "--codec", "ffv1"})).status, 0);
  ASSERT_TRUE(fs::exists(Path("b.latents.safetensors")));
  const ProcessResult again =
      Run({"generate", "--from-latents", "b.latents.safetensors", "--out", "c.mkv", "--fps", "8"});
  ASSERT_EQ(again.status, 0) << again.err;
  ASSERT_EQ(Run({"generate", "--from-latents", "t/a.safetensors", "--out", "d.mkv"}).status, 0);
  pipeline::NoProgress quiet;
  const auto frames = pipeline::ReadMedia(Path("a.mkv"), quiet).frames.data;
  for (const char* name : {"b.mkv", "c.mkv", "d.mkv"}) {
    EXPECT_TRUE(pipeline::ReadMedia(Path(name), quiet).frames.data == frames) << name;
  }
  EXPECT_EQ(pipeline::ProbeMedia(Path("c.mkv")).fps, 8);
  EXPECT_EQ(ReadJSON("c.json")["job"]["prompt"], "dance monkey");
  const ProcessResult refused =
      Run({"generate", "--from-latents", "b.latents.safetensors", "--out", "e.mkv", "--seed", "3"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("--seed has no effect"), std::string::npos) << refused.err;
}

TEST_F(CommandTest, ProgressEvents) {
  const ProcessResult result = Run(Job({"--out", "a.mp4", "--progress", "json"}));
  ASSERT_EQ(result.status, 0) << result.err;
  std::vector<std::string> events;
  int steps = 0;
  for (const std::string& line : Split(Trim(result.out), '\n')) {
    const json event = json::parse(line);
    EXPECT_TRUE(event.contains("id"));
    if (events.empty() || events.back() != event["event"]) events.push_back(event["event"]);
    if (event["event"] == "progress" && event["stage"] == "denoise") steps = event["step"];
  }
  EXPECT_EQ(events.front(), "started");
  EXPECT_EQ(events.back(), "done");
  EXPECT_EQ(steps, 2);
  EXPECT_NE(std::find(events.begin(), events.end(), "output"), events.end());
}

TEST_F(CommandTest, LogFile) {
  ASSERT_EQ(Run(Job({"--out", "a.mp4", "--log", "run.log"})).status, 0);
  std::ifstream in(Path("run.log"));
  const std::string log{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(log.find("started " + ReadJSON("a.json")["hash"].get<std::string>()), std::string::npos);
  EXPECT_NE(log.find("denoise"), std::string::npos);
}

// ---- info
// ------------------------------------------------------------------------------------------------------------

TEST_F(CommandTest, InfoOnAModel) {
  const ProcessResult text = Run({"info", kModel});
  ASSERT_EQ(text.status, 0) << text.err;
  for (const char* part :
       {"WanPipeline", "WanTransformer3DModel", "AutoencoderKLWan", "UMT5EncoderModel", "Would run", "frames"}) {
    EXPECT_NE(text.out.find(part), std::string::npos) << part;
  }
  const json info = json::parse(Run({"info", kModel, "--json"}).out);
  EXPECT_EQ(info["class"], "WanPipeline");
  EXPECT_EQ(info["hash"].get<std::string>().size(), 64u);
  EXPECT_EQ(info["would_run"]["error"], nullptr);
  EXPECT_EQ(info["would_run"]["scheduler"], "euler");
}

TEST_F(CommandTest, InfoOnFiles) {
  ASSERT_EQ(Run(Job({"--out", "a.mp4", "--out", "dir/"})).status, 0);
  for (const char* target : {"a.mp4", "dir/", "dir", "dir/%04d.png", "dir/0000.png", "a.latents.safetensors"}) {
    const ProcessResult text = Run({"info", target});
    EXPECT_EQ(text.status, 0) << target << text.err;
    EXPECT_NE(text.out.find("dance monkey"), std::string::npos) << target << "\n" << text.out;
  }
  EXPECT_EQ(Run({"info", "missing.mp4"}).status, 2);
  EXPECT_EQ(Run({"info", "a.json"}).status, 2);
  EXPECT_EQ(Run({"info"}).status, 2);
  EXPECT_EQ(Run({"info", "a.mp4", "b.mp4"}).status, 2);
}

TEST_F(CommandTest, InfoOnACheckpoint) {
  const pipeline::HostTensor latents{{1, 1, 1, 1}, {0.5f}};
  const std::string job = R"({"schema":1,"hash":"ab","job":{"prompt":"dance monkey","steps":50}})";
  const auto write = [&](const std::string& name, const std::string& denoising) {
    pipeline::WriteSafetensors(Path(name), {{"latents", &latents}}, {{"sparge", job}, {"denoising", denoising}});
  };
  write("at45.safetensors", R"({"schema":1,"step":45,"steps":50,"scheduler":"unipc"})");
  const ProcessResult text = Run({"info", "at45.safetensors"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("checkpoint, step 45 of 50 (unipc)"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("dance monkey"), std::string::npos) << text.out;
  const json info = json::parse(Run({"info", "at45.safetensors", "--json"}).out);
  EXPECT_EQ(info["checkpoint"], (json{{"step", 45}, {"steps", 50}, {"scheduler", "unipc"}}));
  EXPECT_FALSE(info["metadata"].contains("denoising"));
  // Whole latents, and what is damaged, are no checkpoints.
  for (const char* denoising :
       {R"({"step":50,"steps":50,"scheduler":"unipc"})", R"({"step":"x","steps":[]})", "[", "3"}) {
    write("whole.safetensors", denoising);
    const ProcessResult whole = Run({"info", "whole.safetensors", "--json"});
    EXPECT_EQ(whole.status, 0) << denoising << whole.err;
    EXPECT_FALSE(json::parse(whole.out).contains("checkpoint")) << denoising;
  }
}

TEST_F(CommandTest, InfoShowsHostileTextHarmlessly) {
  const pipeline::HostTensor latents{{1, 1, 1, 1}, {0.5f}};
  pipeline::WriteSafetensors(
      Path("k.safetensors"), {{"latents", &latents}},
      {{"sparge", R"({"schema":1,"hash":[1],"job":{"prompt":"\u001b[2J evil","steps":{"a":1}}})"},
       {"x", "\x1b]0;title\x07"}});
  const ProcessResult text = Run({"info", "k.safetensors"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.out.find('\x07'), std::string::npos);
  EXPECT_EQ(Run({"info", "k.safetensors", "--json"}).status, 0);
}

}  // namespace
}  // namespace app
