#include "app/gui/painter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <backends/imgui_impl_opengl3.h>

#define GL_GLEXT_PROTOTYPES
#include <GL/gl.h>
#include <GL/glext.h>

#include "attention/base/error.h"

namespace app {

Painter::~Painter() {
  glDeleteFramebuffers(1, &framebuffer_);
  glDeleteRenderbuffers(1, &pixels_);
}

void Painter::Fit(int width, int height) {
  if (framebuffer_ != 0 && width == width_ && height == height_) return;
  if (framebuffer_ == 0) {
    glGenFramebuffers(1, &framebuffer_);
    glGenRenderbuffers(1, &pixels_);
  }
  glBindRenderbuffer(GL_RENDERBUFFER, pixels_);
  glRenderbufferStorage(GL_RENDERBUFFER, GL_RGBA8, std::max(width, 1), std::max(height, 1));
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glFramebufferRenderbuffer(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_RENDERBUFFER, pixels_);
  base::Check(glCheckFramebufferStatus(GL_FRAMEBUFFER) == GL_FRAMEBUFFER_COMPLETE, base::ErrorCode::kUnsupported,
              "OpenGL has no picture of ", width, " × ", height, " px: make the window smaller");
  width_ = width;
  height_ = height;
  changes_.Forget();
}

bool Painter::Paint(ImDrawData& frame, GLTextures& textures, int width, int height) {
  Fit(width, height);
  const std::set<ImTextureID> painted_over = textures.TakePaintedOver();
  const std::vector<ui::PixelRect> rects =
      changes_.Next(frame, [&](ImTextureID texture) { return painted_over.count(texture) != 0; });
  if (rects.empty()) return false;
  ui::LimitTo(rects, frame);
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glClearColor(0, 0, 0, 1);
  glEnable(GL_SCISSOR_TEST);
  for (const ui::PixelRect& rect : rects) {  // OpenGL's rows begin at the bottom
    glScissor(rect.x0, height - rect.y1, rect.x1 - rect.x0, rect.y1 - rect.y0);
    glClear(GL_COLOR_BUFFER_BIT);
  }
  glDisable(GL_SCISSOR_TEST);
  ImGui_ImplOpenGL3_RenderDrawData(&frame);
  glBindFramebuffer(GL_FRAMEBUFFER, 0);
  return true;
}

void Painter::CopyToWindow() const {
  glBindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer_);
  glBindFramebuffer(GL_DRAW_FRAMEBUFFER, 0);
  glBlitFramebuffer(0, 0, width_, height_, 0, 0, width_, height_, GL_COLOR_BUFFER_BIT, GL_NEAREST);
  glBindFramebuffer(GL_FRAMEBUFFER, 0);
}

ui::Image Painter::Read() const {
  const size_t row = static_cast<size_t>(width_) * 3;
  std::vector<uint8_t> bottom_up(row * static_cast<size_t>(height_)), rgb(bottom_up.size());
  glBindFramebuffer(GL_FRAMEBUFFER, framebuffer_);
  glPixelStorei(GL_PACK_ALIGNMENT, 1);
  glReadPixels(0, 0, width_, height_, GL_RGB, GL_UNSIGNED_BYTE, bottom_up.data());
  glBindFramebuffer(GL_FRAMEBUFFER, 0);
  for (size_t y = 0; y < static_cast<size_t>(height_); ++y) {
    std::copy_n(bottom_up.begin() + static_cast<ptrdiff_t>((static_cast<size_t>(height_) - 1 - y) * row), row,
                rgb.begin() + static_cast<ptrdiff_t>(y * row));
  }
  return {0, width_, height_, std::make_shared<std::vector<uint8_t>>(std::move(rgb))};
}

}  // namespace app
