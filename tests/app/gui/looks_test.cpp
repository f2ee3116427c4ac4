#include "app/gui/looks.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "pipeline/weights/safetensors.h"
#include "tests/app/temp_folder.h"
#include "ui/theme.h"

namespace app {
namespace {

using pipeline::DType;
using ui::BlockMapView;

class LooksTest : public TempFolderTest {
 protected:
  std::string WriteMap(const std::vector<uint8_t>& bytes, std::vector<int64_t> shape,
                       const std::map<std::string, std::string>& notes = {}) {
    pipeline::WriteTensors(Path("m.safetensors"), {{"block_map", DType::kU8, std::move(shape), bytes.data()}}, notes);
    return Path("m.safetensors");
  }
  static MapFile Of(const std::string& path, int head) {
    MapFile file;
    file.path = path;
    file.head = head;
    return file;
  }
};

TEST_F(LooksTest, AHeadOfAMapIsRead) {
  const std::string path = WriteMap({1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0}, {1, 2, 2, 4});
  const BlockMapView view = ReadBlockMap(Of(path, 1)).view;
  ASSERT_TRUE(view.cells) << view.note;
  EXPECT_EQ(view.query_blocks, 2);
  EXPECT_EQ(view.key_blocks, 4);
  EXPECT_EQ(view.kept, 2);
  EXPECT_EQ(view.visible, 8);
  EXPECT_EQ((*view.cells)[5], BlockMapView::kKept);
  ASSERT_EQ(view.image.width_px, 4);
  const ImU32 kept = ui::Viridis(0), skipped = ui::Viridis(1);
  EXPECT_EQ((*view.image.rgb)[0], kept & 255);
  EXPECT_EQ((*view.image.rgb)[3], skipped & 255);
}

TEST_F(LooksTest, CausalBlocksAreNeitherKeptNorSkipped) {
  const std::string path = WriteMap({1, 1, 0, 0, 1, 0, 0, 1}, {1, 1, 2, 4}, {{"causal", "true"}});
  const BlockMapView view = ReadBlockMap(Of(path, 0)).view;
  ASSERT_TRUE(view.cells) << view.note;
  EXPECT_TRUE(view.causal);
  EXPECT_EQ((*view.cells)[2], BlockMapView::kHidden) << "keys 128 to 191, seen by no query below 128";
  EXPECT_EQ((*view.cells)[5], BlockMapView::kSkipped);
  EXPECT_EQ(view.visible, 6);
}

TEST_F(LooksTest, ManyBlocksMakeASmallerPicture) {
  const int64_t side = 1500;
  const std::string path = WriteMap(std::vector<uint8_t>(side * side, 1), {1, 1, side, side});
  const BlockMapView view = ReadBlockMap(Of(path, 0)).view;
  ASSERT_TRUE(view.cells) << view.note;
  EXPECT_EQ(view.image.width_px, 512);
  EXPECT_EQ(view.kept, side * side);
}

TEST_F(LooksTest, WhatIsNoMapIsSaid) {
  EXPECT_NE(ReadBlockMap(Of(Path("none"), 0)).view.note, "");
  std::ofstream(Path("text")) << "not a file of tensors";
  EXPECT_NE(ReadBlockMap(Of(Path("text"), 0)).view.note, "");
  EXPECT_NE(ReadBlockMap(Of(Path("."), 0)).view.note, "");
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{8}, {2, 4}, {2, 2, 2}, {0, 1, 2, 4}}) {
    EXPECT_NE(ReadBlockMap(Of(WriteMap(std::vector<uint8_t>(8, 1), shape), 0)).view.note, "") << shape.size();
  }
  const std::string path = WriteMap(std::vector<uint8_t>(8, 1), {1, 2, 2, 2});
  EXPECT_NE(ReadBlockMap(Of(path, 2)).view.note.find("2 heads"), std::string::npos);
  const float number = 1;
  pipeline::WriteTensors(Path("d.safetensors"), {{"other", DType::kF32, {1}, &number}}, {{"mode", "dense"}});
  EXPECT_EQ(ReadBlockMap(Of(Path("d.safetensors"), 0)).view.note, "Dense: every block was computed.");
}

TEST_F(LooksTest, APreviewHasToBeAsLargeAsItSays) {
  std::ofstream(Path("p"), std::ios::binary) << std::string(2 * 4 * 3 * 3, 'x');
  PreviewFile file;
  file.path = Path("p");
  file.width_px = 4;
  file.height_px = 2;
  file.num_frames = 3;
  const Preview preview = ReadPreview(file);
  ASSERT_EQ(preview.frames.size(), 3u);
  EXPECT_EQ(preview.frames[2].rgb->size(), 24u);
  for (const int frames : {2, 4, 0, -1, 1 << 30}) {
    file.num_frames = frames;
    EXPECT_TRUE(ReadPreview(file).frames.empty()) << frames;
  }
  file.num_frames = 3;
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  for (const std::string name : {"none", ".", "fifo"}) {
    file.path = Path(name);
    EXPECT_TRUE(ReadPreview(file).frames.empty()) << name << " must not be waited for either";
  }
}

}  // namespace
}  // namespace app
