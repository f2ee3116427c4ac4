#include "app/compare/align.h"

#include "tests/app/compare/support.h"

namespace app {
namespace {

SourceInfo Clip(int64_t width, int64_t height, int64_t frames, double fps, const std::string& name = "x.mp4") {
  SourceInfo source;
  source.path = source.name = name;
  source.width_px = width;
  source.height_px = height;
  source.num_frames = frames;
  source.fps = fps;
  return source;
}

void ExpectParts(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}

TEST(CompareAlign, RefusesWhatDiffersWithBothValuesAndTheFlag) {
  const std::vector<SourceInfo> sources = {Clip(128, 96, 49, 16, "a.mp4"), Clip(64, 48, 49, 16, "b.mp4"),
                                           Clip(128, 96, 40, 16, "c.mp4")};
  const std::string text = ErrorsOf([&] { Align(sources, {}); });
  ExpectParts(text,
              {"B 'b.mp4' is 64x48 px, the reference 'a.mp4' 128x96 px", "--size ref", "--size smallest", "--size WxH",
               "C 'c.mp4' holds 40 frames, the reference 'a.mp4' 49", "--length shortest", "--shift C:N"});
  const std::string rates = ErrorsOf([&] { Align({Clip(8, 8, 48, 24), Clip(8, 8, 32, 16)}, {}); });
  ExpectParts(rates, {"runs at 16 fps", "at 24;", "--rate ref", "--rate frames"});
  EXPECT_EQ(rates.find("--length"), std::string::npos) << rates;  // both last two seconds
  ExpectParts(ErrorsOf([&] { Align({Clip(8, 8, 48, 24000 / 1001.0), Clip(8, 8, 48, 24)}, {}); }), {"at 23.976;"});
  ExpectParts(ErrorsOf([&] {
                Align({Clip(8, 8, 5, 16), Clip(8, 8, 5, 16)}, {.shift = {{1, 5}}});
              }),
              {"--shift leaves no frame"});
  ExpectParts(ErrorsOf([&] {
                Align({Clip(8, 8, 5, 16), Clip(8, 8, 5, 16)}, {.shift = {{2, 1}}});
              }),
              {"--shift C:1", "the others are B"});
}

TEST(CompareAlign, SizesAsTold) {
  const std::vector<SourceInfo> sources = {Clip(128, 96, 5, 16), Clip(64, 48, 5, 16), Clip(200, 100, 5, 16)};
  const auto size_of = [&](AlignOptions options) {
    const Alignment alignment = Align(sources, options);
    return std::pair(alignment.width_px, alignment.height_px);
  };
  EXPECT_EQ(size_of({.size = AlignOptions::Size::kReference}), std::pair(int64_t{128}, int64_t{96}));
  EXPECT_EQ(size_of({.size = AlignOptions::Size::kSmallest}), std::pair(int64_t{64}, int64_t{48}));
  EXPECT_EQ(size_of({.size = AlignOptions::Size::kFixed, .width_px = 33, .height_px = 21}),
            std::pair(int64_t{33}, int64_t{21}));
}

TEST(CompareAlign, UnknownRatesFollow) {
  const Alignment alignment = Align({Clip(8, 8, 5, 0), Clip(8, 8, 5, 12)}, {});
  EXPECT_EQ(alignment.fps, 12);
  EXPECT_EQ(alignment.num_frames, 5);
  EXPECT_EQ(Align({Clip(8, 8, 1, 0), Clip(8, 8, 1, 0)}, {}).fps, 16);
}

class CompareStreams : public TempFolderTest {
 protected:
  // The levels of both on their clock.
  std::pair<std::vector<int>, std::vector<int>> Play(const std::string& a, const std::string& b, AlignOptions options) {
    const Alignment alignment = Align({ProbeSource(a), ProbeSource(b)}, options);
    AlignedStream first(a, alignment.tracks[0], alignment), second(b, alignment.tracks[1], alignment);
    std::pair<std::vector<int>, std::vector<int>> levels;
    for (int64_t t = 0; t < alignment.num_frames; ++t) {
      levels.first.push_back(NextLevel(first));
      levels.second.push_back(NextLevel(second));
    }
    return levels;
  }
};

using Levels = std::vector<int>;

TEST_F(CompareStreams, ShiftEitherWay) {
  WriteLevels(Path("a.mkv"), {10, 20, 30, 40, 50}, 16);
  WriteLevels(Path("b.mkv"), {1, 2, 10, 20, 30, 40, 50}, 16);
  // Two frames too many at the start: then both are of one length.
  const auto late = Play(Path("a.mkv"), Path("b.mkv"), {.shift = {{1, 2}}});
  EXPECT_EQ(late.first, (Levels{10, 20, 30, 40, 50}));
  EXPECT_EQ(late.second, late.first);
  const auto early = Play(Path("b.mkv"), Path("a.mkv"), {.shift = {{1, -2}}});
  EXPECT_EQ(early.first, (Levels{10, 20, 30, 40, 50}));
  EXPECT_EQ(early.second, early.first);
  // Of one length, moved: the common part.
  const auto moved = Play(Path("a.mkv"), Path("a.mkv"), {.shift = {{1, 1}}});
  EXPECT_EQ(moved.first, (Levels{10, 20, 30, 40}));
  EXPECT_EQ(moved.second, (Levels{20, 30, 40, 50}));
  EXPECT_FALSE(ErrorsOf([&] { Play(Path("a.mkv"), Path("b.mkv"), {.shift = {{1, 1}}}); }).empty());
  const auto cut = Play(Path("a.mkv"), Path("b.mkv"), {.shortest = true, .shift = {{1, 1}}});
  EXPECT_EQ(cut.first, (Levels{10, 20, 30, 40, 50}));
  EXPECT_EQ(cut.second, (Levels{2, 10, 20, 30, 40}));
}

TEST_F(CompareStreams, RateOfTheReference) {
  WriteLevels(Path("slow.mkv"), {10, 20, 30, 40}, 8);
  WriteLevels(Path("fast.mkv"), {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 24);
  using Rate = AlignOptions::Rate;
  const auto down = Play(Path("slow.mkv"), Path("fast.mkv"), {.rate = Rate::kReference});
  EXPECT_EQ(down.second, (Levels{1, 4, 7, 10}));
  const auto up = Play(Path("fast.mkv"), Path("slow.mkv"), {.rate = Rate::kReference});
  EXPECT_EQ(up.second, (Levels{10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40}));
  // One frame of the fast clip is a third of one of the slow clip's.
  const auto shifted =
      Play(Path("slow.mkv"), Path("fast.mkv"), {.rate = Rate::kReference, .shortest = true, .shift = {{1, 1}}});
  EXPECT_EQ(shifted.second, (Levels{2, 5, 8, 11}));
  const auto frames = Play(Path("slow.mkv"), Path("fast.mkv"), {.rate = Rate::kFrames, .shortest = true});
  EXPECT_EQ(frames.first, (Levels{10, 20, 30, 40}));
  EXPECT_EQ(frames.second, (Levels{1, 2, 3, 4}));
}

// Frames shown for 1, 3, 1 and 3 ticks of 1/16 s.
TEST_F(CompareStreams, VariableRateByItsOwnTimes) {
  WriteLevels(Path("even.mkv"), {10, 20, 30, 40, 50, 60, 70, 80}, 16);
  Ffmpeg({"-i", Path("even.mkv"), "-vf", "select='not(mod(n,4))+eq(mod(n,4),1)'", "-vsync", "vfr", "-c:v", "ffv1",
          Path("uneven.mkv")});
  const SourceInfo uneven = ProbeSource(Path("uneven.mkv"));
  ASSERT_EQ(uneven.num_frames, 4);
  Alignment alignment;
  alignment.width_px = alignment.height_px = 16;
  alignment.fps = 16;
  AlignedStream stream(Path("uneven.mkv"), {.by_time = true, .fps = uneven.fps}, alignment);
  Levels levels;
  for (int t = 0; t < 8; ++t) levels.push_back(NextLevel(stream));
  EXPECT_EQ(levels, (Levels{10, 20, 20, 20, 50, 60, 60, 60}));
}

TEST_F(CompareStreams, AStillAndAClip) {
  WriteLevels(Path("still.png"), {20}, 16);
  WriteLevels(Path("clip.mkv"), {20, 30, 40}, 16);
  EXPECT_NE(ErrorsOf([&] { Play(Path("clip.mkv"), Path("still.png"), {}); }).find("holds 1 frame, "),
            std::string::npos);
  const auto first = Play(Path("clip.mkv"), Path("still.png"), {.shortest = true});
  EXPECT_EQ(first.first, (Levels{20}));
  EXPECT_EQ(first.second, (Levels{20}));
}

}  // namespace
}  // namespace app
