#include "tests/app/gui/x_server.h"

#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace app {

XServer::XServer(const std::string& screen) {
  int ends[2];
  if (pipe(ends) != 0) return;
  const std::string fd = std::to_string(ends[1]);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that is killed leaves no server
    const int null = open("/dev/null", O_WRONLY);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execlp("Xvfb", "Xvfb", "-displayfd", fd.c_str(), "-screen", "0", screen.c_str(), "-nolisten", "tcp", nullptr);
    _exit(127);
  }
  close(ends[1]);
  char digits[16] = {};
  for (size_t at = 0; at + 1 < sizeof digits && read(ends[0], digits + at, 1) == 1 && digits[at] != '\n'; ++at) {
  }
  close(ends[0]);
  if (digits[0] != 0) display_ = ":" + std::to_string(std::atoi(digits));
}

std::vector<uint32_t> XServer::Row(int y, int width_px) const {
  std::vector<uint32_t> row;
  Display* const display = XOpenDisplay(display_.c_str());
  if (display == nullptr) return row;
  XImage* const image =
      XGetImage(display, DefaultRootWindow(display), 0, y, static_cast<unsigned>(width_px), 1, AllPlanes, ZPixmap);
  for (int x = 0; image != nullptr && x < width_px; ++x)
    row.push_back(static_cast<uint32_t>(XGetPixel(image, x, 0)) & 0xFFFFFF);
  if (image != nullptr) XDestroyImage(image);
  XCloseDisplay(display);
  return row;
}

XServer::~XServer() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

}  // namespace app
