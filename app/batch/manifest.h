#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

// Manifests of a batch (docs/interfaces.md, "Manifest"): FOLDER/HOST.PID.jsonl, one a process, one line an attempt.
namespace app {

inline constexpr int kManifestSchema = 1;

// A file that a job made. An output of many files (PNG frames) counts as one: the bytes of all, one after the other.
struct Digest {
  std::string path;  // absolute
  int64_t bytes = 0;
  std::string sha256;
  friend bool operator==(const Digest&, const Digest&) = default;
};

// Of an output as it is on disk; none where it, or one of its frames, is missing. Throws base::Error{kIo} for a file
// that cannot be read.
std::optional<Digest> DigestOf(const std::string& output, int64_t num_frames);

struct Attempt {
  std::string hash, name, variant, status;  // status: done, failed, cancelled
  int64_t index = 0, attempt = 1;
  std::vector<Digest> outputs;
  std::string started;  // UTC, "2026-05-31T23:59:59Z"
  double seconds = 0;
  std::string device;
  int64_t peak_memory_bytes = 0;
  nlohmann::json error;  // null, or {cause, stage, step, message, log}
  bool adopted = false;  // nothing was rendered
  // Filled in where it is read.
  std::string process;  // "HOST.PID", the file's name
  std::string host, version, slurm_job;
};

// What all processes have recorded, read again and again: only what is new is read.
class ManifestReader {
 public:
  // `file`: of that name only; empty: of all.
  explicit ManifestReader(std::string folder, std::string file = "")
      : folder_(std::move(folder)), only_(std::move(file)) {}

  // Reads what was added. Lines that are none (a torn write, an edited file) are passed over; `notices` tells.
  void Refresh();

  // Of a hash, in the order in which they were read.
  const std::vector<Attempt>& Of(const std::string& hash) const;
  const std::map<std::string, std::vector<Attempt>>& All() const { return attempts_; }  // by hash
  bool Recorded(const std::string& hash, const Digest& digest) const;
  std::vector<std::string> TakeNotices() { return std::exchange(notices_, {}); }

 private:
  struct File {
    int64_t offset = 0, line = 0;
    std::string rest;  // a line that is not whole yet
  };
  void ReadFile(const std::string& path, File& file);
  void Take(const std::string& path, File& file, const std::string& line);

  std::string folder_, only_;
  std::map<std::string, File> files_;
  std::map<std::string, std::vector<Attempt>> attempts_;
  std::vector<std::string> notices_;
};

// Appends to the file of this process, which is made with the first line.
class ManifestWriter {
 public:
  explicit ManifestWriter(std::string folder) : folder_(std::move(folder)) {}
  ~ManifestWriter();
  ManifestWriter(const ManifestWriter&) = delete;
  ManifestWriter& operator=(const ManifestWriter&) = delete;

  // On return the line is on disk. Throws base::Error{kIo}; then the line waits, and the next call tries it again.
  void Append(const Attempt& attempt);
  void Flush();  // the same for lines that wait

 private:
  void Open();

  std::string folder_, path_;
  int fd_ = -1;
  std::string waiting_;
};

std::string HostName();
std::string TimeUTC();  // now, as in Attempt::started

}  // namespace app
