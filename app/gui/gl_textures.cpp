#include "app/gui/gl_textures.h"

#include <GL/gl.h>

#ifndef GL_CLAMP_TO_EDGE
#define GL_CLAMP_TO_EDGE 0x812F  // OpenGL 1.2, which gl.h need not have
#endif

namespace app {

GLTextures::~GLTextures() {
  for (const auto& [number, slot] : slots_) glDeleteTextures(1, &slot.texture);
}

ImTextureID GLTextures::Show(int slot_number, const ui::Image& image, bool smooth) {
  const auto bytes = static_cast<size_t>(image.width_px) * static_cast<size_t>(image.height_px) * 3;
  if (!image.rgb || image.width_px < 1 || image.height_px < 1 || image.rgb->size() < bytes) return nullptr;
  Slot& slot = slots_[slot_number];
  if (slot.texture == 0) glGenTextures(1, &slot.texture);
  glBindTexture(GL_TEXTURE_2D, slot.texture);
  const auto texture = reinterpret_cast<ImTextureID>(static_cast<uintptr_t>(slot.texture));
  if (slot.id != image.id || slot.smooth != smooth) painted_over_.insert(texture);
  slot.smooth = smooth;
  if (slot.id != image.id) {
    glPixelStorei(GL_UNPACK_ALIGNMENT, 1);
    const bool same_size = slot.width_px == image.width_px && slot.height_px == image.height_px;
    if (same_size) {
      glTexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, image.width_px, image.height_px, GL_RGB, GL_UNSIGNED_BYTE,
                      image.rgb->data());
    } else {
      glTexImage2D(GL_TEXTURE_2D, 0, GL_RGB, image.width_px, image.height_px, 0, GL_RGB, GL_UNSIGNED_BYTE,
                   image.rgb->data());
      glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_S, GL_CLAMP_TO_EDGE);
      glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_WRAP_T, GL_CLAMP_TO_EDGE);
    }
    slot.id = image.id;
    slot.width_px = image.width_px;
    slot.height_px = image.height_px;
  }
  const int filter = smooth ? GL_LINEAR : GL_NEAREST;
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_LINEAR);
  glTexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, filter);
  return texture;
}

uint64_t GLTextures::Bytes(int first, int last) const {
  uint64_t sum = 0;
  for (auto it = slots_.lower_bound(first); it != slots_.end() && it->first <= last; ++it)
    sum += static_cast<uint64_t>(it->second.width_px) * static_cast<uint64_t>(it->second.height_px) * 4;
  return sum;
}

}  // namespace app
