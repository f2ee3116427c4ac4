#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ui/view.h"

// What a worker leaves in files for the window to look at (docs/worker.md): previews and block maps. The files are of
// any content; what is not as expected is no picture. To be called beside the window, not in it.
namespace app {

struct PreviewFile {
  uint64_t job = 0;
  std::string path;
  int width_px = 0, height_px = 0, num_frames = 0;
  double fps = 0;  // at which they show the whole clip in its time
  std::string badge;
};

struct Preview {
  PreviewFile of;
  std::vector<ui::Image> frames;  // without ids; empty where the file is not as it should be
};
Preview ReadPreview(const PreviewFile& file);

struct MapFile {
  uint64_t job = 0;
  std::string path;
  int step = 0, layer = 0, head = 0;
  std::string pass;
  std::vector<std::string> passes;
};

struct BlockMapPicture {
  MapFile of;
  ui::BlockMapView view;  // with a note in place of cells where there are none; its image has no id
};
BlockMapPicture ReadBlockMap(const MapFile& file);

// One cell of a block map as colour, and the mean of several: by the share of what is visible that is skipped.
void BlockMapImage(ui::BlockMapView& view);

}  // namespace app
