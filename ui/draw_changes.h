#pragma once

#include <imgui.h>

#include <functional>
#include <string>
#include <vector>

namespace ui {

// Of a framebuffer, y down; x1 and y1 are outside.
struct PixelRect {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

// Where a frame of ImGui looks different from the one before: under the triangles that came, went or changed. Painting
// is what a frame costs where OpenGL is done in software; most frames change a number, a bar or a picture.
class DrawChanges {
 public:
  // In tiles' steps, without overlap; empty where both look alike. `painted_over`: whether the texture has another
  // content than in the last frame. Remembers this frame.
  std::vector<PixelRect> Next(const ImDrawData& frame, const std::function<bool(ImTextureID)>& painted_over);

  // All of the next frame is a change.
  void Forget() { known_ = false; }

 private:
  struct Call {
    ImVec4 clip;
    ImTextureID texture = nullptr;
    std::vector<ImDrawVert> corners;  // three a triangle
  };
  struct List {
    std::string window;
    std::vector<Call> calls;
  };
  void Compare(const List& before, const List& now, const std::function<bool(ImTextureID)>& painted_over);
  void Compare(const Call& before, const Call& now, bool painted_over);
  void MarkAll(const List& list);
  void MarkAll(const Call& call) { Mark(call, 0, call.corners.size() / 3); }
  void Mark(const Call& call, size_t first, size_t end);  // triangles
  std::vector<PixelRect> Marked() const;

  bool known_ = false;
  ImVec2 origin_, size_, scale_;  // of the display
  int width_ = 0, height_ = 0;    // of the framebuffer
  std::vector<List> before_;
  int tiles_x_ = 0, tiles_y_ = 0;
  std::vector<char> marks_;  // [tiles_y_, tiles_x_]
};

// Cuts the frame down to what lies in the rectangles; for who draws it then.
void LimitTo(const std::vector<PixelRect>& rects, ImDrawData& frame);

}  // namespace ui
