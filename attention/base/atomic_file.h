#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace base {

// A file that appears under its name only when it is whole.
//
// Bytes go to an *aside*, a hidden sibling `.NAME.partial-ZONE-PID-N` (ZONE: 8 hex digits of the host name and the PID
// namespace, so that machines and containers that share a folder do not take each other for dead). Commit() syncs it,
// renames it over the name and syncs the folder. A file that is destroyed without Commit() leaves nothing, the folders
// that it made included. Asides that dead processes of this zone left in the folder are removed on the way.
//
// A name that is a symbolic link stands for what it points to. One writer at a time: not for two threads at once.
class AtomicFile {
 public:
  // Makes missing folders and opens the aside. Throws as CheckOutputPath does, Error{kIo} for a full disk.
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::string& path() const { return path_; }         // as the caller gave it: for messages
  const std::string& aside_path() const { return aside_; }  // absolute; for libraries that open files by name
  int fd() const { return fd_; }                            // open for reading and writing; -1 once sealed

  // Throws Error{kIo}.
  void Write(const void* data, size_t size);
  void Write(std::string_view bytes) { Write(bytes.data(), bytes.size()); }

  // Syncs and closes the aside: from here only Commit() or destruction. Throws Error{kIo}.
  void Seal();

  // Seals if needed, renames, syncs the folder. Throws Error{kIo}; then nothing was renamed.
  void Commit();

  // Throws the Error{kIo} of a failed write to this file, for libraries that return an errno value.
  [[noreturn]] void FailWrite(int error_number) const;

 private:
  friend class AtomicFileSet;
  AtomicFile(const std::string& path, bool clean_folder);
  void Open(bool clean_folder);
  void Rename();
  void SyncFolders() const;
  void Discard() noexcept;

  std::string path_;    // as given
  std::string target_;  // absolute, links resolved
  std::string folder_;  // of target_
  std::string aside_;
  std::vector<std::string> made_folders_;  // outermost first
  void* registration_ = nullptr;
  int fd_ = -1;
  bool committed_ = false;
};

// Files that appear together (the frames of a clip): all are sealed before the first is renamed. A rename that fails
// takes back those before it that replaced nothing. A power cut between renames can leave some: each of them whole.
class AtomicFileSet {
 public:
  AtomicFileSet() = default;
  ~AtomicFileSet();
  AtomicFileSet(const AtomicFileSet&) = delete;
  AtomicFileSet& operator=(const AtomicFileSet&) = delete;

  // The reference lives as long as the set. Throws as AtomicFile does.
  AtomicFile& Add(const std::string& path);
  void Commit();

 private:
  std::vector<std::unique_ptr<AtomicFile>> files_;
  std::vector<std::string> cleaned_folders_;
};

// Throws Error{kInvalidInput} where a file could not be made under this name: it is a folder or a device, its folder is
// not writable or cannot be made, a name is too long. Creates nothing: for checks before any work is done.
void CheckOutputPath(const std::string& path);

// Removes every aside of this process. Async-signal-safe (atomics, getpid, unlink only), for the handler of a fatal
// signal: the list of asides is process-wide because such a handler can reach nothing else. Entries are taken by an
// atomic exchange of their state and are never freed, so a thread that goes on while the handler runs does no harm.
void RemoveAsidesInSignalHandler() noexcept;

}  // namespace base
