#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace app {

// Lock files that processes on one or several machines claim entries of a batch with: FOLDER/KEY.lock, with owner and
// lease. A lock is made by link(), which NFS does atomically, and replaced by rename(). Its owner renews it; a lock is
// stale when its owner is a process of this machine that is gone, with the workers that it started, or when it was not
// renewed for as long as its lease, by the watch of who looks (clocks of machines may differ).
class Claims {
 public:
  explicit Claims(std::string folder, double lease_s = 120);
  ~Claims();  // gives up all claims
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

  enum class Result {
    kClaimed,
    kTakenOver,  // claimed; its owner before left without giving it up
    kBusy,
  };
  // `what`: for people who look into the file. Throws base::Error{kIo} where no lock can be made.
  Result Claim(const std::string& key, const std::string& what);

  // Whether a claim still holds: not where this process slept longer than its lease and another took over.
  bool Holds(const std::string& key);
  void GiveUp(const std::string& key);

  struct State {
    bool locked = false, stale = false, mine = false;
    std::string owner;  // "host, process 123"
  };
  // "NAME=value" for the environment of this owner's workers, by which others find them.
  std::string WorkerMark() const;

  // Without claiming anything.
  State Look(const std::string& key);

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {  // a lock of another
    std::string content;
    int64_t renewed = 0;  // its time of modification, ns
    Clock::time_point since;
  };
  State Judge(const std::string& path);
  std::string PathOf(const std::string& key) const { return folder_ + "/" + key + ".lock"; }
  std::string ContentFor(const std::string& what) const;
  bool MakeLock(const std::string& path, const std::string& content);
  bool TakeOver(const std::string& path, const std::string& content, const std::string& judged);
  void Renew();

  const std::string folder_;
  const double lease_s_;
  std::string nonce_;  // of this process
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> mine_;  // path → content
  std::map<std::string, Seen> seen_;
  bool ending_ = false;
  std::thread renewer_;
};

}  // namespace app
