#include "app/gui/disk_thread.h"

#include <filesystem>
#include <utility>

#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

namespace app {

DiskThread::DiskThread(std::function<void()> failed) : failed_(std::move(failed)), thread_([this] { Run(); }) {}

DiskThread::~DiskThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DiskThread::Write(const std::string& path, std::string text) {
  const std::lock_guard lock(mutex_);
  texts_[path] = std::move(text);
  changed_.notify_all();
}

void DiskThread::Remove(const std::string& folder) {
  const std::lock_guard lock(mutex_);
  folders_.push_back(folder);
  changed_.notify_all();
}

void DiskThread::Finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !working_ && texts_.empty() && folders_.empty(); });
}

std::vector<std::string> DiskThread::TakeErrors() {
  const std::lock_guard lock(mutex_);
  return std::exchange(errors_, {});
}

void DiskThread::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    working_ = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return ending_ || !texts_.empty() || !folders_.empty(); });
    if (texts_.empty() && folders_.empty()) return;
    working_ = true;
    const std::map<std::string, std::string> texts = std::exchange(texts_, {});
    const std::vector<std::string> folders = std::exchange(folders_, {});
    lock.unlock();
    std::vector<std::string> errors;
    for (const auto& [path, text] : texts) {
      try {
        base::AtomicFile file(path);
        file.Write(text);
        file.Commit();
      } catch (const base::Error& error) {
        errors.emplace_back(error.what());
      }
    }
    for (const std::string& folder : folders) {
      std::error_code ignored;  // what cannot be removed now goes when the next window starts
      std::filesystem::remove_all(folder, ignored);
    }
    if (!errors.empty()) {
      lock.lock();
      errors_.insert(errors_.end(), errors.begin(), errors.end());
      lock.unlock();
      failed_();
    }
    lock.lock();
  }
}

}  // namespace app
