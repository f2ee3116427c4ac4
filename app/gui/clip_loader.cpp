#include "app/gui/clip_loader.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;  // of decoded frames

}  // namespace

ClipLoader::ClipLoader(std::function<void()> ready) : ready_(std::move(ready)), thread_([this] { Run(); }) {}

ClipLoader::~ClipLoader() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ClipLoader::Load(const std::string& path) {
  const std::lock_guard lock(mutex_);
  wanted_ = path;
  ++number_;
  loaded_.reset();
  changed_.notify_all();
}

std::optional<ClipLoader::Loaded> ClipLoader::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(loaded_, std::nullopt);
}

bool ClipLoader::Outdated(uint64_t number) {
  const std::lock_guard lock(mutex_);
  return ending_ || number != number_;
}

ClipLoader::Loaded ClipLoader::Read(const std::string& path, uint64_t number) {
  Loaded loaded;
  loaded.path = path;
  try {
    pipeline::FrameReader reader(path);
    ui::Clip clip;
    clip.id = next_id_ += 2;
    clip.path = path;
    clip.title = std::filesystem::path(path).filename().string();
    const auto width = static_cast<size_t>(reader.info().width_px),
               height = static_cast<size_t>(reader.info().height_px);
    std::vector<float> values(width * height * 3);
    size_t bytes = 0;
    while (!Outdated(number) && reader.Next()) {
      if (bytes + values.size() > kMostBytes) {
        loaded.cut = true;
        break;
      }
      reader.Convert(values.data());
      auto rgb = std::make_shared<std::vector<uint8_t>>(values.size());
      std::transform(values.begin(), values.end(), rgb->begin(),
                     [](float v) { return static_cast<uint8_t>(std::lround(std::clamp(v, 0.0f, 1.0f) * 255)); });
      bytes += values.size();
      clip.frames.push_back({next_id_ += 2, static_cast<int>(width), static_cast<int>(height), std::move(rgb)});
    }
    clip.fps = reader.info().fps;
    base::Check(!clip.frames.empty(), base::ErrorCode::kInvalidInput, path, ": no frames");
    loaded.clip = std::move(clip);
  } catch (const base::Error& error) {
    loaded.error = error.what();
  } catch (const std::bad_alloc&) {
    loaded.error = path + ": no memory for its frames";
  }
  return loaded;
}

void ClipLoader::Run() {
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ending_ || done_ != number_; });
    if (ending_) return;
    const uint64_t number = number_;
    const std::string path = wanted_;
    lock.unlock();
    Loaded loaded = Read(path, number);
    lock.lock();
    done_ = number;
    if (ending_) return;
    if (number != number_) continue;
    loaded_ = std::move(loaded);
    lock.unlock();
    ready_();
  }
}

}  // namespace app
