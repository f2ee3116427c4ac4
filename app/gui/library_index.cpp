#include "app/gui/library_index.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <new>
#include <set>

#include "app/compare/record.h"
#include "app/compare/source.h"
#include "app/gui/library_cache.h"
#include "app/gui/low_priority.h"
#include "app/seen/job_record.h"
#include "app/settings/text.h"
#include "app/settings/value.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMostEntries = 100'000;
constexpr int kMostDepth = 8;
constexpr std::chrono::milliseconds kTellEvery{250};

bool IsClip(const fs::path& path) {
  const std::string extension = LowerASCII(path.extension().string());
  for (const char* known : {".mp4", ".mkv", ".mov", ".webm", ".gif", ".png"}) {
    if (extension == known) return true;
  }
  return false;
}

std::string TextOf(const json& job, const char* key) {
  if (!job.is_object() || !job.contains(key) || job[key].is_null()) return "";
  return job[key].is_structured() ? "" : ToText(job[key]);
}

int64_t ModifiedAt(const std::string& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  return error ? 0 : static_cast<int64_t>(time.time_since_epoch().count());
}

// FNV-1a over what a clip's noise, and what it would show if attention were exact, depend on. Never 0.
uint64_t NoiseOf(const json& job) {
  std::string text;
  for (const char* key : {"prompt", "negative_prompt", "width", "height", "frames", "seed", "steps", "guidance",
                          "scheduler", "flow_shift", "max_sequence_length"}) {
    text += TextOf(job, key) + '\n';
  }
  text += fs::path(TextOf(job, "model")).filename().string();
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash | 1;
}

void Describe(LibraryEntry& entry) {
  ui::LibraryItem& item = entry.item;
  Provenance known = ReadProvenance(item.path, "");
  if (!known.job.is_object()) {
    try {
      known = ReadProvenance(item.path, pipeline::ProbeMedia(item.path).comment);
    } catch (const base::Error&) {
      known = {};  // its picture says that it cannot be read
    }
  }
  item.has_job = known.job.is_object();
  item.title = TextOf(known.job, "prompt");
  if (item.title.empty()) item.title = fs::path(item.path).filename().string();
  const std::string mode = TextOf(known.job, "attention.mode");
  item.dense = mode == "dense";
  item.detail = mode;
  const auto add = [&](const std::string& text) { item.detail += (item.detail.empty() ? "" : " · ") + text; };
  if (!TextOf(known.job, "seed").empty()) add("seed " + TextOf(known.job, "seed"));
  if (!TextOf(known.job, "width").empty()) add(TextOf(known.job, "width") + " × " + TextOf(known.job, "height"));
  if (!TextOf(known.job, "steps").empty()) add(TextOf(known.job, "steps") + " steps");
  const std::string model = TextOf(known.job, "model");
  if (!model.empty()) add(fs::path(model).filename().string());
  item.seconds = known.seconds();
  item.skipped = known.sparsity();
  entry.noise = item.has_job ? NoiseOf(known.job) : 0;
  entry.words = WordsOf(item);
}

bool IsBelow(const std::string& path, const std::string& folder) {
  return path.starts_with(folder) && (folder.ends_with('/') || path[folder.size()] == '/');
}

}  // namespace

std::string WordsOf(const ui::LibraryItem& item) {
  return LowerASCII(item.title + " " + item.detail + " " + item.path);
}

LibraryIndex::LibraryIndex(std::function<void()> wake)
    : wake_(std::move(wake)),
      thread_([this](const std::vector<std::string>& folders, const auto& outdated) { return Work(folders, outdated); },
              wake_) {}

void LibraryIndex::Scan(const std::vector<std::string>& folders) {
  {
    const std::lock_guard lock(mutex_);
    scanning_ = changed_ = true;
  }
  thread_.Ask(folders);
}

bool LibraryIndex::Take(std::vector<LibraryEntry>& entries, bool& scanning) {
  const std::lock_guard lock(mutex_);
  if (!changed_) return false;
  changed_ = false;
  entries = entries_;
  scanning = scanning_;
  return true;
}

// What was known at the last session's end shows before anything was looked at.
void LibraryIndex::ReadCache(const std::vector<std::string>& folders) {
  if (cache_read_) return;
  cache_read_ = true;
  known_ = ReadLibraryCache(LibraryCachePath());
  std::vector<LibraryEntry> entries;
  for (auto& [path, entry] : known_) {
    entry.item.id = next_id_++;
    const auto below = [&, &where = path](const std::string& folder) { return IsBelow(where, folder); };
    if (std::any_of(folders.begin(), folders.end(), below)) entries.push_back(entry);
  }
  if (entries.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    entries_ = std::move(entries);
    changed_ = true;
  }
  wake_();
}

LibraryIndex::Nothing LibraryIndex::Work(const std::vector<std::string>& folders,
                                         const std::function<bool()>& outdated) {
  LowerThreadPriority();
  ReadCache(folders);
  std::vector<LibraryEntry> found;
  std::set<std::string> seen;  // folders may lie in each other
  size_t described = 0;
  auto told = std::chrono::steady_clock::now();
  const auto tell = [&](bool scanning) {
    {
      const std::lock_guard lock(mutex_);
      // While it looks again, what was there stays until the whole is known.
      if (!scanning || found.size() > entries_.size()) entries_ = found;
      scanning_ = scanning;
      changed_ = true;
    }
    wake_();
  };
  const auto take = [&](LibraryEntry entry) {
    if (!seen.insert(entry.item.path).second) return;
    entry.sidecar_modified = ModifiedAt(StemOf(entry.item.path) + ".json");
    LibraryEntry& known = known_[entry.item.path];
    const bool same = known.item.id != 0 && known.modified == entry.modified && known.bytes == entry.bytes &&
                      known.sidecar_modified == entry.sidecar_modified;
    if (!same) {
      // A file that changed is another one for who has its picture; a sidecar that came later is not.
      const bool same_file = known.item.id != 0 && known.modified == entry.modified && known.bytes == entry.bytes;
      entry.item.id = same_file ? known.item.id : next_id_++;
      Describe(entry);
      ++described;
      known = std::move(entry);
    }
    found.push_back(known);
    const auto now = std::chrono::steady_clock::now();
    if (now - told < kTellEvery) return;
    told = now;
    tell(true);
  };
  try {
    for (const std::string& folder : folders) {
      std::error_code error;
      fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
      for (; !error && it != end && found.size() < kMostEntries; it.increment(error)) {
        if (outdated()) return {};
        if (it.depth() > kMostDepth) it.pop();
        std::error_code ignored;
        LibraryEntry entry;
        entry.item.path = it->path().string();
        entry.modified = static_cast<int64_t>(it->last_write_time(ignored).time_since_epoch().count());
        // The PNG frames of a render, in a folder, are one clip.
        if (it->is_directory(ignored) && fs::is_regular_file(entry.item.path + ".json", ignored) &&
            fs::is_regular_file(it->path() / "0000.png", ignored)) {
          it.disable_recursion_pending();
          entry.item.path += '/';
          take(std::move(entry));
          continue;
        }
        if (!it->is_regular_file(ignored) || !IsClip(it->path())) continue;
        entry.bytes = it->file_size(ignored);
        take(std::move(entry));
      }
    }
  } catch (const std::exception&) {
    tell(false);  // a folder that went away in between: what was found counts
    return {};
  }
  tell(false);
  // What other windows know of other folders stays, as long as it is there.
  const size_t gone = std::erase_if(known_, [&](const auto& item) {
    const auto below = [&](const std::string& folder) { return IsBelow(item.first, folder); };
    if (seen.count(item.first)) return false;
    std::error_code error;
    return std::any_of(folders.begin(), folders.end(), below) || !fs::exists(item.first, error);
  });
  if (described == 0 && gone == 0) return {};
  std::vector<LibraryEntry> entries;
  for (const auto& [path, entry] : known_) entries.push_back(entry);
  WriteLibraryCache(LibraryCachePath(), entries);
  return {};
}

std::vector<ui::LibraryItem> Matching(const std::vector<LibraryEntry>& entries,
                                      const std::map<std::string, ui::Mark>& marks, const ui::LibraryQuery& query) {
  std::vector<std::string> words;
  for (const std::string& word : Split(LowerASCII(query.search), ' ')) {
    if (!word.empty()) words.push_back(word);
  }
  std::vector<const LibraryEntry*> left;
  std::vector<ui::LibraryItem> items;
  const auto mark_of = [&](const LibraryEntry& entry) {
    const auto it = marks.find(entry.item.path);
    return it == marks.end() ? ui::Mark::kNone : it->second;
  };
  for (const LibraryEntry& entry : entries) {
    const ui::Mark mark = mark_of(entry);
    if (query.marks == 0 ? mark == ui::Mark::kReject : static_cast<int>(mark) != query.marks) continue;
    const auto has = [&](const std::string& word) { return entry.words.find(word) != std::string::npos; };
    if (std::all_of(words.begin(), words.end(), has)) left.push_back(&entry);
  }
  const auto before = [&](const LibraryEntry* a, const LibraryEntry* b) {
    switch (query.sort) {
      case ui::LibrarySort::kPrompt:
        if (a->item.title != b->item.title) return a->item.title < b->item.title;
        break;
      case ui::LibrarySort::kSeconds:
        if (a->item.seconds != b->item.seconds) return a->item.seconds > b->item.seconds;
        break;
      case ui::LibrarySort::kSkipped:
        if (a->item.skipped != b->item.skipped) return a->item.skipped > b->item.skipped;
        break;
      case ui::LibrarySort::kNewest:
        break;
    }
    return a->modified != b->modified ? a->modified > b->modified : a->item.path < b->item.path;
  };
  std::sort(left.begin(), left.end(), before);
  for (const LibraryEntry* entry : left) {
    items.push_back(entry->item);
    items.back().mark = mark_of(*entry);
  }
  return items;
}

ui::LibraryThumb MakeThumb(const std::string& path, uint64_t& next_image) {
  constexpr int64_t kWidth = 160, kFrames = 12, kMostRead = 96;
  ui::LibraryThumb thumb;
  try {
    const std::unique_ptr<SourceStream> stream = OpenSource(path);
    const SourceInfo info = ProbeSource(path);
    const int64_t stride = std::max<int64_t>(1, (std::min(info.num_frames, kMostRead) + kFrames - 1) / kFrames);
    Picture picture;
    for (int64_t i = 0; i < kMostRead && stream->Next(); ++i) {
      if (i % stride != 0) continue;
      stream->Read(picture);
      Canvas small = Reduced(ToCanvas(picture), kWidth);
      ui::Image image;
      image.id = next_image++;
      image.width_px = static_cast<int>(small.width_px);
      image.height_px = static_cast<int>(small.height_px);
      image.rgb = std::make_shared<const std::vector<uint8_t>>(std::move(small.rgb));
      thumb.frames.push_back(std::move(image));
    }
    thumb.fps = info.fps > 0 ? std::clamp(info.fps / static_cast<double>(stride), 1.0, 15.0) : 4;
  } catch (const base::Error& error) {
    thumb.error = error.what();  // what was read before that is shown
  } catch (const std::bad_alloc&) {
    thumb.error = path + ": no memory";
  }
  return thumb;
}

}  // namespace app
