// Videos written by us, read back by FFmpeg's commands, OpenCV and ourselves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <opencv2/videoio.hpp>

#include "tests/pipeline/media/media_support.h"

namespace media_test {
namespace {

using pipeline::HostTensor;
using pipeline::VideoOptions;

struct Case {
  const char* file;
  const char* codec;         // the setting; "" for the container's default
  const char* pixel_format;  // the setting; "" for the codec's default
  const char* probe_codec;
  const char* probe_format;
  int colour_error;  // at patch centres, 8-bit levels
};

std::string CaseName(const testing::TestParamInfo<Case>& info) {
  std::string name = std::string(info.param.file) + "_" + info.param.codec + "_" + info.param.pixel_format;
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
}

class VideoFormats : public testing::TestWithParam<Case> {};

TEST_P(VideoFormats, FramesSizeRateTagsAndColours) {
  const Case& c = GetParam();
  constexpr int64_t kFrames = 6, kPatch = 32;
  const TempFolder folder;
  const std::string path = folder / c.file;
  VideoOptions options;
  options.codec = c.codec;
  options.pixel_format = c.pixel_format;
  options.fps = 25;
  options.comment = "{\"prompt\": \"a red ball\"}";
  Write(path, Patches(kFrames, kPatch), options);

  EXPECT_EQ(NamesIn(folder.path()), std::vector<std::string>{c.file});
  std::map<std::string, std::string> probed = Probe(path);
  EXPECT_EQ(probed["codec_name"], c.probe_codec);
  EXPECT_EQ(probed["pix_fmt"], c.probe_format);
  EXPECT_EQ(probed["nb_read_frames"], std::to_string(kFrames));
  EXPECT_EQ(probed["width"], std::to_string(8 * kPatch));
  EXPECT_EQ(probed["height"], std::to_string(kPatch));
  EXPECT_EQ(probed["avg_frame_rate"], "25/1");
  const bool gif = std::string(c.probe_codec) == "gif";
  const bool rgb = std::string(c.probe_format).find("bgr") == 0 || std::string(c.probe_format).find("gbr") == 0;
  if (!gif) {
    EXPECT_EQ(probed["color_primaries"], "bt709");
    EXPECT_EQ(probed["color_transfer"], "bt709");
  }
  if (!gif && !rgb) {
    EXPECT_EQ(probed["color_space"], "bt709");
    EXPECT_EQ(probed["color_range"], "tv");
  }
  EXPECT_LE(PatchError(DecodeWithFfmpeg(path), kFrames, kPatch), c.colour_error);

  cv::VideoCapture capture(path, cv::CAP_FFMPEG);
  ASSERT_TRUE(capture.isOpened());
  EXPECT_EQ(capture.get(cv::CAP_PROP_FRAME_WIDTH), 8 * kPatch);
  EXPECT_EQ(capture.get(cv::CAP_PROP_FRAME_HEIGHT), kPatch);
  EXPECT_NEAR(capture.get(cv::CAP_PROP_FPS), 25, 1e-3);
  cv::Mat picture;
  int64_t count = 0;
  while (capture.read(picture)) ++count;
  EXPECT_EQ(count, kFrames);

  pipeline::NoProgress progress;
  const pipeline::Clip clip = pipeline::ReadMedia(path, progress);
  EXPECT_EQ(clip.frames.shape, (std::vector<int64_t>{kFrames, kPatch, 8 * kPatch, 3}));
  EXPECT_LE(PatchError(ToBytes(clip.frames), kFrames, kPatch), c.colour_error);
  const pipeline::MediaInfo info = pipeline::ProbeMedia(path);
  for (const pipeline::MediaInfo& i : {info, clip.info}) {
    EXPECT_TRUE(i.is_video);
    EXPECT_EQ(i.codec, c.probe_codec);
    EXPECT_EQ(i.pixel_format, c.probe_format);
    EXPECT_EQ(i.num_frames, kFrames);
    EXPECT_EQ(i.width_px, 8 * kPatch);
    EXPECT_EQ(i.height_px, kPatch);
    EXPECT_NEAR(i.fps, 25, 1e-6);
    EXPECT_EQ(i.bytes, static_cast<int64_t>(ReadFile(path).size()));
    EXPECT_EQ(i.comment, options.comment);
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, VideoFormats,
    testing::Values(
        Case{"a.mp4", "", "", "h264", "yuv420p", 5}, Case{"a.mp4", "h264", "yuv444p", "h264", "yuv444p", 3},
        Case{"a.mp4", "h264", "yuv420p10le", "h264", "yuv420p10le", 2}, Case{"a.mp4", "h265", "", "hevc", "yuv420p", 5},
        Case{"a.mp4", "h265", "yuv420p10le", "hevc", "yuv420p10le", 3}, Case{"a.mp4", "av1", "", "av1", "yuv420p", 5},
        Case{"a.mp4", "vp9", "", "vp9", "yuv420p", 5}, Case{"a.mkv", "", "", "h264", "yuv420p", 5},
        Case{"a.mkv", "h265", "gbrp", "hevc", "gbrp", 4}, Case{"a.mkv", "av1", "yuv420p10le", "av1", "yuv420p10le", 3},
        Case{"a.mkv", "vp9", "yuv444p", "vp9", "yuv444p", 3}, Case{"a.mkv", "prores", "", "prores", "yuv422p10le", 2},
        Case{"a.mkv", "ffv1", "", "ffv1", "bgr0", 0}, Case{"a.mkv", "ffv1", "yuv444p", "ffv1", "yuv444p", 2},
        Case{"a.mkv", "ffv1", "gbrp16le", "ffv1", "gbrp16le", 1}, Case{"a.mov", "", "", "h264", "yuv420p", 5},
        Case{"a.mov", "h265", "", "hevc", "yuv420p", 5}, Case{"a.mov", "prores", "", "prores", "yuv422p10le", 2},
        Case{"a.mov", "prores", "yuv444p10le", "prores", "yuv444p10le", 2}, Case{"a.webm", "", "", "vp9", "yuv420p", 5},
        Case{"a.webm", "av1", "", "av1", "yuv420p", 5}, Case{"a.gif", "", "", "gif", "bgra", 0}),
    CaseName);

TEST(Video, StillColoursAreRight) {
  const TempFolder folder;
  for (const char* codec : {"h264", "h265", "av1", "vp9"}) {
    VideoOptions options;
    options.codec = codec;
    Write(folder / "a.mp4", Patches(4, 32, 0), options);
    EXPECT_LE(PatchError(DecodeWithFfmpeg(folder / "a.mp4"), 4, 32, 0), 2) << codec;
  }
}

TEST(Video, Ffv1IsExact) {
  const TempFolder folder;
  const HostTensor frames = Noise(3, 37, 53, 1);
  for (const char* format : {"", "gbrp10le", "gbrp16le"}) {
    VideoOptions options;
    options.codec = "ffv1";
    options.pixel_format = format;
    Write(folder / "a.mkv", frames, options);
    pipeline::NoProgress progress;
    const HostTensor read = pipeline::ReadMedia(folder / "a.mkv", progress).frames;
    if (format[0] == 0) {
      EXPECT_EQ(ToBytes(read), ToBytes(frames));
      EXPECT_EQ(DecodeWithFfmpeg(folder / "a.mkv"), ToBytes(frames));
      continue;
    }
    const float bound = format[4] == '1' && format[5] == '6' ? 1.01f / 131070 : 1.5f / 2046;
    ASSERT_EQ(read.shape, frames.shape);
    float worst = 0;
    for (size_t i = 0; i < read.data.size(); ++i) worst = std::max(worst, std::abs(read.data[i] - frames.data[i]));
    EXPECT_LE(worst, bound) << format;
  }
}

TEST(Video, EightBitRoundingIsNumpys) {
  // Halves go to even: 0.5/255 → 0, 1.5/255 → 2, 2.5/255 → 2; outside 0…1 is clamped.
  const float values[] = {0.5f / 255, 1.5f / 255, 2.5f / 255, 253.5f / 255, 254.5f / 255, -0.3f, 1.7f, 0.499f / 255};
  const uint8_t expected[] = {0, 2, 2, 254, 254, 0, 255, 0};
  HostTensor frames{{1, 2, 8, 3}, {}};
  for (int row = 0; row < 2; ++row) {
    for (float v : values) frames.data.insert(frames.data.end(), 3, v);
  }
  const TempFolder folder;
  VideoOptions options;
  options.codec = "ffv1";
  Write(folder / "a.mkv", frames, options);
  Write(folder / "a.png", frames);
  pipeline::NoProgress progress;
  for (const char* name : {"a.mkv", "a.png"}) {
    const std::vector<uint8_t> read = ToBytes(pipeline::ReadMedia(folder / name, progress).frames);
    for (int i = 0; i < 8; ++i) EXPECT_EQ(read[3 * i], expected[i]) << name << " " << values[i] * 255;
  }
}

TEST(Video, OddSizesRepeatTheLastRowAndColumn) {
  const TempFolder folder;
  const HostTensor frames = Gradient(3, 33, 47);
  struct {
    const char* file;
    const char* codec;
    const char* format;
    const char* size;
  } cases[] = {
      {"a.mp4", "h264", "", "48x34"},        {"b.mp4", "h265", "", "48x34"}, {"c.mp4", "h264", "yuv422p", "48x33"},
      {"d.mp4", "h264", "yuv444p", "47x33"}, {"e.webm", "vp9", "", "47x33"}, {"f.webm", "av1", "", "47x33"},
      {"g.mov", "prores", "", "47x33"},      {"h.mkv", "ffv1", "", "47x33"}, {"i.gif", "", "", "47x33"},
      {"j.mkv", "ffv1", "yuv420p", "47x33"},
  };
  for (const auto& c : cases) {
    VideoOptions options;
    options.codec = c.codec;
    options.pixel_format = c.format;
    Write(folder / c.file, frames, options);
    std::map<std::string, std::string> probed = Probe(folder / c.file);
    EXPECT_EQ(probed["width"] + "x" + probed["height"], c.size) << c.file;
    EXPECT_EQ(probed["nb_read_frames"], "3") << c.file;
  }
  pipeline::NoProgress progress;
  const HostTensor read = pipeline::ReadMedia(folder / "a.mp4", progress).frames;
  for (int64_t f = 0; f < 3; ++f) {
    for (int64_t y = 0; y < 34; ++y) {
      for (int64_t x = 0; x < 48; ++x) {
        for (int c = 0; c < 3; ++c) {
          const float expected =
              frames.data[((f * 33 + std::min<int64_t>(y, 32)) * 47 + std::min<int64_t>(x, 46)) * 3 + c];
          ASSERT_NEAR(read.data[((f * 34 + y) * 48 + x) * 3 + c], expected, 0.06)
              << f << " " << y << " " << x << " " << c;
        }
      }
    }
  }
}

TEST(Video, TinyClips) {
  const TempFolder folder;
  struct {
    const char* file;
    const char* codec;
    int64_t side;
  } cases[] = {
      {"a.mp4", "h264", 1},   {"b.mp4", "h265", 16}, {"c.webm", "vp9", 1}, {"d.webm", "av1", 1},
      {"e.mov", "prores", 2}, {"f.mkv", "ffv1", 2},  {"g.gif", "", 1},
  };
  for (const auto& c : cases) {
    struct {
      int64_t num_frames, height_px, width_px;
    } sizes[] = {{1, c.side, c.side}, {2, c.side, c.side + 8}, {1, c.side + 8, c.side}};
    for (const auto& size : sizes) {
      HostTensor frames{{size.num_frames, size.height_px, size.width_px, 3}, {}};
      for (int64_t i = 0; i < frames.numel(); ++i) frames.data.push_back(i % 3 == 0 ? 0.8f : 0.3f);
      VideoOptions options;
      options.codec = c.codec;
      Write(folder / c.file, frames, options);
      EXPECT_EQ(Probe(folder / c.file)["nb_read_frames"], std::to_string(size.num_frames)) << c.file;
      pipeline::NoProgress progress;
      const pipeline::Clip clip = pipeline::ReadMedia(folder / c.file, progress);
      EXPECT_EQ(clip.info.num_frames, size.num_frames) << c.file;
      for (int64_t i = 0; i < clip.frames.numel(); ++i) {
        ASSERT_NEAR(clip.frames.data[i], i % 3 == 0 ? 0.8f : 0.3f, 0.03)
            << c.file << " " << size.width_px << "x" << size.height_px << " value " << i;
      }
    }
  }
}

TEST(Video, FrameRatesAreExact) {
  const TempFolder folder;
  struct {
    double fps;
    const char* rate;
  } cases[] = {
      {16, "16/1"},          {23.976, "24000/1001"}, {24000.0 / 1001, "24000/1001"},
      {29.97, "30000/1001"}, {59.94, "60000/1001"},  {12.5, "25/2"},
      {0.5, "1/2"},
  };
  for (const auto& c : cases) {
    for (const char* file : {"a.mp4", "a.mov", "a.mkv"}) {
      // FFmpeg reads Matroska's nanoseconds as the nearest fraction with numbers up to 30000.
      const std::string rate = file[3] == 'k' && c.fps == 59.94 ? "19001/317" : c.rate;
      VideoOptions options;
      options.fps = c.fps;
      options.preset = "ultrafast";
      Write(folder / file, Gradient(5, 32, 32), options);
      std::map<std::string, std::string> probed = Probe(folder / file);
      EXPECT_EQ(probed["avg_frame_rate"], rate) << file;
      EXPECT_EQ(probed["r_frame_rate"], rate) << file;
      EXPECT_NEAR(std::stod(probed["duration"]), 5 / c.fps, 0.0021) << file;
      EXPECT_NEAR(pipeline::ProbeMedia(folder / file).fps, c.fps, 1e-3) << file;
    }
  }
  VideoOptions options;
  options.fps = 16;
  Write(folder / "a.gif", Gradient(17, 32, 32), options);
  EXPECT_NEAR(pipeline::ProbeMedia(folder / "a.gif").fps, 16, 1e-6);  // 16 delays of 6 or 7 hundredths: 1 second
}

TEST(Video, EveryFrameHasItsOwnTime) {
  const TempFolder folder;
  for (const char* file : {"a.mp4", "a.mkv", "a.webm", "a.gif"}) {
    VideoOptions options;
    options.fps = 16;
    Write(folder / file, Gradient(9, 32, 32), options);
    const std::string times = RunCommand({"ffprobe", "-v", "error", "-show_entries", "frame=best_effort_timestamp_time",
                                          "-of", "default=noprint_wrappers=1:nokey=1", folder / file});
    std::istringstream lines(times);
    double time = 0;
    int count = 0;
    for (; lines >> time; ++count) EXPECT_NEAR(time, count / 16.0, 0.0051) << file;
    EXPECT_EQ(count, 9) << file;
  }
}

TEST(Video, ShortH265ClipsHaveOrderedTimes) {
  const TempFolder folder;
  VideoOptions options;
  options.codec = "h265";
  options.fps = 16;
  for (const char* preset : {"ultrafast", "medium"}) {
    for (int64_t num_frames : {1, 2, 3, 9}) {
      options.preset = preset;
      Write(folder / "a.mp4", Gradient(num_frames, 32, 32), options);
      std::istringstream times(RunCommand({"ffprobe", "-v", "error", "-show_entries", "packet=pts,dts", "-of",
                                           "default=noprint_wrappers=1:nokey=1", folder / "a.mp4"}));
      std::vector<int64_t> shown;
      int64_t pts = 0, dts = 0;
      for (int64_t n = 0; times >> pts >> dts; ++n) {
        EXPECT_EQ(dts, (n - 2) * 1024) << preset << num_frames;
        EXPECT_GE(pts, dts) << preset << num_frames;
        shown.push_back(pts);
      }
      std::sort(shown.begin(), shown.end());
      ASSERT_EQ(static_cast<int64_t>(shown.size()), num_frames);
      for (int64_t n = 0; n < num_frames; ++n) EXPECT_EQ(shown[n], n * 1024);
    }
  }
}

TEST(Video, Mp4AndMovStartFast) {
  const TempFolder folder;
  for (const char* file : {"a.mp4", "a.mov"}) {
    Write(folder / file, Gradient(5, 64, 64));
    const std::string bytes = ReadFile(folder / file);
    ASSERT_NE(bytes.find("mdat"), std::string::npos);
    EXPECT_LT(bytes.find("moov"), bytes.find("mdat"));
  }
}

TEST(Video, TheCommentSurvives) {
  std::string json =
      "{\"prompt\": \"she said \\\"hi\\\" = ; # \\\\ %s\\n\", \"text\": \"\xF0\x9F\x8E\xA8 \xE7\xB4\x85\xE3\x81\x84 "
      "\xC3\xA9\",\n\t\"x\": 'y'}";
  const TempFolder folder;
  for (size_t extra : {size_t{0}, size_t{254}, size_t{255}, size_t{50000}, size_t{300000}}) {
    VideoOptions options;
    options.comment = json + std::string(extra, 'x');
    for (const char* file : {"a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif", "a.png"}) {
      Write(folder / file, Gradient(1, 32, 32), options);
      EXPECT_EQ(pipeline::ProbeMedia(folder / file).comment, options.comment) << file << " " << extra;
      if (file[2] == 'p' || file[2] == 'g') continue;  // ffprobe shows no comment of PNG and cuts that of GIF
      const std::string tag = RunCommand({"ffprobe", "-v", "error", "-show_entries", "format_tags", folder / file});
      EXPECT_NE(tag.find(options.comment), std::string::npos) << file << " " << extra;
    }
  }
  Write(folder / "none.mp4", Gradient(1, 32, 32));
  EXPECT_EQ(pipeline::ProbeMedia(folder / "none.mp4").comment, "");
}

TEST(Video, TheSameInputGivesTheSameBytes) {
  const TempFolder folder;
  const HostTensor frames = Noise(12, 64, 96, 3);
  struct {
    const char* file;
    const char* codec;
  } cases[] = {
      {"a.mp4", "h264"},   {"a.mp4", "h265"}, {"a.mp4", "av1"}, {"a.webm", "vp9"},
      {"a.mov", "prores"}, {"a.mkv", "ffv1"}, {"a.gif", ""},
  };
  for (const auto& c : cases) {
    VideoOptions options;
    options.codec = c.codec;
    options.comment = "{}";
    Write(folder / c.file, frames, options);
    const std::string first = ReadFile(folder / c.file);
    Write(folder / c.file, frames, options);
    EXPECT_TRUE(first == ReadFile(folder / c.file)) << c.file << " " << c.codec;
  }
}

TEST(Video, QualityFollowsCrfAndPreset) {
  const TempFolder folder;
  const HostTensor frames = Noise(6, 64, 96, 5);
  for (const char* codec : {"h264", "h265", "vp9", "av1"}) {
    VideoOptions options;
    options.codec = codec;
    options.crf = 8;
    Write(folder / "good.mp4", frames, options);
    options.crf = 45;
    options.preset = std::string(codec)[0] == 'h' ? "ultrafast" : "5";
    Write(folder / "small.mp4", frames, options);
    EXPECT_LT(2 * ReadFile(folder / "small.mp4").size(), ReadFile(folder / "good.mp4").size()) << codec;
  }
}

TEST(Video, GifKeepsSmoothColoursClose) {
  const TempFolder folder;
  const HostTensor frames = Gradient(4, 64, 64);
  Write(folder / "a.gif", frames);
  const std::vector<uint8_t> got = DecodeWithFfmpeg(folder / "a.gif"), wanted = ToBytes(frames);
  ASSERT_EQ(got.size(), wanted.size());
  // Dithered: single pixels err, averages over 8 x 8 pixels hardly.
  double worst = 0;
  for (int64_t f = 0; f < 4; ++f) {
    for (int64_t y = 0; y < 64; y += 8) {
      for (int64_t x = 0; x < 64; x += 8) {
        for (int c = 0; c < 3; ++c) {
          double sum = 0;
          for (int64_t i = 0; i < 64; ++i) {
            const int64_t at = ((f * 64 + y + i / 8) * 64 + x + i % 8) * 3 + c;
            sum += got[at] - wanted[at];
          }
          worst = std::max(worst, std::abs(sum) / 64);
        }
      }
    }
  }
  EXPECT_LE(worst, 6);
}

}  // namespace
}  // namespace media_test
