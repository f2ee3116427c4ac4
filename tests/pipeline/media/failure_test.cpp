// Cancel, full disks, non-finite frames, hostile files.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/pipeline/media/media_support.h"

namespace media_test {
namespace {

using base::ErrorCode;
using pipeline::HostTensor;
using pipeline::VideoOptions;

const char* const kOutputs[] = {"a.mp4", "a.mkv", "a.mov", "a.webm", "a.gif", "frames/"};

class CancelAt : public pipeline::Progress {
 public:
  explicit CancelAt(int64_t frame) : frame_(frame) {}
  void Update(pipeline::Stage stage, int64_t done, int64_t total) override {
    EXPECT_EQ(stage, pipeline::Stage::kWrite);
    last_ = done;
    total_ = total;
    if (done >= frame_) Cancel();
  }
  int64_t last() const { return last_; }
  int64_t total() const { return total_; }

 private:
  int64_t frame_, last_ = -1, total_ = -1;
};

TEST(MediaFailure, CancelLeavesNothing) {
  const TempFolder folder;
  const HostTensor frames = Gradient(20, 64, 64);
  for (const char* output : kOutputs) {
    for (int64_t frame : {0, 1, 13, 19}) {
      CancelAt progress(frame);
      const base::Error error = Caught([&] {
        pipeline::WriteMedia(folder / (std::string("new/") + output), pipeline::ViewOf(frames), {}, progress);
      });
      EXPECT_EQ(error.code(), ErrorCode::kCancelled) << output;
      EXPECT_EQ(progress.last(), frame) << output;
      EXPECT_TRUE(NamesIn(folder.path()).empty()) << output;
    }
  }
}

TEST(MediaFailure, ProgressCountsFrames) {
  const TempFolder folder;
  for (const char* output : kOutputs) {
    CancelAt progress(1000);
    pipeline::WriteMedia(folder / output, pipeline::ViewOf(Gradient(5, 32, 32)), {}, progress);
    EXPECT_EQ(progress.last(), 5);
    EXPECT_EQ(progress.total(), 5);
  }
}

TEST(MediaFailure, NonFiniteFramesAreAnError) {
  const TempFolder folder;
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    HostTensor frames = Gradient(4, 32, 32);
    frames.data[2 * 32 * 32 * 3 + 17] = bad;
    for (const char* output : kOutputs) {
      const base::Error error = Caught([&] { Write(folder / output, frames); });
      EXPECT_EQ(error.code(), ErrorCode::kNonFinite) << output;
      EXPECT_NE(std::string(error.what()).find("frame 2"), std::string::npos) << error.what();
    }
    VideoOptions deep;
    deep.codec = "prores";
    EXPECT_EQ(Caught([&] { Write(folder / "a.mov", frames, deep); }).code(), ErrorCode::kNonFinite);
  }
  EXPECT_TRUE(NamesIn(folder.path()).empty());
}

struct Unmounter {
  std::string path;
  ~Unmounter() { umount2(path.c_str(), MNT_DETACH); }
};

TEST(MediaFailure, AFullDiskLeavesNothing) {
  const TempFolder folder;
  if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=128k") != 0) {
    GTEST_SKIP() << "mounting a small tmpfs needs root: " << std::strerror(errno);
  }
  const Unmounter unmounter{folder.path()};
  const HostTensor frames = Noise(12, 128, 128, 1);
  for (const char* output : kOutputs) {
    const std::string path = folder / (std::string("new/") + output);
    EXPECT_NO_THROW(pipeline::ValidateOutput(path, {}, 12, 128, 128));
    const base::Error error = Caught([&] { Write(path, frames); });
    EXPECT_EQ(error.code(), ErrorCode::kIo) << error.what();
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("free some space"), std::string::npos) << error.what();
    EXPECT_TRUE(NamesIn(folder.path()).empty()) << output;
  }
  // What was there before stays.
  Write(folder / "a.png", Noise(1, 16, 16, 1));
  const std::string before = ReadFile(folder / "a.png");
  EXPECT_EQ(Caught([&] { Write(folder / "a.png", Noise(1, 256, 256, 1)); }).code(), ErrorCode::kIo);
  EXPECT_EQ(ReadFile(folder / "a.png"), before);
}

base::Error ReadError(const std::string& path) {
  pipeline::NoProgress progress;
  return Caught([&] { pipeline::ReadMedia(path, progress); });
}

TEST(HostileMedia, WhatIsNoMedia) {
  const TempFolder folder;
  ASSERT_EQ(mkdir((folder / "folder.mp4").c_str(), 0777), 0);
  ASSERT_EQ(mkfifo((folder / "pipe.mp4").c_str(), 0666), 0);
  WriteFile(folder / "secret.mp4", "");
  for (const char* name : {"text.mp4", "text.png", "text.gif", "text.mkv", "text.webm"}) {
    WriteFile(folder / name, "This is a text file, not a clip.\n");
  }
  Write(folder / "real.mp4", Gradient(2, 32, 32));
  // A playlist and a script that would open another file.
  WriteFile(folder / "list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n");
  WriteFile(folder / "script.mp4", "ffconcat version 1.0\nfile real.mp4\n");
  for (const char* name :
       {"folder.mp4", "pipe.mp4", "secret.mp4", "text.mp4", "text.png", "text.gif", "text.mkv", "text.webm", "list.mp4",
        "script.mp4", "missing.mp4", "missing/", "folder.mp4/", "f_%04d.png", "%s.png", ""}) {
    const std::string path = name[0] == 0 ? "" : folder / name;
    for (const base::Error& error : {ReadError(path), Caught([&] { pipeline::ProbeMedia(path); })}) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << name << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find(name[0] == 0 ? "empty" : folder.path()), std::string::npos)
          << error.what();
    }
  }
}

TEST(HostileMedia, SoundAloneIsNoClip) {
  const TempFolder folder;
  RunCommand({"ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=d=0.2", "-c:a", "aac", folder / "a.mp4"});
  EXPECT_NE(std::string(ReadError(folder / "a.mp4").what()).find("no pictures"), std::string::npos);
}

TEST(HostileMedia, FramesOfDifferentSizes) {
  const TempFolder folder;
  Write(folder / "f/", Noise(2, 8, 8, 1));
  Write(folder / "f/0002.png", Noise(1, 8, 9, 1));
  EXPECT_EQ(ReadError(folder / "f/").code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(Caught([&] { pipeline::ProbeMedia(folder / "f/"); }).code(), ErrorCode::kInvalidInput);
}

TEST(HostileMedia, TooLargeForMemory) {
  const TempFolder folder;
  Write(folder / "a.mp4", Gradient(10, 64, 64));
  pipeline::NoProgress progress;
  const base::Error error = Caught([&] { pipeline::ReadMedia(folder / "a.mp4", progress, 9 * 64 * 64 * 12); });
  EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
}

TEST(HostileMedia, CutShort) {
  const TempFolder folder;
  VideoOptions options;
  options.comment = std::string(2000, 'j');
  for (const char* name : {"a.mp4", "a.mov", "a.mkv", "a.webm", "a.gif", "a.png"}) {
    const bool image = std::string(name) == "a.png";
    Write(folder / name, Noise(image ? 1 : 10, 48, 48, 4), options);
    const std::string whole = ReadFile(folder / name);
    for (double share : {0.05, 0.2, 0.5, 0.9}) {
      const std::string cut = folder / (std::string("cut_") + name);
      WriteFile(cut, whole.substr(0, static_cast<size_t>(static_cast<double>(whole.size()) * share)));
      for (const base::Error& error : {ReadError(cut), Caught([&] { pipeline::ProbeMedia(cut); })}) {
        EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << name << " " << share << ": " << error.what();
      }
    }
  }
}

TEST(HostileMedia, DamagedBytesGiveErrorsOrFrames) {
  const TempFolder folder;
  VideoOptions options;
  options.comment = "{\"prompt\": \"x\"}";
  uint32_t random = 12345;
  for (const char* name : {"a.mp4", "a.mkv", "a.webm", "a.gif", "a.png"}) {
    const bool image = std::string(name) == "a.png";
    Write(folder / name, Noise(image ? 1 : 3, 32, 32, 4), options);
    const std::string whole = ReadFile(folder / name);
    for (int round = 0; round < 60; ++round) {
      std::string damaged = whole;
      for (int flips = 0; flips <= round % 8; ++flips) {
        random = random * 1664525u + 1013904223u;
        // Half of the damage goes into the header.
        const size_t range = round % 2 == 0 ? std::min<size_t>(whole.size(), 600) : whole.size();
        damaged[(random >> 4) % range] ^= static_cast<char>(1 + random % 255);
      }
      WriteFile(folder / name, damaged);
      pipeline::NoProgress progress;
      try {
        const pipeline::Clip clip = pipeline::ReadMedia(folder / name, progress, int64_t{64} << 20);
        EXPECT_EQ(clip.frames.numel(), static_cast<int64_t>(clip.frames.data.size()));
        pipeline::ProbeMedia(folder / name);
      } catch (const base::Error& error) {
        EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
      }
    }
  }
}

TEST(HostileMedia, DamagedPngText) {
  const TempFolder folder;
  VideoOptions options;
  options.comment = "{\"prompt\": \"red\"}";
  Write(folder / "a.png", Gradient(1, 8, 8), options);
  std::string bytes = ReadFile(folder / "a.png");
  bytes.replace(bytes.find("red"), 3, "bad");
  WriteFile(folder / "a.png", bytes);
  const base::Error error = Caught([&] { pipeline::ProbeMedia(folder / "a.png"); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_NE(std::string(error.what()).find("checksum"), std::string::npos) << error.what();
}

}  // namespace
}  // namespace media_test
