#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "ui/view.h"

namespace app {

// Decodes clips in a thread of its own; of several that are asked for only the last one counts. Ids of its clips and
// pictures are odd; even ones are for others.
class ClipLoader {
 public:
  // `ready` is called from that thread whenever there is something for Take.
  explicit ClipLoader(std::function<void()> ready);
  ~ClipLoader();
  ClipLoader(const ClipLoader&) = delete;
  ClipLoader& operator=(const ClipLoader&) = delete;

  void Load(const std::string& path);
  // What became of the last one asked for, once.
  struct Loaded {
    std::string path;
    std::optional<ui::Clip> clip;
    std::string error;
    bool cut = false;  // the rest would need too much memory
  };
  std::optional<Loaded> Take();

 private:
  void Run();
  Loaded Read(const std::string& path, uint64_t number);
  bool Outdated(uint64_t number);

  std::function<void()> ready_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string wanted_;
  uint64_t number_ = 0, done_ = 0;
  uint64_t next_id_ = 1;  // of pictures and clips; only the thread uses it
  bool ending_ = false;
  std::optional<Loaded> loaded_;
  std::thread thread_;
};

}  // namespace app
