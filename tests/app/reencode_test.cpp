#include "app/job/reencode.h"

#include <filesystem>
#include <fstream>

#include "app/seen/job_record.h"
#include "tests/app/command_fixture.h"
#include "tests/app/compare/support.h"
#include "tests/app/fake_pipeline.h"

// A clip in another encoding: nothing is rendered, and its sidecar says what it was made from.
namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class ReencodeTest : public CommandTest {
 protected:
  // A clip of ours without a model: its job stands in the file and in the sidecar.
  void WriteClip(const std::string& name, const std::vector<int>& levels) {
    const json record = {
        {"schema", 1},
        {"hash", "0123"},
        {"job", {{"prompt", "a ball"}, {"seed", 7}, {"fps", 10}, {"encode.crf", 20}, {"out", "x.mp4"}}},
        {"model", {{"class", "WanPipeline"}, {"name", "toybox"}, {"hash", "ab"}}}};
    pipeline::HostTensor frames{{static_cast<int64_t>(levels.size()), 16, 16, 3}, {}};
    for (const int level : levels) frames.data.insert(frames.data.end(), 16 * 16 * 3, static_cast<float>(level) / 255);
    pipeline::VideoOptions options;
    options.fps = 10;
    options.codec = "ffv1";
    options.pixel_format = "bgr0";
    options.comment = record.dump();
    media_test::Write(Path(name + ".mkv"), frames, options);
    json sidecar = record;
    sidecar["timings_s"] = {{"denoise", 4.0}, {"write", 1.0}, {"total", 6.0}};
    sidecar["attention"] = {{"sparsity", 0.25}};
    std::ofstream(Path(name + ".json")) << sidecar;
  }
  Reencoding Prepare(const std::string& clip, Layer layer, const std::string& out) {
    JobSource source;
    source.layers = {std::move(layer)};
    source.outputs = {Path(out)};
    return PrepareReencoding(Path(clip), source);
  }
  json Make(const std::string& clip, Layer layer, const std::string& out) {
    return Reencode(Prepare(clip, std::move(layer), out), observer_);
  }

  RecordingObserver observer_;
};

TEST_F(ReencodeTest, KeepsFramesAndJobAndSaysWhatItWasMadeFrom) {
  WriteClip("a", {10, 60, 110, 160, 210});
  const json sidecar = Make("a.mkv",
                            {{"encode.codec", {"ffv1", "t"}},
                             {"encode.crf", {nullptr, "t"}},
                             {"encode.pixel_format", {"bgr0", "t"}},
                             {"fps", {25.0, "t"}}},
                            "b.mkv");
  pipeline::NoProgress quiet;
  EXPECT_TRUE(pipeline::ReadMedia(Path("b.mkv"), quiet).frames.data ==
              pipeline::ReadMedia(Path("a.mkv"), quiet).frames.data);
  const auto probed = media_test::Probe(Path("b.mkv"));
  EXPECT_EQ(probed.at("codec_name"), "ffv1");
  EXPECT_EQ(probed.at("r_frame_rate"), "25/1");
  const json written = ReadSidecar(Path("b.json"));
  EXPECT_EQ(written, sidecar);
  EXPECT_EQ(written["from"]["kind"], "clip");
  EXPECT_EQ(written["from"]["name"], "a.mkv");
  EXPECT_EQ(written["from"]["path"], Path("a.mkv"));
  EXPECT_EQ(written["from"]["hash"], "0123");
  EXPECT_EQ(written["job"]["prompt"], "a ball");
  EXPECT_EQ(written["job"]["seed"], 7);
  EXPECT_EQ(written["job"]["fps"], 25);
  EXPECT_EQ(written["job"]["encode.codec"], "ffv1");
  EXPECT_EQ(written["model"]["name"], "toybox");
  EXPECT_EQ(written["attention"]["sparsity"], 0.25) << "what rendered the frames stays";
  EXPECT_GE(written["timings_s"]["total"].get<double>(), 5.0);
  EXPECT_LT(written["timings_s"]["write"].get<double>(), 1.0) << "of this writing";
  EXPECT_NE(written["hash"], "0123") << "a batch must not take it for the render";
  const json inside = ParseRecord(pipeline::ProbeMedia(Path("b.mkv")).comment);
  EXPECT_EQ(inside["hash"], written["hash"]);
  EXPECT_EQ(inside["from"]["kind"], "clip");
  EXPECT_FALSE(inside["from"].contains("path")) << "a file that is passed on names no folder";
  EXPECT_FALSE(fs::exists(Path("b.latents.safetensors")));
  EXPECT_EQ(observer_.done, 1);
  EXPECT_EQ(observer_.outputs, (std::vector<std::string>{Path("b.mkv"), Path("b.json")}));
}

TEST_F(ReencodeTest, WhatIsNotSaidStaysAsTheClipHasIt) {
  WriteClip("a", {10, 60});
  Make("a.mkv", {}, "b.mp4");
  EXPECT_EQ(pipeline::ProbeMedia(Path("b.mp4")).fps, 10);
  EXPECT_EQ(ReadSidecar(Path("b.json"))["job"]["encode.crf"], 20);
}

TEST_F(ReencodeTest, AForeignClipHasNoJobAfterwards) {
  WriteLevels(Path("a.mkv"), {10, 60, 110}, 12);
  const json sidecar = Make("a.mkv", {}, "b.mp4");
  EXPECT_TRUE(sidecar["job"].is_null());
  EXPECT_TRUE(sidecar["from"]["hash"].is_null());
  EXPECT_EQ(pipeline::ProbeMedia(Path("b.mp4")).num_frames, 3);
  EXPECT_EQ(pipeline::ProbeMedia(Path("b.mp4")).comment, "");
  EXPECT_EQ(pipeline::ProbeMedia(Path("b.mp4")).fps, 12);
}

TEST_F(ReencodeTest, EveryKindAndPicturesBack) {
  WriteClip("a", {10, 60, 110});
  for (const char* out : {"b.mp4", "c.webm", "d.mov", "e.gif", "f/", "g_%04d.png"}) {
    Make("a.mkv", {{"encode.crf", {nullptr, "t"}}}, out);
    EXPECT_EQ(pipeline::ProbeMedia(Path(out)).num_frames, 3) << out;
  }
  Make("f/", {{"fps", {5.0, "t"}}, {"encode.crf", {nullptr, "t"}}}, "h.mp4");
  EXPECT_EQ(pipeline::ProbeMedia(Path("h.mp4")).num_frames, 3);
  EXPECT_EQ(pipeline::ProbeMedia(Path("h.mp4")).fps, 5);
}

TEST_F(ReencodeTest, Errors) {
  WriteClip("a", {10, 60, 110});
  const auto error = [&](const std::string& clip, Layer layer, const std::string& out) {
    return ErrorsOf([&] { Prepare(clip, std::move(layer), out); });
  };
  EXPECT_NE(error("a.mkv", {{"steps", {5, "--steps"}}}, "b.mp4").find("--steps has no effect"), std::string::npos);
  EXPECT_NE(error("a.mkv", {}, "a.mkv").find("would replace the clip"), std::string::npos);
  EXPECT_NE(error("a.mkv", {}, "a.mp4").find("a.json exists already"), std::string::npos);
  EXPECT_NE(error("a.mkv", {}, "b.safetensors").find("no latents"), std::string::npos);
  EXPECT_NE(error("a.mkv", {{"encode.codec", {"prores", "t"}}}, "b.webm").find("prores"), std::string::npos);
  EXPECT_NE(error("no.mkv", {}, "b.mp4").find("no.mkv"), std::string::npos);
  const std::string bytes = media_test::ReadFile(Path("a.mkv"));
  media_test::WriteFile(Path("cut.mkv"), bytes.substr(0, bytes.size() / 2));
  EXPECT_NE(ErrorsOf([&] { Make("cut.mkv", {}, "b.mp4"); }), "");
  EXPECT_FALSE(fs::exists(Path("b.mp4"))) << "whole or not at all";
}

TEST_F(ReencodeTest, ACancelLeavesNothing) {
  WriteClip("a", {10, 60, 110});
  const Reencoding what = Prepare("a.mkv", {}, "b.mp4");
  observer_.Cancel();
  EXPECT_THROW(Reencode(what, observer_), base::Error);
  EXPECT_EQ(media_test::NamesIn(folder_), (std::vector<std::string>{"a.json", "a.mkv"}));
}

TEST_F(ReencodeTest, TheCommand) {
  WriteClip("a", {10, 60, 110});
  const ProcessResult done =
      Run({"generate", "--from-clip", "a.mkv", "--out", "b.mp4", "--codec", "h265", "--crf", "30", "--out", "b.webm"});
  EXPECT_EQ(done.status, 2) << "webm has no h265";
  const ProcessResult good =
      Run({"generate", "--from-clip", "a.mkv", "--out", "b.mp4", "--codec", "h265", "--crf", "30"});
  ASSERT_EQ(good.status, 0) << good.err;
  EXPECT_EQ(media_test::Probe(Path("b.mp4")).at("codec_name"), "hevc");
  EXPECT_EQ(ReadJSON("b.json")["from"]["kind"], "clip");
  const ProcessResult info = Run({"info", "b.mp4"});
  EXPECT_NE(info.out.find("the clip a.mkv, encoded, not rendered"), std::string::npos) << info.out;
  const ProcessResult refused = Run({"generate", "--from-clip", "a.mkv", "--out", "c.mp4", "--seed", "3", "--audit"});
  EXPECT_EQ(refused.status, 2);
  ExpectErrorLines(refused.err);
  EXPECT_NE(refused.err.find("--audit has no effect"), std::string::npos) << refused.err;
}

// `render` with `from_clip`, as the window asks for it.
TEST_F(ReencodeTest, TheWorker) {
  WriteClip("a", {10, 60, 110});
  const json encode = {{"id", 1},
                       {"cmd", "render"},
                       {"from_clip", Path("a.mkv")},
                       {"outputs", {Path("b.webm")}},
                       {"settings", {{"encode.codec", "vp9"}, {"encode.crf", nullptr}}}};
  const json missing = {{"id", 2}, {"cmd", "render"}, {"from_clip", Path("no.mkv")}, {"outputs", {Path("c.mp4")}}};
  std::ofstream(Path("in")) << encode << "\n" << missing << "\n";
  const std::string said =
      media_test::RunCommand({"sh", "-c", SPARGE_BINARY_DIR "/bin/sparge worker < '" + Path("in") + "'"});
  EXPECT_NE(said.find("\"done\""), std::string::npos) << said;
  EXPECT_NE(said.find("no.mkv"), std::string::npos) << said;
  EXPECT_EQ(media_test::Probe(Path("b.webm")).at("codec_name"), "vp9");
}

}  // namespace
}  // namespace app
