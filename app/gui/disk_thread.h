#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace app {

// Writes and removes files beside the window: syncing one to the disk may take longer than a frame.
class DiskThread {
 public:
  // `failed` is called from the thread when there is something for TakeErrors.
  explicit DiskThread(std::function<void()> failed);
  ~DiskThread();  // after what is left is done
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  // The file appears whole (base::AtomicFile). Of several texts for a path that wait, the last one is written.
  void Write(const std::string& path, std::string text);
  // A folder with all that is in it.
  void Remove(const std::string& folder);
  // Waits until all is done.
  void Finish();
  // Of writing, since the last call.
  std::vector<std::string> TakeErrors();

 private:
  void Run();

  const std::function<void()> failed_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string> texts_;  // by path
  std::vector<std::string> folders_, errors_;
  bool working_ = false, ending_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace app
