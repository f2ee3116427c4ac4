#pragma once

#include <map>
#include <set>
#include <utility>

#include "ui/input.h"

namespace app {

// Pictures as OpenGL textures of the current context, one a slot.
class GLTextures final : public ui::Textures {
 public:
  ~GLTextures() override;
  ImTextureID Show(int slot, const ui::Image& image, bool smooth) override;
  uint64_t Bytes(int first, int last) const override;
  // Those that look different since the last call.
  std::set<ImTextureID> TakePaintedOver() { return std::exchange(painted_over_, {}); }

 private:
  struct Slot {
    unsigned texture = 0;
    uint64_t id = 0;
    int width_px = 0, height_px = 0;
    bool smooth = false;
  };
  std::map<int, Slot> slots_;
  std::set<ImTextureID> painted_over_;
};

}  // namespace app
