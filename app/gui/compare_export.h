#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/compare/compare.h"
#include "ui/image.h"

namespace app {

// A still picture of a clip.
struct StillPicture {
  std::string name;  // of its file
  ui::Image image;
};

// Writes the files of a comparison in a thread of its own; one export at a time.
class CompareExporter {
 public:
  explicit CompareExporter(std::function<void()> wake);
  ~CompareExporter();  // cancels

  // What of the request's `wanted` is on, and the pictures. Nothing where one runs.
  void Start(CompareRequest request, std::vector<StillPicture> pictures);
  void Cancel();

  struct State {
    bool running = false;
    std::string stage;
    double fraction = 0;
  };
  State state() const;
  struct Ended {
    std::vector<std::string> files;
    std::string error;  // "" where it worked; cancelled: no files and no error
  };
  std::optional<Ended> TakeEnded();  // once

 private:
  class Watch;
  Ended Work(const CompareRequest& request, const std::vector<StillPicture>& pictures, Watch& watch);

  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  State state_;
  std::optional<Ended> ended_;
  std::shared_ptr<Watch> watch_;
  std::thread thread_;
};

// A folder that is not there yet: `wanted`, or with a number behind it.
std::string FreshFolder(const std::string& wanted);

}  // namespace app
