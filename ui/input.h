#pragma once

#include <imgui.h>

#include <cstdint>
#include <vector>

#include "ui/view.h"

namespace ui {

// Keys besides printable ASCII (letters as capitals).
enum Key : int {
  kKeyF1 = 256,
  kKeyEscape,
  kKeyEnter,
  kKeyTab,
  kKeyBackspace,
  kKeyDelete,
  kKeyLeft,
  kKeyRight,
  kKeyUp,
  kKeyDown,
  kKeyHome,
  kKeyEnd,
  kKeyMenu,  // also Shift+F10
  kKeyF6,
};

struct KeyPress {
  int key = 0;
  bool ctrl = false, shift = false, alt = false;
};

struct FrameInput {
  double time_s = 0;           // of a clock that never goes back
  std::vector<KeyPress> keys;  // pressed since the last frame
};

// Where pictures become textures.
class Textures {
 public:
  virtual ~Textures() = default;
  // The picture in the texture of this slot; uploads it only where the slot holds another `id`. `smooth`: between
  // pixels when enlarged. Null where it cannot be shown.
  virtual ImTextureID Show(int slot, const Image& image, bool smooth) = 0;
  // Of video memory that the slots from `first` to `last` take, at 32 bits a pixel.
  virtual uint64_t Bytes(int first, int last) const = 0;
};

}  // namespace ui
