#include "app/batch/manifest.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "app/settings/sha256.h"
#include "app/settings/value.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using nlohmann::json;

constexpr size_t kMostLine = 1 << 20;

// Adds a file to a digest; false where it is missing.
bool AddFile(const std::string& path, SHA256& sha, int64_t& bytes) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return false;
  base::Check(fd >= 0, ErrorCode::kIo, path, ": ", strerror(errno));
  std::string piece(1 << 20, '\0');
  ssize_t got = 0;
  while ((got = read(fd, piece.data(), piece.size())) > 0) {
    sha.Update(piece.data(), static_cast<size_t>(got));
    bytes += got;
  }
  const int error = errno;
  close(fd);
  base::Check(got == 0, ErrorCode::kIo, path, ": ", strerror(error));
  return true;
}

std::string SlurmJob() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  const std::string array = variable("SLURM_ARRAY_JOB_ID"), task = variable("SLURM_ARRAY_TASK_ID");
  return array.empty() || task.empty() ? variable("SLURM_JOB_ID") : array + "_" + task;
}

json LineOf(const Attempt& a) {
  json outputs = json::array();
  for (const Digest& d : a.outputs) outputs.push_back({{"path", d.path}, {"bytes", d.bytes}, {"sha256", d.sha256}});
  const std::string slurm = SlurmJob();
  json line = {{"schema", kManifestSchema},
               {"hash", a.hash},
               {"version", SPARGE_VERSION},
               {"name", a.name},
               {"variant", a.variant},
               {"index", a.index},
               {"status", a.status},
               {"outputs", outputs},
               {"started", a.started},
               {"seconds", a.seconds},
               {"host", HostName()},
               {"device", a.device.empty() ? json(nullptr) : json(a.device)},
               {"attempt", a.attempt},
               {"peak_memory_bytes", a.peak_memory_bytes > 0 ? json(a.peak_memory_bytes) : json(nullptr)},
               {"slurm_job", slurm.empty() ? json(nullptr) : json(slurm)},
               {"error", a.error}};
  if (a.adopted) line["adopted"] = true;
  return line;
}

// Of a key that is for people: whatever stands there.
std::string TextIn(const json& line, const char* key) {
  const json value = line.value(key, json());
  return value.is_string() ? value.get<std::string>() : "";
}

// Throws json::exception for what is no line of a manifest.
Attempt AttemptOf(const json& line) {
  Attempt a;
  line.at("schema").get<int64_t>();
  a.hash = line.at("hash").get<std::string>();
  a.status = line.at("status").get<std::string>();
  a.name = line.value("name", "");
  a.variant = line.value("variant", "");
  a.index = line.value("index", int64_t{0});
  a.attempt = line.value("attempt", int64_t{1});
  a.started = line.value("started", "");
  a.seconds = line.value("seconds", 0.0);
  a.error = line.value("error", json());
  a.adopted = line.value("adopted", json()) == true;
  a.host = TextIn(line, "host");
  a.version = TextIn(line, "version");
  a.device = TextIn(line, "device");
  a.slurm_job = TextIn(line, "slurm_job");
  const json peak = line.value("peak_memory_bytes", json());
  if (peak.is_number_integer()) a.peak_memory_bytes = peak.get<int64_t>();
  for (const json& output : line.at("outputs")) {
    a.outputs.push_back({output.at("path").get<std::string>(), output.at("bytes").get<int64_t>(),
                         output.at("sha256").get<std::string>()});
  }
  return a;
}

void SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

}  // namespace

std::optional<Digest> DigestOf(const std::string& output, int64_t num_frames) {
  SHA256 sha;
  Digest digest;
  digest.path = output;
  if (pipeline::KindOfOutput(output) == pipeline::OutputKind::kPngFrames) {
    for (int64_t i = 0; i < num_frames; ++i) {
      if (!AddFile(pipeline::FramePath(output, i), sha, digest.bytes)) return std::nullopt;
    }
  } else if (!AddFile(output, sha, digest.bytes)) {
    return std::nullopt;
  }
  digest.sha256 = sha.Hex();
  return digest;
}

void ManifestReader::Refresh() {
  std::error_code error;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string path = it->path().string();
    if (it->path().extension() != ".jsonl" || (!only_.empty() && it->path().filename() != only_)) continue;
    ReadFile(path, files_[path]);
  }
}

void ManifestReader::ReadFile(const std::string& path, File& file) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(file.offset);
  std::string piece(1 << 16, '\0');
  for (;;) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    const std::streamsize got = in.gcount();
    if (got <= 0) break;
    file.offset += got;
    for (std::streamsize i = 0; i < got; ++i) {
      if (piece[static_cast<size_t>(i)] != '\n') {
        if (file.rest.size() <= kMostLine) file.rest += piece[static_cast<size_t>(i)];
      } else {
        Take(path, file, std::exchange(file.rest, {}));
      }
    }
  }
}

void ManifestReader::Take(const std::string& path, File& file, const std::string& line) {
  ++file.line;
  if (line.empty()) return;
  try {
    Attempt attempt = AttemptOf(json::parse(line));
    attempt.process = fs::path(path).stem().string();
    attempts_[attempt.hash].push_back(std::move(attempt));
  } catch (const json::exception&) {
    notices_.push_back(base::StrCat(path, ":", file.line, ": is no line of a manifest, and is passed over"));
  }
}

const std::vector<Attempt>& ManifestReader::Of(const std::string& hash) const {
  static const std::vector<Attempt> kNone;
  const auto it = attempts_.find(hash);
  return it == attempts_.end() ? kNone : it->second;
}

bool ManifestReader::Recorded(const std::string& hash, const Digest& digest) const {
  for (const Attempt& attempt : Of(hash)) {
    if (attempt.status != "done") continue;
    for (const Digest& output : attempt.outputs) {
      if (output == digest) return true;
    }
  }
  return false;
}

ManifestWriter::~ManifestWriter() {
  if (fd_ >= 0) close(fd_);
}

// Two processes of one host name and PID (containers) do not share a file: who finds it locked takes another name.
void ManifestWriter::Open() {
  fs::create_directories(folder_);
  for (int n = 1; n < 100; ++n) {
    path_ = base::StrCat(folder_, "/", HostName(), ".", getpid(), n > 1 ? "-" + std::to_string(n) : "", ".jsonl");
    fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    base::Check(fd_ >= 0, ErrorCode::kIo, path_, ": ", strerror(errno));
    if (flock(fd_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) break;
    close(fd_);
    fd_ = -1;
  }
  base::Check(fd_ >= 0, ErrorCode::kIo, path_, ": is locked by another process");
  // What a process of the same PID was writing when it was killed.
  struct stat s = {};
  char last = '\n';
  if (fstat(fd_, &s) == 0 && s.st_size > 0 && pread(fd_, &last, 1, s.st_size - 1) == 1 && last != '\n') {
    waiting_.insert(0, "\n");
  }
  SyncFolder(folder_);
}

void ManifestWriter::Append(const Attempt& attempt) {
  waiting_ += LineOf(attempt).dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  Flush();
}

void ManifestWriter::Flush() {
  if (waiting_.empty()) return;
  try {
    if (fd_ < 0) Open();
  } catch (const fs::filesystem_error& error) {
    base::Fail(ErrorCode::kIo, folder_, ": ", error.code().message());
  }
  while (!waiting_.empty()) {
    const ssize_t bytes = write(fd_, waiting_.data(), waiting_.size());
    if (bytes < 0 && errno == EINTR) continue;
    base::Check(bytes > 0, ErrorCode::kIo, path_, ": ", strerror(errno));
    waiting_.erase(0, static_cast<size_t>(bytes));
  }
  base::Check(fdatasync(fd_) == 0, ErrorCode::kIo, path_, ": ", strerror(errno));
}

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  for (char& c : name) {
    if (c == '/') c = '_';
  }
  return name;
}

std::string TimeUTC() {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

}  // namespace app
