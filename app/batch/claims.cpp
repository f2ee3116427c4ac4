#include "app/batch/claims.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

#include "app/batch/manifest.h"
#include "app/settings/sha256.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using nlohmann::json;

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// When a process began, in ticks since the machine did; "" where there is none. A PID may be used again.
std::string StartOf(int64_t pid) {
  const std::string stat = ReadText("/proc/" + std::to_string(pid) + "/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return "";
  size_t at = name_end + 2;
  if (at < stat.size() && (stat[at] == 'Z' || stat[at] == 'X')) return "";  // ended, not yet waited for
  for (int field = 3; field < 22 && at != std::string::npos; ++field) {
    at = stat.find(' ', at);
    if (at != std::string::npos) ++at;
  }
  return at == std::string::npos ? "" : stat.substr(at, stat.find(' ', at) - at);
}

// Processes of one zone see each other by PID.
std::string Zone() {
  std::error_code error;
  const std::string space = fs::read_symlink("/proc/self/ns/pid", error).string();
  return SHA256Hex(HostName() + "\n" + space + "\n" + ReadText("/proc/sys/kernel/random/boot_id")).substr(0, 16);
}

std::string MarkOf(const std::string& nonce) { return "SPARGE_BATCH=" + nonce; }

// Whether a worker of an owner still runs: it may leave a last checkpoint when its owner is gone.
bool HasWorker(const std::string& nonce) {
  const std::string mark = MarkOf(nonce) + '\0';
  std::error_code error;
  for (fs::directory_iterator it("/proc", error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (('\0' + ReadText("/proc/" + name + "/environ") + '\0').find('\0' + mark) != std::string::npos) return true;
  }
  return false;
}

int64_t RenewedAt(const std::string& path) {
  struct stat s = {};
  return stat(path.c_str(), &s) == 0 ? s.st_mtim.tv_sec * 1'000'000'000 + s.st_mtim.tv_nsec : 0;
}

void WriteFile(const std::string& path, const std::string& content, int flags) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
  base::Check(fd >= 0, ErrorCode::kIo, path, ": ", strerror(errno));
  const ssize_t bytes = write(fd, content.data(), content.size());
  const int error = errno;
  close(fd);  // not synced: after a power cut nobody holds anything
  if (bytes == static_cast<ssize_t>(content.size())) return;
  unlink(path.c_str());
  base::Fail(ErrorCode::kIo, path, ": ", strerror(error));
}

}  // namespace

Claims::Claims(std::string folder, double lease_s) : folder_(std::move(folder)), lease_s_(lease_s) {
  std::random_device random;
  nonce_ = base::StrCat(std::hex, random(), random(), random());
  renewer_ = std::thread([this] { Renew(); });
}

Claims::~Claims() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  renewer_.join();
  for (const auto& [path, content] : mine_) {
    if (ReadText(path) == content) unlink(path.c_str());
  }
  std::error_code error;
  fs::remove(folder_, error);  // if it is empty
}

std::string Claims::WorkerMark() const { return MarkOf(nonce_); }

std::string Claims::ContentFor(const std::string& what) const {
  return json({{"schema", 1},
               {"host", HostName()},
               {"zone", Zone()},
               {"pid", getpid()},
               {"start", StartOf(getpid())},
               {"nonce", nonce_},
               {"lease_s", lease_s_},
               {"since", TimeUTC()},
               {"what", what}})
             .dump(-1, ' ', false, json::error_handler_t::replace) +
         "\n";
}

// The owner is gone, or has not renewed it for as long as it said.
Claims::State Claims::Judge(const std::string& path) {
  State state;
  const int64_t renewed = RenewedAt(path);
  const std::string content = ReadText(path);
  if (renewed == 0) return state;
  state.locked = true;
  const json owner = json::parse(content, nullptr, false);
  double lease_s = lease_s_;
  if (owner.is_object()) {
    const auto text = [&](const char* key) {
      const json value = owner.value(key, json());
      return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : "";
    };
    state.mine = text("nonce") == nonce_;
    state.owner = text("host") + ", process " + text("pid");
    if (const json lease = owner.value("lease_s", json()); lease.is_number()) lease_s = lease.get<double>();
    const json pid = owner.value("pid", json());
    const bool here = text("zone") == Zone() && pid.is_number_integer();
    if (here && !state.mine) {
      state.stale = StartOf(pid.get<int64_t>()) != text("start") && !HasWorker(text("nonce"));
    }
  }
  Seen& seen = seen_[path];
  if (seen.content != content || seen.renewed != renewed) seen = {content, renewed, Clock::now()};
  if (!state.mine && std::chrono::duration<double>(Clock::now() - seen.since).count() > lease_s) state.stale = true;
  return state;
}

bool Claims::MakeLock(const std::string& path, const std::string& content) {
  const std::string own = path + "." + nonce_;
  WriteFile(own, content, O_TRUNC);
  bool made = link(own.c_str(), path.c_str()) == 0;
  const int error = errno;
  if (!made) {  // over NFS the answer may be lost: the number of links tells
    struct stat s = {};
    made = stat(own.c_str(), &s) == 0 && s.st_nlink == 2;
  }
  unlink(own.c_str());
  if (made || error == EEXIST) return made;
  // A file system without links.
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0 && errno == EEXIST) return false;
  base::Check(fd >= 0, ErrorCode::kIo, path, ": ", strerror(errno));
  close(fd);
  WriteFile(path, content, O_TRUNC);
  return true;
}

// Replaces a stale lock. Who does so holds a lock on the lock meanwhile, so that of two only one does.
bool Claims::TakeOver(const std::string& path, const std::string& content, const std::string& judged) {
  const std::string gate = path + ".take";
  if (!MakeLock(gate, content)) {
    if (Judge(gate).stale) unlink(gate.c_str());  // its owner died just there
    return false;
  }
  const bool same = ReadText(path) == judged;
  if (same) {
    const std::string own = path + "." + nonce_;
    WriteFile(own, content, O_TRUNC);
    base::Check(rename(own.c_str(), path.c_str()) == 0, ErrorCode::kIo, path, ": ", strerror(errno));
  }
  unlink(gate.c_str());
  return same;
}

Claims::Result Claims::Claim(const std::string& key, const std::string& what) {
  const std::lock_guard lock(mutex_);
  std::error_code error;
  fs::create_directories(folder_, error);
  base::Check(!error, ErrorCode::kIo, folder_, ": ", error.message());
  const std::string path = PathOf(key), content = ContentFor(what);
  if (MakeLock(path, content)) {
    mine_[path] = content;
    return Result::kClaimed;
  }
  const std::string judged = ReadText(path);
  const State state = Judge(path);
  if (state.locked && state.stale && TakeOver(path, content, judged)) {
    mine_[path] = content;
    return Result::kTakenOver;
  }
  return Result::kBusy;
}

bool Claims::Holds(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto it = mine_.find(PathOf(key));
  return it != mine_.end() && ReadText(it->first) == it->second;
}

void Claims::GiveUp(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto it = mine_.find(PathOf(key));
  if (it == mine_.end()) return;
  if (ReadText(it->first) == it->second) unlink(it->first.c_str());
  mine_.erase(it);
}

Claims::State Claims::Look(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return Judge(PathOf(key));
}

void Claims::Renew() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    changed_.wait_for(lock, std::chrono::duration<double>(lease_s_ / 8));
    if (ending_) return;
    for (const auto& [path, content] : mine_) {
      if (ReadText(path) == content) utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    }
  }
}

}  // namespace app
