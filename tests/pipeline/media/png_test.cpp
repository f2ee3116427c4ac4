// PNG images and frames, read back by OpenCV, by FFmpeg and by ourselves.
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "pipeline/media/png.h"
#include "tests/pipeline/media/media_support.h"

namespace media_test {
namespace {

using pipeline::HostTensor;
using pipeline::VideoOptions;

HostTensor FrameOf(const HostTensor& frames, int64_t index) {
  const int64_t values = frames.shape[1] * frames.shape[2] * 3;
  const auto begin = frames.data.begin() + index * values;
  return {{1, frames.shape[1], frames.shape[2], 3}, {begin, begin + values}};
}

std::vector<uint8_t> ReadWithOpenCv(const std::string& path) {
  const cv::Mat bgr = cv::imread(path, cv::IMREAD_UNCHANGED);
  EXPECT_EQ(bgr.type(), CV_8UC3) << path;
  std::vector<uint8_t> rgb;
  for (int y = 0; y < bgr.rows; ++y) {
    for (int x = 0; x < bgr.cols; ++x) {
      for (int c = 2; c >= 0; --c) rgb.push_back(bgr.at<cv::Vec3b>(y, x)[c]);
    }
  }
  return rgb;
}

TEST(Png, OneImageIsExact) {
  const TempFolder folder;
  struct {
    int64_t height_px, width_px;
  } sizes[] = {{1, 1}, {3, 5}, {64, 64}, {97, 131}, {1, 300}, {300, 1}};
  for (const auto& size : sizes) {
    for (const HostTensor& image :
         {Noise(1, size.height_px, size.width_px, 9), Gradient(1, size.height_px, size.width_px)}) {
      Write(folder / "a.png", image);
      EXPECT_EQ(ReadWithOpenCv(folder / "a.png"), ToBytes(image));
      EXPECT_EQ(DecodeWithFfmpeg(folder / "a.png"), ToBytes(image));
      pipeline::NoProgress progress;
      const pipeline::Clip clip = pipeline::ReadMedia(folder / "a.png", progress);
      EXPECT_EQ(ToBytes(clip.frames), ToBytes(image));
      EXPECT_FALSE(clip.info.is_video);
      EXPECT_EQ(clip.info.codec, "png");
      EXPECT_EQ(clip.info.num_frames, 1);
      EXPECT_EQ(clip.info.comment, "");
    }
  }
}

TEST(Png, SmoothImagesAreCompressed) {
  const HostTensor image = Gradient(1, 256, 256);
  EXPECT_LT(pipeline::EncodePng(ToBytes(image).data(), 256, 256, "").size(), size_t{256 * 256 * 3 / 20});
}

TEST(Png, FramesOfAFolderAndAPattern) {
  const TempFolder folder;
  const HostTensor frames = Noise(12, 20, 30, 2);
  VideoOptions options;
  options.comment = "{\"prompt\": \"caf\xC3\xA9\"}";
  for (const char* path : {"new/frames/", "new/f_%03d.png"}) {
    Write(folder / path, frames, options);
    for (int64_t i = 0; i < 12; ++i) {
      EXPECT_EQ(ReadWithOpenCv(pipeline::FramePath(folder / path, i)), ToBytes(FrameOf(frames, i))) << path << i;
    }
    pipeline::NoProgress progress;
    const pipeline::Clip clip = pipeline::ReadMedia(folder / path, progress);
    EXPECT_EQ(ToBytes(clip.frames), ToBytes(frames));
    EXPECT_EQ(clip.info.num_frames, 12);
    EXPECT_EQ(clip.info.comment, options.comment);
    EXPECT_EQ(pipeline::ProbeMedia(folder / path).num_frames, 12);
  }
  EXPECT_EQ(NamesIn(folder / "new/frames").size(), 12u);
  EXPECT_EQ(NamesIn(folder / "new/frames").front(), "0000.png");
  EXPECT_EQ(NamesIn(folder / "new/frames").back(), "0011.png");
}

TEST(Png, AShorterClipLeavesNoFramesOfTheLongerOne) {
  const TempFolder folder;
  Write(folder / "f/", Noise(7, 8, 8, 1));
  WriteFile(folder / "f/keep.png", "mine");
  Write(folder / "f/", Noise(3, 8, 8, 2));
  EXPECT_EQ(NamesIn(folder / "f"), (std::vector<std::string>{"0000.png", "0001.png", "0002.png", "keep.png"}));
}

TEST(Png, TheCommentIsAPlainInternationalTextChunk) {
  const HostTensor image = Gradient(1, 4, 4);
  const std::string json = "{\"a\": \"\xF0\x9F\x8E\xA8 \\n\"}";
  const std::string png = pipeline::EncodePng(ToBytes(image).data(), 4, 4, json);
  const size_t at = png.find("iTXtsparge");
  ASSERT_NE(at, std::string::npos);
  EXPECT_EQ(png.substr(at + 10, 5), std::string(5, '\0'));
  EXPECT_EQ(png.substr(at + 15, json.size()), json);
  EXPECT_LT(at, png.find("IDAT"));
}

TEST(Png, CompressedTextAndForeignChunksAreRead) {
  // Written by hand from the PNG specification: a foreign iTXt first, then a compressed `sparge` of 20,000 letters a.
  const std::string plain = pipeline::EncodePng(ToBytes(Gradient(1, 4, 4)).data(), 4, 4, "foreign");
  const size_t start = plain.find("iTXt") - 4, end = start + 12 + 6 + 5 + 7;
  const auto chunk = [](const std::string& data) {
    // The CRC-32 of the specification's appendix D, bit by bit.
    uint32_t crc = 0xFFFFFFFFu;
    for (unsigned char byte : "iTXt" + data) {
      crc ^= byte;
      for (int k = 0; k < 8; ++k) crc = crc & 1 ? 0xEDB88320u ^ (crc >> 1) : crc >> 1;
    }
    crc = ~crc;
    std::string out;
    for (uint32_t value : {static_cast<uint32_t>(data.size())}) {
      for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
    }
    out += "iTXt" + data;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(crc >> shift & 0xFF);
    return out;
  };
  // zlib stream of one stored block (RFC 1950, 1951) holding "{}", Adler-32 0x017500F9.
  const std::string stored("\x78\x01\x01\x02\x00\xfd\xff{}\x01\x75\x00\xf9", 13);
  const TempFolder folder;
  WriteFile(folder / "a.png", plain.substr(0, start) + chunk(std::string("other\0\0\0\0\0no", 12)) +
                                  chunk(std::string("sparge\0\1\0en\0Sparge\0", 19) + stored) + plain.substr(end));
  EXPECT_EQ(pipeline::ProbeMedia(folder / "a.png").comment, "{}");
}

}  // namespace
}  // namespace media_test
