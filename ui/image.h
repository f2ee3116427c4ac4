#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace ui {

// 8-bit RGB. `id` changes with the content, so that textures are made once.
struct Image {
  uint64_t id = 0;
  int width_px = 0, height_px = 0;
  std::shared_ptr<const std::vector<uint8_t>> rgb;  // [height_px, width_px, 3]
};

}  // namespace ui
