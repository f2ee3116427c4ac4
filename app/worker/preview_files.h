#pragma once

#include <sys/types.h>

#include <string>

#include "pipeline/preview.h"

namespace app {

// Files of raw RGB through which a worker shows previews, in a folder of its own: under $XDG_RUNTIME_DIR, else where
// temporary files go. One job at a time.
class PreviewFiles {
 public:
  PreviewFiles() = default;
  ~PreviewFiles();
  PreviewFiles(const PreviewFiles&) = delete;
  PreviewFiles& operator=(const PreviewFiles&) = delete;

  // Writes a file, whole under its name, in place of the job's last one. Returns its path. Throws base::Error{kIo}.
  std::string Write(const pipeline::PreviewFrames& frames);
  // The job shows no more.
  void Remove();

 private:
  std::string folder_, path_;
  int jobs_ = 0;
};

// Removes what a worker that was killed left.
void RemovePreviewsOf(pid_t worker);

}  // namespace app
