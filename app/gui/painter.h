#pragma once

#include <imgui.h>

#include "app/gui/gl_textures.h"
#include "ui/draw_changes.h"
#include "ui/image.h"

namespace app {

// What the window shows, in a framebuffer of its own: of a frame only what changed is painted, and where nothing did
// the window is left alone. For the current OpenGL 3 context.
class Painter {
 public:
  Painter() = default;
  ~Painter();
  Painter(const Painter&) = delete;
  Painter& operator=(const Painter&) = delete;

  // Paints ImGui's frame, which is cut down to its changes; whether there are any.
  bool Paint(ImDrawData& frame, GLTextures& textures, int width, int height);
  // Copies all of it to the window's back buffer.
  void CopyToWindow() const;
  ui::Image Read() const;

  // All is painted the next time.
  void Forget() { changes_.Forget(); }

 private:
  void Fit(int width, int height);

  ui::DrawChanges changes_;
  unsigned framebuffer_ = 0, pixels_ = 0;
  int width_ = 0, height_ = 0;
};

}  // namespace app
