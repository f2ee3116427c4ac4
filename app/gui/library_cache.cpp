#include "app/gui/library_cache.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/settings/text.h"
#include "attention/base/atomic_file.h"
#include "attention/base/error.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kCacheSchema = 1;  // another one whenever LibraryIndex describes clips otherwise
constexpr uintmax_t kMostBytes = uintmax_t{256} << 20;
constexpr size_t kMostText = 64 << 10;

// One clip is an array: path, modified, bytes, sidecar_modified, title, detail, seconds, skipped, flags, noise.
constexpr size_t kFields = 10;
constexpr int kHasJob = 1, kDense = 2;

bool ReadEntry(const json& row, LibraryEntry& entry) {
  if (!row.is_array() || row.size() != kFields) return false;
  for (const size_t text : {0, 4, 5}) {
    if (!row[text].is_string() || row[text].get_ref<const std::string&>().size() > kMostText) return false;
  }
  for (const size_t whole : {1, 2, 3, 8, 9}) {
    if (!row[whole].is_number_integer()) return false;
  }
  for (const size_t number : {6, 7}) {
    if (!row[number].is_number() || !std::isfinite(row[number].get<double>())) return false;
  }
  ui::LibraryItem& item = entry.item;
  item.path = row[0].get<std::string>();
  entry.modified = row[1].get<int64_t>();
  entry.bytes = row[2].get<uint64_t>();
  entry.sidecar_modified = row[3].get<int64_t>();
  item.title = row[4].get<std::string>();
  item.detail = row[5].get<std::string>();
  item.seconds = row[6].get<double>();
  item.skipped = row[7].get<double>();
  const auto flags = row[8].get<int64_t>();
  item.has_job = (flags & kHasJob) != 0;
  item.dense = (flags & kDense) != 0;
  entry.noise = row[9].get<uint64_t>();
  entry.words = WordsOf(item);
  return !item.path.empty();
}

// Text that JSON can hold.
bool IsText(const std::string& text) {
  try {
    return !json(text).dump().empty();
  } catch (const json::exception&) {
    return false;  // a file name that is no UTF-8: read again at the next start
  }
}

}  // namespace

std::string LibraryCachePath() {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  if (cache != nullptr && cache[0] == '/') return std::string(cache) + "/sparge/library.json";
  return home != nullptr && home[0] == '/' ? std::string(home) + "/.cache/sparge/library.json" : "";
}

std::map<std::string, LibraryEntry> ReadLibraryCache(const std::string& path) {
  std::map<std::string, LibraryEntry> entries;
  std::error_code error;
  if (path.empty() || !fs::is_regular_file(path, error) || fs::file_size(path, error) > kMostBytes || error) return {};
  std::ifstream in(path, std::ios::binary);
  const json file = json::parse(in, nullptr, false);
  if (!file.is_object() || file.value("schema", json()) != kCacheSchema) return {};
  const auto clips = file.find("clips");
  if (clips == file.end() || !clips->is_array()) return {};
  for (const json& row : *clips) {
    LibraryEntry entry;
    if (ReadEntry(row, entry)) entries.emplace(entry.item.path, entry);
  }
  return entries;
}

void WriteLibraryCache(const std::string& path, const std::vector<LibraryEntry>& entries) {
  if (path.empty()) return;
  json clips = json::array();
  for (const LibraryEntry& entry : entries) {
    const ui::LibraryItem& item = entry.item;
    if (!IsText(item.path) || !IsText(item.title) || !IsText(item.detail)) continue;
    clips.push_back({item.path, entry.modified, entry.bytes, entry.sidecar_modified, item.title, item.detail,
                     item.seconds, item.skipped, (item.has_job ? kHasJob : 0) | (item.dense ? kDense : 0),
                     entry.noise});
  }
  try {
    base::AtomicFile file(path);
    file.Write(json{{"schema", kCacheSchema}, {"clips", std::move(clips)}}.dump() + "\n");
    file.Commit();
  } catch (const base::Error&) {
    return;  // a full disk, a cache that nobody may write: the next start reads the clips again
  }
}

}  // namespace app
