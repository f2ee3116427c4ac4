#pragma once

#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/settings/layers.h"

// Lines of `sparge worker` (docs/worker.md).
namespace app {

// A job as a `render` command asks for it.
struct RenderCommand {
  Layer settings;
  std::string name = "clip", variant = "main";
  int64_t index = 0;
  std::string from_latents;          // empty: from noise
  std::string from_clip;             // encode this clip again, render nothing; empty: no
  std::string hash;                  // that the job must have; empty: any
  std::vector<std::string> outputs;  // absolute, in place of those that settings.out says; empty: as it says
  std::vector<std::string> write;    // which of them to write; empty: all
  bool replace = false;              // files that are there
  bool fresh = false;                // no going on from checkpoints
  bool preview = false;              // show the clip while it is denoised
  std::string maps;                  // folder for the block maps of each step; empty: none
  std::vector<std::pair<std::string, int64_t>> prompts_ahead;  // of later jobs: text, max_sequence_length
};

struct WorkerCommand {
  nlohmann::json id;  // text or number; null only for `quit`
  std::string cmd;    // render, set, audit, pause, resume, cancel, quit
  RenderCommand render;
  Value rule;  // of `set`: {layers, settings of attention by their last names}
};

// Reads a line. Throws base::Error{kInvalidInput} with all that is wrong; `id` is set as soon as it is known.
WorkerCommand ParseCommand(const std::string& line, nlohmann::json& id);

// What a `render` command says, as JSON; for who sends one.
nlohmann::json RenderCommandJSON(const nlohmann::json& id, const nlohmann::json& settings);

// Takes bytes in, gives lines out. A line longer than `max_bytes` is dropped: it comes out as its first bytes, cut.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_bytes) : max_bytes_(max_bytes) {}
  void Add(const char* data, size_t bytes);
  struct Line {
    std::string text;
    bool cut = false;
  };
  std::optional<Line> Next();
  std::optional<Line> Rest();  // after the end of input: what had no newline

 private:
  size_t max_bytes_;
  std::vector<Line> lines_;
  size_t taken_ = 0;
  Line line_;
};

// Writes events, a JSON object a line, from any thread.
class EventWriter {
 public:
  explicit EventWriter(int fd) : fd_(fd) {}
  void Write(const nlohmann::json& event);
  bool broken() const;  // nobody reads any more

 private:
  const int fd_;
  mutable std::mutex mutex_;
  bool broken_ = false;
};

}  // namespace app
