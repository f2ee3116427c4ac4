#pragma once

#include <memory>
#include <string>

#include "app/gui/controller.h"
#include "ui/studio.h"

namespace app {

struct WindowOptions {
  std::string font, cjk_font;  // files; "": none
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

  // For tests and benchmarks: frames drawn so far; while jobs rendered, how many a second, and the longest time between
  // two of them.
  int64_t frames() const;
  double busy_frames_a_second() const;
  double longest_gap_s() const;
  // What the next frame looks like, drawn now.
  ui::Image Picture(Controller& controller, ui::Studio& studio);
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

// The bundled font beside the program, else the system's; a system font with Chinese, Japanese and Korean. "": none.
std::string FindFont();
std::string FindCJKFont();

}  // namespace app
