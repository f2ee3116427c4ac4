#pragma once

#include <memory>
#include <string>

#include "app/gui/controller.h"
#include "ui/studio.h"

namespace app {

struct WindowOptions {
  std::string font;  // a file; "": none
  ui::FontFile cjk_font;
  int width = 1440, height = 900;
  bool maximized = false;
};

// A window with an OpenGL 3 context that shows a studio. One at a time; for the thread that made it.
class Window {
 public:
  // Throws base::Error{kUnsupported} where there is no display or no OpenGL 3.
  explicit Window(WindowOptions options);
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  // Waits for input, the controller or the clock, as long as nothing moves; then does what was asked for and draws if
  // anything may look different. False when the window is to close.
  bool Step(Controller& controller, ui::Studio& studio);

  // The window and its context are destroyed and made again; the studio and the controller do not notice.
  void Recreate();

  // For tests and benchmarks: frames so far (of which only what changes is painted); while jobs rendered, the longest
  // time that something waited for the next frame, or that the window did not look whether there is something.
  int64_t frames() const;
  double longest_gap_s() const;
  // What the next frame looks like, drawn now.
  ui::Image Picture(Controller& controller, ui::Studio& studio);
  // As if all of the next frame had changed.
  void PaintAllAnew();
  int width() const;
  int height() const;

  // From any thread: Step looks again.
  static void Wake();

 private:
  class Impl;
  // GLFW, for as long as there are windows.
  class Library {
   public:
    Library();
    ~Library();
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
  };
  Library library_;
  WindowOptions options_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace app
