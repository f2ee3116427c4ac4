#include "attention/base/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "attention/base/error.h"

namespace base {
namespace {

namespace fs = std::filesystem;

// ---- The list of asides --------------------------------------------------------------------------------------------

// An entry's path is written only in state kBusy, by the thread that took it, and read by the signal handler only after
// it moved the state from kActive to kGone. Entries are reused, never freed.
enum EntryState : int { kFree, kBusy, kActive, kGone };

struct Entry {
  std::atomic<int> state{kBusy};
  pid_t pid = 0;
  std::string path;
  Entry* next = nullptr;
};

std::atomic<Entry*> g_entries{nullptr};
std::atomic<uint64_t> g_aside_count{0};  // makes the names of one process differ
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<Entry*>::is_always_lock_free);

Entry* Register(const std::string& path) {
  Entry* entry = nullptr;
  for (Entry* e = g_entries.load(std::memory_order_acquire); e != nullptr && entry == nullptr; e = e->next) {
    int expected = kFree;
    if (e->state.compare_exchange_strong(expected, kBusy, std::memory_order_acq_rel)) entry = e;
  }
  if (entry == nullptr) {
    entry = new Entry;
    entry->next = g_entries.load(std::memory_order_relaxed);
    while (!g_entries.compare_exchange_weak(entry->next, entry, std::memory_order_release, std::memory_order_relaxed)) {
    }
  }
  entry->path = path;
  entry->pid = getpid();
  entry->state.store(kActive, std::memory_order_release);
  return entry;
}

void Unregister(Entry* entry) {
  int expected = kActive;
  entry->state.compare_exchange_strong(expected, kFree, std::memory_order_acq_rel);
}

// ---- Names ---------------------------------------------------------------------------------------------------------

constexpr std::string_view kMark = ".partial-";
constexpr size_t kMaxName = 255;  // NAME_MAX of every file system in common use

// Tells apart the worlds in which a PID has a meaning: the host and, on Linux, the PID namespace.
std::string Zone() {
  char host[256] = {}, space[64] = {};
  gethostname(host, sizeof host - 1);
  (void)!readlink("/proc/self/ns/pid", space, sizeof space - 1);
  uint32_t hash = 2166136261u;  // FNV-1a
  for (const char* text : {static_cast<const char*>(host), static_cast<const char*>(space)}) {
    for (; *text != 0; ++text) hash = (hash ^ static_cast<unsigned char>(*text)) * 16777619u;
  }
  char hex[9];
  snprintf(hex, sizeof hex, "%08x", hash);
  return hex;
}

std::string AsideName(const std::string& name) {
  const std::string tail = StrCat(kMark, Zone(), "-", getpid(), "-", g_aside_count.fetch_add(1));
  return "." + name.substr(0, kMaxName - 1 - tail.size()) + tail;
}

// The PID in an aside's name of this zone; 0 for any other name.
pid_t OwnerOf(std::string_view name, const std::string& zone) {
  const size_t mark = name.rfind(kMark);
  if (name.empty() || name[0] != '.' || mark == std::string_view::npos) return 0;
  std::string rest(name.substr(mark + kMark.size()));
  if (rest.compare(0, zone.size() + 1, zone + "-") != 0) return 0;
  char* end = nullptr;
  errno = 0;
  const long pid = strtol(rest.c_str() + zone.size() + 1, &end, 10);
  if (errno != 0 || *end != '-' || pid <= 0 || pid > INT_MAX) return 0;
  strtol(end + 1, &end, 10);
  return *end == 0 ? static_cast<pid_t>(pid) : 0;
}

void RemoveStaleAsides(const std::string& folder) {
  DIR* dir = opendir(folder.c_str());
  if (dir == nullptr) return;
  const std::string zone = Zone();
  while (const dirent* item = readdir(dir)) {
    const pid_t pid = OwnerOf(item->d_name, zone);
    if (pid != 0 && kill(pid, 0) != 0 && errno == ESRCH) unlinkat(dirfd(dir), item->d_name, 0);
  }
  closedir(dir);
}

// ---- Errors --------------------------------------------------------------------------------------------------------

std::string Reason(int error_number) { return std::strerror(error_number); }

// What cannot be mended by trying again: bad input. The rest is the disk's doing.
ErrorCode CodeOf(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case ENOENT:
    case EINVAL:
      return ErrorCode::kInvalidInput;
    default:
      return ErrorCode::kIo;
  }
}

const char* Remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return "free some space there, or write to another disk";
    case EDQUOT:
      return "your disk quota there is used up: free some space, or write to another disk";
    case EACCES:
    case EPERM:
      return "choose a folder that you may write to, or change its permissions";
    case EROFS:
      return "the file system is mounted read-only: write to another disk";
    case ENAMETOOLONG:
      return "choose a shorter name";
    case ENOTDIR:
      return "a part of the path is a file, not a folder: choose another path";
    case EFBIG:
      return "the file system or a limit (ulimit -f) does not allow files of this size";
    default:
      return "check the disk, or write to another one";
  }
}

[[noreturn]] void FailPath(const std::string& path, const std::string& what, int error_number) {
  Fail(CodeOf(error_number), "cannot write '", path, "': ", what, ": ", Reason(error_number), "; ",
       Remedy(error_number));
}

// ---- Paths ---------------------------------------------------------------------------------------------------------

// Absolute, the last part's links followed (a dangling link: where it would lead). Refuses what cannot be a file.
std::string ResolveTarget(const std::string& path) {
  Check(!path.empty(), ErrorCode::kInvalidInput, "cannot write a file without a name: give an output path");
  Check(path.find('\0') == std::string::npos, ErrorCode::kInvalidInput, "an output path holds a NUL character");
  Check(path.back() != '/', ErrorCode::kInvalidInput, "cannot write '", path, "': it names a folder, not a file");
  std::error_code error;
  fs::path target = fs::absolute(path, error);
  if (error) FailPath(path, "cannot find the working directory", error.value());
  for (int links = 0; fs::is_symlink(fs::symlink_status(target, error)); ++links) {
    if (links == 40) FailPath(path, "too many links", ELOOP);
    const fs::path next = fs::read_symlink(target, error);
    if (error) FailPath(path, "cannot follow the link", error.value());
    target = target.parent_path() / next;
  }
  Check(target.filename() != "." && target.filename() != "..", ErrorCode::kInvalidInput, "cannot write '", path,
        "': it names a folder, not a file");
  struct stat info;
  if (stat(target.c_str(), &info) == 0) {
    Check(!S_ISDIR(info.st_mode), ErrorCode::kInvalidInput, "cannot write '", path,
          "': a folder of this name exists; choose another name, or end it in '/' to write frames into it");
    Check(S_ISREG(info.st_mode), ErrorCode::kInvalidInput, "cannot write '", path,
          "': it is a device, pipe or socket, and outputs are regular files; choose another name");
  } else if (errno != ENOENT) {
    FailPath(path, "cannot look at it", errno);
  }
  Check(target.filename().string().size() <= kMaxName, ErrorCode::kInvalidInput, "cannot write '", path,
        "': its name has ", target.filename().string().size(), " bytes, at most ", kMaxName,
        " are possible; choose a shorter name");
  return target.string();
}

// Makes a folder and its missing parents. Returns those made, outermost first; on failure removes them and throws.
std::vector<std::string> MakeFolders(const std::string& path, const std::string& folder) {
  std::vector<std::string> missing, made;
  struct stat info;
  for (fs::path p = folder; stat(p.c_str(), &info) != 0; p = p.parent_path()) {
    if (errno != ENOENT) FailPath(path, StrCat("cannot use the folder '", p.string(), "'"), errno);
    missing.push_back(p.string());
    if (!p.has_relative_path()) break;
  }
  std::reverse(missing.begin(), missing.end());
  for (const std::string& m : missing) {
    if (mkdir(m.c_str(), 0777) == 0) {
      made.push_back(m);
    } else if (errno != EEXIST) {
      const int error_number = errno;
      for (auto it = made.rbegin(); it != made.rend(); ++it) rmdir(it->c_str());
      FailPath(path, StrCat("cannot make the folder '", m, "'"), error_number);
    }
  }
  return made;
}

void SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);  // some file systems cannot sync a folder: the file itself is synced and whole either way
  close(fd);
}

}  // namespace

// ---- AtomicFile ----------------------------------------------------------------------------------------------------

AtomicFile::AtomicFile(const std::string& path) : AtomicFile(path, true) {}

AtomicFile::AtomicFile(const std::string& path, bool clean_folder) : path_(path), target_(ResolveTarget(path)) {
  folder_ = fs::path(target_).parent_path().string();
  try {
    Open(clean_folder);
  } catch (...) {
    Discard();
    throw;
  }
}

void AtomicFile::Open(bool clean_folder) {
  made_folders_ = MakeFolders(path_, folder_);
  if (clean_folder) RemoveStaleAsides(folder_);
  for (;;) {
    aside_ = (fs::path(folder_) / AsideName(fs::path(target_).filename().string())).string();
    registration_ = Register(aside_);
    fd_ = open(aside_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ >= 0) return;
    const int error_number = errno;
    Unregister(static_cast<Entry*>(registration_));
    registration_ = nullptr;
    if (error_number != EEXIST) FailPath(path_, StrCat("cannot make a file in '", folder_, "'"), error_number);
  }
}

AtomicFile::~AtomicFile() {
  if (!committed_) Discard();
}

void AtomicFile::Discard() noexcept {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  if (registration_ != nullptr) {
    unlink(aside_.c_str());
    Unregister(static_cast<Entry*>(registration_));
    registration_ = nullptr;
  }
  for (auto it = made_folders_.rbegin(); it != made_folders_.rend(); ++it) rmdir(it->c_str());  // only if empty
}

void AtomicFile::FailWrite(int error_number) const {
  Fail(ErrorCode::kIo, "cannot write '", path_, "': ", Reason(error_number), "; ", Remedy(error_number),
       " (no part of it was left behind)");
}

void AtomicFile::Write(const void* data, size_t size) {
  Check(fd_ >= 0, ErrorCode::kInternal, "AtomicFile::Write after Seal of '", path_, "'");
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t n = write(fd_, bytes, std::min<size_t>(size, 1u << 30));
    if (n < 0) {
      if (errno == EINTR) continue;
      FailWrite(errno);
    }
    bytes += n;
    size -= static_cast<size_t>(n);
  }
}

void AtomicFile::Seal() {
  if (fd_ < 0) return;
  if (fsync(fd_) != 0 && errno != EINVAL && errno != ENOTSUP) FailWrite(errno);
  const int fd = fd_;
  fd_ = -1;
  if (close(fd) != 0 && errno != EINTR) FailWrite(errno);
}

void AtomicFile::Rename() {
  if (rename(aside_.c_str(), target_.c_str()) != 0) FailWrite(errno);
  Unregister(static_cast<Entry*>(registration_));
  registration_ = nullptr;
  committed_ = true;
}

void AtomicFile::SyncFolders() const {
  SyncFolder(folder_);
  for (const std::string& made : made_folders_) SyncFolder(fs::path(made).parent_path().string());
}

void AtomicFile::Commit() {
  Check(!committed_, ErrorCode::kInternal, "AtomicFile::Commit twice for '", path_, "'");
  Seal();
  Rename();
  SyncFolders();
}

// ---- AtomicFileSet -------------------------------------------------------------------------------------------------

AtomicFileSet::~AtomicFileSet() {
  while (!files_.empty()) files_.pop_back();  // the first one made the folders: it goes last
}

AtomicFile& AtomicFileSet::Add(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  const bool clean = std::find(cleaned_folders_.begin(), cleaned_folders_.end(), folder) == cleaned_folders_.end();
  if (clean) cleaned_folders_.push_back(folder);
  files_.push_back(std::unique_ptr<AtomicFile>(new AtomicFile(path, clean)));
  return *files_.back();
}

void AtomicFileSet::Commit() {
  for (auto& file : files_) file->Seal();
  std::vector<bool> replaced;
  for (auto& file : files_) {
    struct stat info;
    replaced.push_back(lstat(file->target_.c_str(), &info) == 0);
  }
  for (size_t i = 0; i < files_.size(); ++i) {
    try {
      files_[i]->Rename();
    } catch (...) {
      for (size_t j = 0; j < i; ++j) {
        if (replaced[j]) continue;
        unlink(files_[j]->target_.c_str());
        files_[j]->committed_ = false;  // its folders may go too
      }
      throw;
    }
  }
  for (size_t i = 0; i < files_.size(); ++i) {
    if (i == 0 || files_[i]->folder_ != files_[i - 1]->folder_) files_[i]->SyncFolders();
  }
}

// ---- Free functions ------------------------------------------------------------------------------------------------

void CheckOutputPath(const std::string& path) {
  fs::path folder = fs::path(ResolveTarget(path)).parent_path();
  const fs::path wanted = folder;
  struct stat info;
  while (stat(folder.c_str(), &info) != 0) {
    if (errno != ENOENT) FailPath(path, StrCat("cannot use the folder '", folder.string(), "'"), errno);
    Check(folder.filename().string().size() <= kMaxName, ErrorCode::kInvalidInput, "cannot write '", path,
          "': the name of its folder '", folder.string(), "' is too long; choose a shorter one");
    if (!folder.has_relative_path()) break;
    folder = folder.parent_path();
  }
  if (!S_ISDIR(info.st_mode)) FailPath(path, StrCat("'", folder.string(), "' is not a folder"), ENOTDIR);
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    FailPath(path,
             StrCat(folder == wanted ? "cannot make a file in '" : "cannot make a folder in '", folder.string(), "'"),
             errno);
  }
}

void RemoveAsidesInSignalHandler() noexcept {
  const int saved = errno;
  const pid_t pid = getpid();
  for (Entry* e = g_entries.load(std::memory_order_acquire); e != nullptr; e = e->next) {
    int expected = kActive;
    if (e->state.compare_exchange_strong(expected, kGone, std::memory_order_acq_rel) && e->pid == pid) {
      unlink(e->path.c_str());
    }
  }
  errno = saved;
}

}  // namespace base
