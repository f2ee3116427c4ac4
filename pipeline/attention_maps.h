#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "attention/stats.h"

namespace attention {
class CallTap;
}

namespace pipeline {

// Block maps of a render's self and joint attention as it goes, one file a call like those of AttentionDump, but for
// looking at, not for keeping: no call is repeated for them, they are not synced, and the oldest go when they become
// too many. No torch here.
class AttentionMaps {
 public:
  struct Written {
    int step = 0, layer = 0;
    attention::Pass pass = attention::Pass::kCond;
    std::string path;
  };

  // `folder` is made if need be. At most `most_bytes` of files are in it: those of the oldest steps are removed, and
  // what does not fit of a single step is not written.
  AttentionMaps(std::string folder, int64_t most_bytes);
  ~AttentionMaps();

  attention::CallTap* tap();

  // Writes the maps of a step whose calls are done. Those of dense calls have no `block_map`. Never throws for what
  // happens to the files: error() says it, and nothing more is written.
  std::vector<Written> Write(int64_t step);
  const std::string& error() const { return error_; }

 private:
  class Tap;
  struct File {
    int step;
    std::string path;
    int64_t bytes;
  };
  std::unique_ptr<Tap> tap_;
  const std::string folder_;
  const int64_t most_bytes_;
  std::vector<File> files_;  // in order of writing
  int64_t bytes_ = 0;
  std::string error_;
};

}  // namespace pipeline
