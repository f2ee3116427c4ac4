#include "app/gui/library_index.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <new>

#include "app/compare/record.h"
#include "app/compare/source.h"
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
  entry.words = LowerASCII(item.title + " " + item.detail + " " + item.path);
}

}  // namespace

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

LibraryIndex::Nothing LibraryIndex::Work(const std::vector<std::string>& folders,
                                         const std::function<bool()>& outdated) {
  LowerThreadPriority();
  std::vector<LibraryEntry> found;
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
  try {
    for (const std::string& folder : folders) {
      std::error_code error;
      fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
      for (; !error && it != end && found.size() < kMostEntries; it.increment(error)) {
        if (outdated()) return {};
        if (it.depth() > kMostDepth) it.pop();
        std::error_code ignored;
        if (!it->is_regular_file(ignored) || !IsClip(it->path())) continue;
        LibraryEntry entry;
        entry.item.path = it->path().string();
        entry.modified = static_cast<int64_t>(it->last_write_time(ignored).time_since_epoch().count());
        entry.bytes = it->file_size(ignored);
        LibraryEntry& known = known_[entry.item.path];
        if (known.item.id == 0 || known.modified != entry.modified || known.bytes != entry.bytes) {
          entry.item.id = next_id_++;
          Describe(entry);
          known = std::move(entry);
        }
        found.push_back(known);
        const auto now = std::chrono::steady_clock::now();
        if (now - told < kTellEvery) continue;
        told = now;
        tell(true);
      }
    }
  } catch (const std::exception&) {
    tell(false);  // a folder that went away in between: what was found counts
    return {};
  }
  tell(false);
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
