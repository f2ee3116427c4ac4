#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace app {

// An Xvfb of its own, on a display that it chooses, as long as this lives.
class XServer {
 public:
  explicit XServer(const std::string& screen = "3840x2160x24");
  ~XServer();
  XServer(const XServer&) = delete;
  XServer& operator=(const XServer&) = delete;
  const std::string& display() const { return display_; }  // ":7"; "" if Xvfb did not start
  // What is on the screen in row `y`, from the left: 0xRRGGBB.
  std::vector<uint32_t> Row(int y, int width_px) const;

 private:
  pid_t pid_ = -1;
  std::string display_;
};

}  // namespace app
