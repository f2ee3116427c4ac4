#include "app/gui/clip_loader.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

constexpr size_t kMostBytes = size_t{1} << 30;  // of decoded frames

}  // namespace

ClipLoader::ClipLoader(std::function<void()> ready)
    : thread_([this](const std::string& path, const std::function<bool()>& outdated) { return Read(path, outdated); },
              std::move(ready)) {}

ClipLoader::Loaded ClipLoader::Read(const std::string& path, const std::function<bool()>& outdated) {
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
    while (!outdated() && reader.Next()) {
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

}  // namespace app
