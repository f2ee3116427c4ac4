#include "app/worker/preview_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;

std::string Base() {
  std::error_code error;
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && runtime[0] == '/' && fs::is_directory(runtime, error)) return runtime;
  const fs::path temporary = fs::temp_directory_path(error);
  return error ? "/tmp" : temporary.string();
}

std::string PrefixOf(pid_t worker) { return base::StrCat("sparge-worker-", worker, "-"); }

}  // namespace

PreviewFiles::~PreviewFiles() {
  std::error_code error;
  if (!folder_.empty()) fs::remove_all(folder_, error);
}

std::string PreviewFiles::Write(const pipeline::PreviewFrames& frames) {
  const auto check = [](bool fine, const std::string& path) {
    base::Check(fine, base::ErrorCode::kIo, "cannot write ", path, ": ", std::strerror(errno));
  };
  if (folder_.empty()) {
    std::string pattern = Base() + "/" + PrefixOf(getpid()) + "XXXXXX";
    check(mkdtemp(pattern.data()) != nullptr, pattern);
    folder_ = pattern;
  }
  if (path_.empty()) path_ = base::StrCat(folder_, "/preview", ++jobs_, ".rgb");
  const std::string aside = path_ + ".part";
  const int fd = open(aside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  check(fd >= 0, aside);
  size_t done = 0;
  while (done < frames.rgb.size()) {
    const ssize_t bytes = write(fd, frames.rgb.data() + done, frames.rgb.size() - done);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) break;
    done += static_cast<size_t>(bytes);
  }
  const int why = errno;
  close(fd);
  if (done < frames.rgb.size()) unlink(aside.c_str());
  errno = why;
  check(done == frames.rgb.size(), aside);
  check(rename(aside.c_str(), path_.c_str()) == 0, path_);
  return path_;
}

void PreviewFiles::Remove() {
  if (!path_.empty()) unlink(path_.c_str());
  path_.clear();
}

void RemovePreviewsOf(pid_t worker) {
  std::error_code error;
  const std::string prefix = PrefixOf(worker);
  for (fs::directory_iterator it(Base(), error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    struct stat s = {};
    if (!name.starts_with(prefix) || lstat(it->path().c_str(), &s) != 0) continue;
    if (!S_ISDIR(s.st_mode) || s.st_uid != geteuid()) continue;
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
  }
}

}  // namespace app
