#include "app/compare/source.h"

#include <filesystem>

#include "pipeline/weights/safetensors.h"
#include "tests/app/compare/support.h"

namespace app {
namespace {

namespace fs = std::filesystem;

class CompareSource : public TempFolderTest {
 protected:
  std::vector<Picture> ReadAll(const std::string& path) {
    const auto stream = OpenSource(path);
    std::vector<Picture> frames;
    while (stream->Next()) stream->Read(frames.emplace_back());
    return frames;
  }
};

TEST_F(CompareSource, VideosOfManyKinds) {
  struct Kind {
    const char* name;
    std::vector<std::string> options;
  };
  const Kind kinds[] = {{"a.mp4", {"-c:v", "libx264"}},
                        {"a.mkv", {"-c:v", "ffv1"}},
                        {"a.webm", {"-c:v", "libvpx-vp9"}},
                        {"a.avi", {"-c:v", "mjpeg"}},
                        {"a.ts", {"-c:v", "mpeg2video"}},
                        {"a.mpg", {"-c:v", "mpeg2video"}},
                        {"a.flv", {"-c:v", "flv"}},
                        {"a.mov", {"-c:v", "prores"}},
                        {"a.y4m", {"-pix_fmt", "yuv420p"}},
                        {"a.nut", {"-c:v", "ffvhuff"}},
                        {"a.gif", {}},
                        {"a.h264", {"-c:v", "libx264"}},
                        {"a.ivf", {"-c:v", "libvpx"}},
                        {"a.apng", {"-f", "apng"}}};
  for (const Kind& kind : kinds) {
    std::vector<std::string> command = {"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.4"};
    command.insert(command.end(), kind.options.begin(), kind.options.end());
    command.push_back(Path(kind.name));
    Ffmpeg(command);
    const SourceInfo source = ProbeSource(Path(kind.name));
    EXPECT_EQ(source.width_px, 64) << kind.name;
    EXPECT_EQ(source.num_frames, 10) << kind.name;
    EXPECT_NEAR(source.fps, 25, 0.01) << kind.name;
    EXPECT_EQ(ReadAll(Path(kind.name)).size(), 10u) << kind.name;
  }
}

// An edit list leaves out the frames before the cut; the file still holds some of them.
TEST_F(CompareSource, AClipCutWithoutEncodingAgain) {
  Ffmpeg({"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=3", "-g", "30", "-bf", "0", Path("whole.mp4")});
  Ffmpeg({"-ss", "1.5", "-i", Path("whole.mp4"), "-c", "copy", Path("cut.mp4")});
  const SourceInfo source = ProbeSource(Path("cut.mp4"));
  EXPECT_EQ(source.num_frames, 15);
  EXPECT_EQ(ReadAll(Path("cut.mp4")).size(), 15u);
}

TEST_F(CompareSource, ImagesAndFrames) {
  for (const char* name : {"a.png", "a.jpg", "a.bmp", "a.webp", "a.tiff"}) {
    Ffmpeg({"-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1", Path(name)});
    const SourceInfo source = ProbeSource(Path(name));
    EXPECT_EQ(source.num_frames, 1) << name;
    EXPECT_EQ(source.fps, 0) << name;
    EXPECT_EQ(ReadAll(Path(name)).size(), 1u) << name;
  }
  WriteLevels(Path("dir/"), {10, 20, 30}, 16);
  EXPECT_EQ(ProbeSource(Path("dir")).path, Path("dir/"));
  EXPECT_EQ(ProbeSource(Path("dir")).num_frames, 3);
  // As ffmpeg counts: from 1.
  Ffmpeg({"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=0.5", Path("f_%03d.png")});
  ASSERT_TRUE(fs::exists(Path("f_001.png")));
  EXPECT_EQ(ProbeSource(Path("f_%03d.png")).num_frames, 5);
  EXPECT_EQ(ReadAll(Path("f_%03d.png")).size(), 5u);
}

TEST_F(CompareSource, TensorsGiveTheirFloats) {
  pipeline::HostTensor frames{{2, 3, 5, 3}, {}};
  for (int i = 0; i < 90; ++i) frames.data.push_back(static_cast<float>(i) / 80.0f - 0.05f);
  pipeline::WriteSafetensors(Path("a.safetensors"), {{"frames", &frames}},
                             {{"sparge", R"({"hash": "1", "job": {"fps": 12}})"}});
  const SourceInfo source = ProbeSource(Path("a.safetensors"));
  EXPECT_TRUE(source.before_encoding);
  EXPECT_EQ(source.num_frames, 2);
  EXPECT_EQ(source.height_px, 3);
  EXPECT_EQ(source.fps, 12);
  const std::vector<Picture> read = ReadAll(Path("a.safetensors"));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[1].rgb[0], frames.data[45]);
  EXPECT_EQ(read[0].rgb[0], 0);   // −0.05
  EXPECT_EQ(read[1].rgb[44], 1);  // 1.0625

  frames.data[50] = std::nanf("");
  pipeline::WriteSafetensors(Path("nan.safetensors"), {{"frames", &frames}}, {});
  EXPECT_NE(ErrorsOf([&] { ReadAll(Path("nan.safetensors")); }).find("frame 1 holds nan"), std::string::npos);
  pipeline::WriteSafetensors(Path("latents.safetensors"), {{"latents", &frames}}, {});
  EXPECT_NE(ErrorsOf([&] { ProbeSource(Path("latents.safetensors")); }).find("no tensor `frames`"), std::string::npos);
  frames.shape = {6, 5, 3};
  pipeline::WriteSafetensors(Path("shape.safetensors"), {{"frames", &frames}}, {});
  EXPECT_NE(ErrorsOf([&] { ProbeSource(Path("shape.safetensors")); }).find("[F, H, W, 3]"), std::string::npos);
}

TEST_F(CompareSource, WhatIsNoClip) {
  media_test::WriteFile(Path("a.mp4"), "this is no video");
  media_test::WriteFile(Path("list.m3u8"), "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + Path("b.ts") + "\n");
  media_test::WriteFile(Path("list.txt"), "ffconcat version 1.0\nfile " + Path("b.ts") + "\n");
  Ffmpeg({"-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", Path("b.ts")});
  for (const char* name : {"a.mp4", "list.m3u8", "list.txt", "missing.mp4", "", "dir/"}) {
    const std::string text = ErrorsOf([&] { ProbeSource(*name ? Path(name) : ""); });
    EXPECT_NE(text.find("cannot read"), std::string::npos) << name << ": " << text;
  }
}

TEST_F(CompareSource, NamesTellSourcesApart) {
  const auto names = [](std::vector<std::string> paths) {
    std::vector<SourceInfo> sources(paths.size());
    for (size_t i = 0; i < paths.size(); ++i) sources[i].path = paths[i];
    NameSources(sources);
    std::vector<std::string> names;
    for (const SourceInfo& source : sources) names.push_back(source.name);
    return names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({"x/a.mp4", "x/b.mp4"}), (Names{"a.mp4", "b.mp4"}));
  EXPECT_EQ(names({"x/a.mp4", "y/a.mp4", "y/b.mp4"}), (Names{"x/a.mp4", "y/a.mp4", "b.mp4"}));
  EXPECT_EQ(names({"x/a.mp4", "./x/a.mp4"}), (Names{"a.mp4 (A)", "a.mp4 (B)"}));
  EXPECT_EQ(names({"x/f/", "y/f/"}), (Names{"x/f", "y/f"}));
}

}  // namespace
}  // namespace app
