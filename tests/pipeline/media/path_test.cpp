// Names of outputs, and what is refused before anything is written.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cmath>

#include "tests/pipeline/media/media_support.h"

namespace media_test {
namespace {

using base::ErrorCode;
using pipeline::OutputKind;
using pipeline::VideoOptions;

bool Mentions(const base::Error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

TEST(OutputPath, KindIsByExtension) {
  using pipeline::KindOfOutput;
  for (const char* video : {"a.mp4", "a/b.MKV", "./x.mov", "a.b.webm", "/q/w.gif", "50%.mp4"}) {
    EXPECT_EQ(KindOfOutput(video), OutputKind::kVideo) << video;
  }
  EXPECT_EQ(KindOfOutput("a.png"), OutputKind::kPngImage);
  EXPECT_EQ(KindOfOutput("100%/a.PNG"), OutputKind::kPngImage);
  for (const char* frames : {"a%04d.png", "%d.png", "a/b_%3d_c.png", "50%%_%02d.png", "frames/", "a.mp4/", "/"}) {
    EXPECT_EQ(KindOfOutput(frames), OutputKind::kPngFrames) << frames;
  }
  EXPECT_EQ(KindOfOutput("a.safetensors"), OutputKind::kTensors);
  for (const char* none : {"", "a", "a.jpg", ".mp4", "dir/.png", "a.mp4.txt", "a.", "mp4"}) {
    EXPECT_EQ(Caught([&] { KindOfOutput(none); }).code(), ErrorCode::kInvalidInput) << none;
  }
  EXPECT_TRUE(Mentions(Caught([] { KindOfOutput("a.avi"); }), ".webm"));
}

TEST(OutputPath, FramePatternsAreThoseOfPrintf) {
  using pipeline::FramePath;
  EXPECT_EQ(FramePath("a/f_%04d.png", 7), "a/f_0007.png");
  EXPECT_EQ(FramePath("a/f_%04d.png", 123456), "a/f_123456.png");
  EXPECT_EQ(FramePath("%d.png", 7), "7.png");
  EXPECT_EQ(FramePath("%3d.png", 7), "  7.png");
  EXPECT_EQ(FramePath("100%/50%%_%02d_%%.png", 7), "100%/50%_07_%.png");
  EXPECT_EQ(FramePath("a/frames/", 12), "a/frames/0012.png");
  EXPECT_EQ(FramePath("%d%d/", 1), "%d%d/0001.png");
  for (const char* bad :
       {"%04d_%04d.png", "%s.png", "%n.png", "%.png", "%04.png", "%-4d.png", "%+d.png", "%ld.png", "%x.png", "%*d.png",
        "%1$d.png", "%999999999999d.png", "%0021d.png", "%d/a%.png", "50%.png"}) {
    EXPECT_EQ(Caught([&] { pipeline::KindOfOutput(bad); }).code(), ErrorCode::kInvalidInput) << bad;
  }
}

TEST(OutputPath, StemNamesTheSidecar) {
  using pipeline::OutputStem;
  EXPECT_EQ(OutputStem("a.mp4"), "a");
  EXPECT_EQ(OutputStem("x.y/a.b.mp4"), "x.y/a.b");
  EXPECT_EQ(OutputStem("DIR/"), "DIR");
  EXPECT_EQ(OutputStem("q/DIR//"), "q/DIR");
  EXPECT_EQ(OutputStem("f_%04d.png"), "f");
  EXPECT_EQ(OutputStem("a/f_%04d_x.png"), "a/f_x");
  EXPECT_EQ(OutputStem("a/%04d.png"), "a");
  EXPECT_EQ(OutputStem("%04d.png"), "frames");
  EXPECT_EQ(OutputStem("a.png"), "a");
  EXPECT_EQ(OutputStem("t.safetensors"), "t");
}

TEST(OutputPath, ExistingOutputsAreFound) {
  const TempFolder folder;
  EXPECT_EQ(pipeline::ExistingOutput(folder / "a.mp4", 5), "");
  EXPECT_EQ(pipeline::ExistingOutput(folder / "f_%d.png", 5), "");
  WriteFile(folder / "a.mp4", "x");
  WriteFile(folder / "f_3.png", "x");
  EXPECT_EQ(pipeline::ExistingOutput(folder / "a.mp4", 5), folder / "a.mp4");
  EXPECT_EQ(pipeline::ExistingOutput(folder / "f_%d.png", 5), folder / "f_3.png");
  EXPECT_EQ(pipeline::ExistingOutput(folder / "f_%d.png", 3), "");
}

struct Refused {
  const char* file;
  VideoOptions options;
  int64_t num_frames, height_px, width_px;
  const char* mention;
};

VideoOptions With(const std::function<void(VideoOptions&)>& change) {
  VideoOptions options;
  change(options);
  return options;
}

TEST(ValidateOutput, RefusesWhatCannotWork) {
  const TempFolder folder;
  const Refused cases[] = {
      {"a.mp4", With([](auto& o) { o.codec = "h266"; }), 5, 32, 32, "h264, h265"},
      {"a.mp4", With([](auto& o) { o.codec = "prores"; }), 5, 32, 32, ".mkv, .mov"},
      {"a.webm", With([](auto& o) { o.codec = "h264"; }), 5, 32, 32, "vp9, av1"},
      {"a.gif", With([](auto& o) { o.codec = "h264"; }), 5, 32, 32, "gif"},
      {"a.mov", With([](auto& o) { o.codec = "ffv1"; }), 5, 32, 32, ".mkv"},
      {"a.mp4", With([](auto& o) { o.crf = 52; }), 5, 32, 32, "51"},
      {"a.mp4", With([](auto& o) { o.crf = -1; }), 5, 32, 32, "51"},
      {"a.webm", With([](auto& o) { o.crf = 20.5; }), 5, 32, 32, "whole"},
      {"a.gif", With([](auto& o) { o.crf = 20; }), 5, 32, 32, "encode.crf"},
      {"a.mp4", With([](auto& o) { o.preset = "fastest"; }), 5, 32, 32, "ultrafast"},
      {"a.webm", With([](auto& o) { o.preset = "fast"; }), 5, 32, 32, "0, 1, 2"},
      {"a.gif", With([](auto& o) { o.preset = "fast"; }), 5, 32, 32, "encode.preset"},
      {"a.mp4", With([](auto& o) { o.pixel_format = "yuv420"; }), 5, 32, 32, "yuv420p"},
      {"a.mp4", With([](auto& o) { o.pixel_format = "gbrp"; }), 5, 32, 32, "yuv444p"},
      {"a.mp4", With([](auto& o) { o.pixel_format = "yuv420p16le"; }), 5, 32, 32, "yuv420p10le"},
      {"a.mp4", With([](auto& o) { o.fps = 0; }), 5, 32, 32, "fps"},
      {"a.mp4", With([](auto& o) { o.fps = 1e9; }), 5, 32, 32, "fps"},
      {"a.mp4", With([](auto& o) { o.fps = std::nan(""); }), 5, 32, 32, "fps"},
      {"a.gif", With([](auto& o) { o.fps = 60; }), 5, 32, 32, "50"},
      {"a.mp4", {}, 5, 32, 16400, "16384"},
      {"a.mp4", With([](auto& o) { o.codec = "h265"; }), 5, 8, 8, "16"},
      {"a.mp4", With([](auto& o) { o.codec = "h265"; }), 5, 64, 8200, "8192"},
      {"a.webm", {}, 5, 64, 70000, "65535"},
      {"a.gif", {}, 5, 70000, 64, "65535"},
      {"a.mp4", {}, 0, 32, 32, "0 frames"},
      {"a.png", {}, 5, 32, 32, "%04d"},
      {"a.png", {}, 1, 32, 2000000, "1000000"},
      {"a.jpg", {}, 1, 32, 32, ".png"},
  };
  for (const Refused& c : cases) {
    const base::Error error =
        Caught([&] { pipeline::ValidateOutput(folder / c.file, c.options, c.num_frames, c.height_px, c.width_px); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
    EXPECT_TRUE(Mentions(error, c.mention)) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
  EXPECT_TRUE(NamesIn(folder.path()).empty());
}

TEST(ValidateOutput, AcceptsWhatWorksAndMakesNothing) {
  const TempFolder folder;
  for (const char* file : {"a.mp4", "b/c/a.mkv", "a.mov", "a.webm", "a.gif", "a.safetensors", "d/", "e/f_%04d.png"}) {
    EXPECT_NO_THROW(pipeline::ValidateOutput(folder / file, {}, 5, 48, 64)) << file;
  }
  VideoOptions options;
  options.codec = "h264";
  options.crf = 18.5;
  options.preset = "veryslow";
  options.pixel_format = "yuv444p10le";
  EXPECT_NO_THROW(pipeline::ValidateOutput(folder / "a.mp4", options, 5, 48, 64));
  EXPECT_NO_THROW(pipeline::ValidateOutput(folder / "a.png", {}, 1, 48, 64));
  EXPECT_TRUE(NamesIn(folder.path()).empty());
}

TEST(ValidateOutput, RefusesPlacesThatCannotBeWritten) {
  const TempFolder folder;
  WriteFile(folder / "file", "x");
  ASSERT_EQ(mkdir((folder / "folder.mp4").c_str(), 0777), 0);
  const std::string places[] = {folder / "folder.mp4",
                                folder / "file/a.mp4",
                                folder / "file/b/a.mp4",
                                folder / "file/",
                                folder / (std::string(256, 'n') + ".mp4"),
                                folder / (std::string(256, 'n') + "/a.mp4")};
  for (const std::string& place : places) {
    const base::Error error = Caught([&] { pipeline::ValidateOutput(place, {}, 5, 32, 32); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
    EXPECT_TRUE(Mentions(error, folder.path())) << error.what();
    const base::Error later = Caught([&] { Write(place, Gradient(2, 32, 32)); });
    EXPECT_EQ(later.code(), ErrorCode::kInvalidInput) << later.what();
  }
  EXPECT_EQ(NamesIn(folder.path()), (std::vector<std::string>{"file", "folder.mp4"}));
}

}  // namespace
}  // namespace media_test
