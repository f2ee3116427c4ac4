#include "app/gui/looks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <memory>

#include "attention/base/error.h"
#include "attention/call.h"
#include "pipeline/weights/safetensors.h"
#include "ui/theme.h"

namespace app {
namespace {

constexpr int64_t kMostPreviewBytes = int64_t{256} << 20, kMostMapBytes = int64_t{1} << 30;
constexpr int64_t kMostBlocks = 1 << 20;  // of one head's map
constexpr int kMostPicture = 512;         // columns and rows of a map's picture
constexpr uint8_t kHiddenGray = 0x80;

// The whole of a regular file of exactly this size; false for any other.
bool ReadExactly(const std::string& path, std::vector<uint8_t>& bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  struct stat info = {};
  size_t done = 0;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && static_cast<uint64_t>(info.st_size) == bytes.size()) {
    while (done < bytes.size()) {
      const ssize_t got = read(fd, bytes.data() + done, bytes.size() - done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<size_t>(got);
    }
  }
  close(fd);
  return done == bytes.size();
}

}  // namespace

Preview ReadPreview(const PreviewFile& file) {
  Preview preview;
  preview.of = file;
  if (file.width_px < 1 || file.height_px < 1 || file.num_frames < 1 || file.width_px > 16384 ||
      file.height_px > 16384 || file.num_frames > 100000) {
    return preview;
  }
  const int64_t frame_bytes = int64_t{file.width_px} * file.height_px * 3;
  if (frame_bytes * file.num_frames > kMostPreviewBytes) return preview;
  std::vector<uint8_t> bytes(static_cast<size_t>(frame_bytes * file.num_frames));
  if (!ReadExactly(file.path, bytes)) return preview;  // replaced or gone meanwhile: the next one comes
  for (int i = 0; i < file.num_frames; ++i) {
    const auto begin = bytes.begin() + frame_bytes * i;
    preview.frames.push_back(
        {0, file.width_px, file.height_px, std::make_shared<std::vector<uint8_t>>(begin, begin + frame_bytes)});
  }
  return preview;
}

void BlockMapImage(ui::BlockMapView& view) {
  const int rows = std::min(view.query_blocks, kMostPicture), columns = std::min(view.key_blocks, kMostPicture);
  auto rgb = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(rows) * static_cast<size_t>(columns) * 3);
  const auto edge = [](int i, int blocks, int pixels) { return static_cast<int>(int64_t{i} * blocks / pixels); };
  for (int row = 0; row < rows; ++row) {
    const int q0 = edge(row, view.query_blocks, rows), q1 = std::max(edge(row + 1, view.query_blocks, rows), q0 + 1);
    for (int column = 0; column < columns; ++column) {
      const int k0 = edge(column, view.key_blocks, columns),
                k1 = std::max(edge(column + 1, view.key_blocks, columns), k0 + 1);
      int visible = 0, skipped = 0;
      for (int q = q0; q < q1; ++q) {
        const uint8_t* cells = view.cells->data() + static_cast<size_t>(q) * static_cast<size_t>(view.key_blocks);
        for (int k = k0; k < k1; ++k) {
          visible += cells[k] != ui::BlockMapView::kHidden;
          skipped += cells[k] == ui::BlockMapView::kSkipped;
        }
      }
      uint8_t* pixel =
          rgb->data() + (static_cast<size_t>(row) * static_cast<size_t>(columns) + static_cast<size_t>(column)) * 3;
      if (visible == 0) {
        std::fill_n(pixel, 3, kHiddenGray);
        continue;
      }
      const ImU32 color = ui::Viridis(static_cast<double>(skipped) / visible);
      for (int i = 0; i < 3; ++i) pixel[i] = static_cast<uint8_t>((color >> (8 * i)) & 255);
    }
  }
  view.image = {0, columns, rows, std::move(rgb)};
}

BlockMapPicture ReadBlockMap(const MapFile& file) {
  BlockMapPicture picture;
  picture.of = file;
  ui::BlockMapView& view = picture.view;
  view.step = file.step;
  view.layer = file.layer;
  view.head = file.head;
  view.pass = file.pass;
  view.passes = file.passes;
  view.query_block_tokens = static_cast<int>(attention::kQueryBlock);
  view.key_block_tokens = static_cast<int>(attention::kKeyBlock);
  try {
    std::error_code error;
    const auto size = std::filesystem::file_size(file.path, error);
    base::Check(!error, base::ErrorCode::kIo, "the file with this map is gone");
    base::Check(size <= kMostMapBytes, base::ErrorCode::kInvalidInput, file.path, ": ", size, " bytes for one map");
    const auto maps = pipeline::SafetensorsFile::Open(file.path);
    const auto found = maps->tensors().find("block_map");
    if (found == maps->tensors().end()) {
      const auto mode = maps->metadata().find("mode");
      const bool dense = mode != maps->metadata().end() && mode->second == "dense";
      view.note = dense ? "Dense: every block was computed." : "There is no map in " + file.path + ".";
      return picture;
    }
    const pipeline::TensorEntry& entry = found->second;
    const std::vector<int64_t>& shape = entry.shape;
    const bool fits = entry.dtype == pipeline::DType::kU8 && shape.size() == 4 && shape[0] >= 1 && shape[1] >= 1 &&
                      shape[2] >= 1 && shape[3] >= 1 && shape[2] <= kMostBlocks && shape[3] <= kMostBlocks &&
                      shape[2] * shape[3] <= (int64_t{1} << 26);
    base::Check(fits, base::ErrorCode::kInvalidInput, file.path,
                ": block_map is no U8 [batch, heads, query blocks, key blocks]");
    base::Check(file.head < shape[1], base::ErrorCode::kInvalidInput, file.path, ": has ", shape[1],
                " heads, and this is head ", file.head);
    const auto causal = maps->metadata().find("causal");
    view.causal = causal != maps->metadata().end() && (causal->second == "1" || causal->second == "true");
    view.query_blocks = static_cast<int>(shape[2]);
    view.key_blocks = static_cast<int>(shape[3]);
    const auto blocks = static_cast<size_t>(shape[2] * shape[3]);
    const auto* bytes = reinterpret_cast<const uint8_t*>(entry.data) + static_cast<size_t>(file.head) * blocks;
    auto cells = std::make_shared<std::vector<uint8_t>>(blocks);
    // Causal: query block i ends at token (i + 1) · 128 less what the keys are longer by.
    const int64_t offset = shape[3] * attention::kKeyBlock - shape[2] * attention::kQueryBlock;
    for (int64_t q = 0; q < shape[2]; ++q) {
      const int64_t last = (q + 1) * attention::kQueryBlock + std::max<int64_t>(offset, 0);
      for (int64_t k = 0; k < shape[3]; ++k) {
        const auto i = static_cast<size_t>(q * shape[3] + k);
        const bool kept = bytes[i] != 0, hidden = view.causal && !kept && k * attention::kKeyBlock >= last;
        (*cells)[i] = kept ? ui::BlockMapView::kKept : hidden ? ui::BlockMapView::kHidden : ui::BlockMapView::kSkipped;
        view.visible += !hidden;
        view.kept += kept;
      }
    }
    view.cells = std::move(cells);
    BlockMapImage(view);
  } catch (const base::Error& error) {
    view.note = error.what();
  } catch (const std::bad_alloc&) {
    view.note = "There is no memory for this map.";
  }
  return picture;
}

}  // namespace app
