#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/compare/source.h"
#include "ui/image.h"

namespace app {

// Frames of the compared clips, decoded in a thread of its own into system memory: whole clips where they fit under
// the cap, else a window of frames around the one that is wanted. Access is by frame number and exact; a file is read
// from its start where it must be read again.
class CompareFrames {
 public:
  static constexpr uint64_t kDefaultCap = uint64_t{1} << 30;
  static constexpr int64_t kChunk = 16;               // frames that come and go together, fewer where they are large
  static constexpr int64_t kMostPixels = 12'000'000;  // of a picture on screen; larger ones are halved
  static constexpr int64_t kMostFrames = int64_t{1} << 24;

  // `cap_bytes`: of all frames, those that are being read too; at least a frame a clip is kept. `wake` is called from
  // that thread when there is something new.
  explicit CompareFrames(std::function<void()> wake, uint64_t cap_bytes = kDefaultCap);
  ~CompareFrames();
  CompareFrames(const CompareFrames&) = delete;
  CompareFrames& operator=(const CompareFrames&) = delete;

  // Looks at these files and then decodes them, in place of what was asked for before.
  void Open(std::vector<std::string> paths);
  // What was found, once. A file that cannot be read has an error in place of its source.
  struct Opened {
    std::vector<SourceInfo> sources;
    std::vector<std::string> errors;
    std::vector<std::string> breaks;  // what is wrong with a file that is read up to there: its num_frames; else ""
  };
  std::optional<Opened> TakeOpened();

  // The frames to have at hand, one a source; of several asked for only the last ones count. `direction`: of playing.
  void Want(const std::vector<int64_t>& frames, int direction);

  struct Frame {
    ui::Image image;
    int64_t reduced = 1;  // by this factor on both sides
  };
  std::optional<Frame> Get(size_t source, int64_t frame) const;

  struct State {
    int64_t in_memory = 0;        // frames
    int64_t readable = -1;        // where a file ends or breaks before it announced; −1: nothing is known to be wrong
    std::string error;            // what is wrong there
    std::vector<double> times_s;  // when frames begin, from the first on, as far as they are known
  };
  State state(size_t source) const;
  uint64_t bytes() const;
  uint64_t cap() const { return cap_; }

 private:
  struct Source;
  void Run();
  void LookAt(uint64_t number, const std::vector<std::string>& paths);
  SourceInfo ProbeBroken(uint64_t number, const std::string& path) const;
  bool ReadSome(std::unique_lock<std::mutex>& lock);
  std::vector<int64_t> WantedChunks(const Source& source, int64_t frame) const;
  void ReadChunk(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Source>& source, int64_t chunk);

  const std::function<void()> wake_;
  const uint64_t cap_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> paths_;
  uint64_t number_ = 0, looked_at_ = 0;
  std::optional<Opened> opened_;
  std::vector<std::shared_ptr<Source>> sources_;
  std::vector<int64_t> wanted_;
  int direction_ = 1;
  uint64_t next_id_ = 1;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace app
