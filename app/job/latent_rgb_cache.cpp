#include "app/job/latent_rgb_cache.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

namespace app {
namespace {

using nlohmann::json;

constexpr int64_t kMostBytes = 16 << 20;

// Empty: nowhere.
std::string PathFor(const std::string& model_hash) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (cache != nullptr && cache[0] == '/') {
    folder = cache;
  } else if (home != nullptr && home[0] == '/') {
    folder = std::string(home) + "/.cache";
  }
  if (folder.empty() || model_hash.empty()) return "";
  return folder + "/sparge/latent_rgb/" + model_hash + ".json";
}

}  // namespace

std::shared_ptr<const pipeline::LatentRGB> ReadLatentRGB(const std::string& model_hash) {
  const std::string path = PathFor(model_hash);
  std::error_code error;
  if (path.empty() || !std::filesystem::is_regular_file(path, error)) return nullptr;
  if (std::filesystem::file_size(path, error) > kMostBytes || error) return nullptr;
  std::ifstream in(path);
  const json read = json::parse(in, nullptr, false);
  const auto whole = [&](const char* key) {
    return read.contains(key) && read[key].is_number_integer() ? read[key].get<int64_t>() : int64_t{0};
  };
  if (!read.is_object() || whole("version") != 1 || !read.contains("weights") || !read["weights"].is_array() ||
      !read.contains("from_decode") || !read["from_decode"].is_boolean()) {
    return nullptr;
  }
  pipeline::LatentRGB map;
  map.channels = whole("channels");
  map.frames_each = whole("frames_each");
  map.patch = whole("patch");
  map.from_decode = read["from_decode"].get<bool>();
  const auto within = [](int64_t value, int64_t most) { return value >= 1 && value <= most; };
  if (!within(map.channels, 4096) || !within(map.frames_each, 64) || !within(map.patch, 8)) return nullptr;
  if (static_cast<int64_t>(read["weights"].size()) != (map.channels + 1) * map.outputs()) return nullptr;
  for (const json& weight : read["weights"]) {
    if (!weight.is_number() || !std::isfinite(weight.get<float>())) return nullptr;
    map.weights.push_back(weight.get<float>());
  }
  return std::make_shared<const pipeline::LatentRGB>(std::move(map));
}

void WriteLatentRGB(const std::string& model_hash, const pipeline::LatentRGB& map) {
  const std::string path = PathFor(model_hash);
  if (path.empty()) return;
  try {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    base::AtomicFile file(path);
    file.Write(json({{"version", 1},
                     {"channels", map.channels},
                     {"frames_each", map.frames_each},
                     {"patch", map.patch},
                     {"from_decode", map.from_decode},
                     {"weights", map.weights}})
                   .dump());
    file.Commit();
  } catch (const base::Error&) {
  } catch (const std::filesystem::filesystem_error&) {
  }
}

}  // namespace app
