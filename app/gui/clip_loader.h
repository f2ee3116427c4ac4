#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "app/gui/background.h"
#include "ui/view.h"

namespace app {

// Decodes clips in a thread of its own; of several that are asked for only the last one counts. Ids of its clips and
// pictures are odd; even ones are for others.
class ClipLoader {
 public:
  // What became of the last one asked for.
  struct Loaded {
    std::string path;
    std::optional<ui::Clip> clip;
    std::string error;
    bool cut = false;  // the rest would need too much memory
  };

  // `ready` is called from that thread whenever there is something for Take.
  explicit ClipLoader(std::function<void()> ready);

  void Load(const std::string& path) { thread_.Ask(path); }
  std::optional<Loaded> Take() { return thread_.Take(); }

 private:
  Loaded Read(const std::string& path, const std::function<bool()>& outdated);

  uint64_t next_id_ = 1;  // of pictures and clips; only the thread uses it
  Background<std::string, Loaded> thread_;
};

}  // namespace app
