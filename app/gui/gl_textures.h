#pragma once

#include <map>

#include "ui/input.h"

namespace app {

// Pictures as OpenGL textures of the current context, one a slot.
class GLTextures final : public ui::Textures {
 public:
  ~GLTextures() override;
  ImTextureID Show(int slot, const ui::Image& image, bool smooth) override;

 private:
  struct Slot {
    unsigned texture = 0;
    uint64_t id = 0;
    int width_px = 0, height_px = 0;
  };
  std::map<int, Slot> slots_;
};

}  // namespace app
