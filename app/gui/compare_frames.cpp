#include "app/gui/compare_frames.h"

#include <algorithm>
#include <new>

#include "app/gui/low_priority.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"

namespace app {
namespace {

// Both sides divided by it, so that a picture fits into the share of video memory.
int64_t ReductionOf(const SourceInfo& info) {
  int64_t factor = 1;
  while ((info.width_px / factor) * (info.height_px / factor) > CompareFrames::kMostPixels) factor *= 2;
  return factor;
}

Canvas Shrunk(const Canvas& picture, int64_t factor) {
  if (factor == 1) return picture;
  Canvas out(std::max<int64_t>(picture.height_px / factor, 1), std::max<int64_t>(picture.width_px / factor, 1));
  for (int64_t y = 0; y < out.height_px; ++y) {
    for (int64_t x = 0; x < out.width_px; ++x) {
      for (int c = 0; c < 3; ++c) {
        int64_t sum = 0, count = 0;
        for (int64_t v = y * factor; v < std::min((y + 1) * factor, picture.height_px); ++v) {
          for (int64_t u = x * factor; u < std::min((x + 1) * factor, picture.width_px); ++u, ++count)
            sum += picture.at(v, u)[c];
        }
        out.at(y, x)[c] = static_cast<uint8_t>((sum + count / 2) / count);
      }
    }
  }
  return out;
}

}  // namespace

// A clip, its reader and its frames. What the thread alone touches: info, reduced, chunk (frames that come
// together), stream, position, picture.
struct CompareFrames::Source {
  SourceInfo info;
  int64_t reduced = 1, chunk = kChunk;
  std::unique_ptr<SourceStream> stream;
  int64_t position = 0;  // of the next frame of the stream
  Picture picture;
  // Under the mutex.
  std::map<int64_t, std::vector<ui::Image>> chunks;
  std::vector<double> times_s;
  int64_t readable = -1;
  std::string error;
  uint64_t bytes = 0;

  uint64_t FrameBytes() const {
    return static_cast<uint64_t>((info.width_px / reduced) * (info.height_px / reduced)) * 3;
  }
  int64_t Count() const { return readable >= 0 ? readable : info.num_frames; }
  int64_t NumChunks() const { return (Count() + chunk - 1) / chunk; }
};

CompareFrames::CompareFrames(std::function<void()> wake, uint64_t cap_bytes)
    : wake_(std::move(wake)), cap_(cap_bytes), thread_([this] { Run(); }) {}

CompareFrames::~CompareFrames() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ++number_;
  }
  changed_.notify_all();
  thread_.join();
}

void CompareFrames::Open(std::vector<std::string> paths) {
  const std::lock_guard lock(mutex_);
  paths_ = std::move(paths);
  ++number_;
  opened_.reset();
  sources_.clear();
  wanted_.clear();
  changed_.notify_all();
}

std::optional<CompareFrames::Opened> CompareFrames::TakeOpened() {
  const std::lock_guard lock(mutex_);
  return std::exchange(opened_, std::nullopt);
}

void CompareFrames::Want(const std::vector<int64_t>& frames, int direction) {
  const std::lock_guard lock(mutex_);
  if (frames == wanted_ && direction == direction_) return;
  wanted_ = frames;
  direction_ = direction;
  changed_.notify_all();
}

std::optional<CompareFrames::Frame> CompareFrames::Get(size_t source, int64_t frame) const {
  const std::lock_guard lock(mutex_);
  if (source >= sources_.size() || frame < 0) return std::nullopt;
  const Source& from = *sources_[source];
  const auto chunk = from.chunks.find(frame / from.chunk);
  const auto index = static_cast<size_t>(frame % from.chunk);
  if (chunk == from.chunks.end() || index >= chunk->second.size()) return std::nullopt;
  return Frame{chunk->second[index], from.reduced};
}

CompareFrames::State CompareFrames::state(size_t source) const {
  const std::lock_guard lock(mutex_);
  State state;
  if (source >= sources_.size()) return state;
  const Source& from = *sources_[source];
  for (const auto& [chunk, frames] : from.chunks) state.in_memory += static_cast<int64_t>(frames.size());
  state.readable = from.readable;
  state.error = from.error;
  state.times_s = from.times_s;
  return state;
}

uint64_t CompareFrames::bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const auto& source : sources_) sum += source->bytes;
  return sum;
}

// A video that is cut short or damaged, as far as it can be decoded; no frames where it cannot be at all.
SourceInfo CompareFrames::ProbeBroken(uint64_t number, const std::string& path) const {
  const auto outdated = [&] {
    const std::lock_guard lock(mutex_);
    return number != number_;
  };
  SourceInfo source;
  source.path = path;
  try {
    pipeline::FrameReader reader(path);
    const pipeline::MediaInfo& media = reader.info();
    if (!media.is_video) return source;
    source.kind = media.codec + " in " + media.container;
    source.width_px = media.width_px;
    source.height_px = media.height_px;
    source.fps = media.fps;
    source.provenance = ReadProvenance(path, media.comment);
    while (source.num_frames < kMostFrames && !outdated() && reader.Next()) ++source.num_frames;
  } catch (const base::Error&) {
    return source;  // up to here
  }
  return source;
}

void CompareFrames::LookAt(uint64_t number, const std::vector<std::string>& paths) {
  Opened opened;
  for (const std::string& path : paths) {
    SourceInfo info;
    std::string error, broken;
    try {
      try {
        info = ProbeSource(path);
      } catch (const base::Error& problem) {
        info = ProbeBroken(number, path);
        if (info.num_frames == 0) throw;
        broken = problem.what();
      }
      base::Check(info.num_frames > 0 && info.num_frames <= kMostFrames, base::ErrorCode::kInvalidInput, path, ": ",
                  info.num_frames, " frames cannot be compared");
    } catch (const base::Error& problem) {
      error = problem.what();
    } catch (const std::bad_alloc&) {
      error = path + ": no memory to look at it";
    }
    opened.sources.push_back(std::move(info));
    opened.errors.push_back(std::move(error));
    opened.breaks.push_back(std::move(broken));
  }
  const std::lock_guard lock(mutex_);
  if (number != number_) return;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (!opened.errors[i].empty()) continue;
    auto source = std::make_shared<Source>();
    source->info = opened.sources[i];
    source->reduced = ReductionOf(source->info);
    sources_.push_back(std::move(source));
  }
  // A clip's share of the cap holds several chunks, so that one can come while another goes.
  for (const auto& source : sources_) {
    const uint64_t frames = cap_ / sources_.size() / std::max<uint64_t>(source->FrameBytes(), 1);
    source->chunk = std::clamp<int64_t>(static_cast<int64_t>(std::min<uint64_t>(frames, 1U << 20)) / 4, 1, kChunk);
  }
  opened_ = std::move(opened);
}

// The chunk of the frame first, then those that come next, then those before; as many as the source's share holds.
std::vector<int64_t> CompareFrames::WantedChunks(const Source& source, int64_t frame) const {
  const int64_t num_chunks = source.NumChunks();
  if (num_chunks < 1) return {};
  const uint64_t chunk_bytes = std::max<uint64_t>(source.FrameBytes() * static_cast<uint64_t>(source.chunk), 1);
  const auto share = static_cast<int64_t>(cap_ / std::max<size_t>(sources_.size(), 1) / chunk_bytes);
  const int64_t most = std::clamp<int64_t>(share, 1, num_chunks),
                at = std::clamp(frame / source.chunk, int64_t{0}, num_chunks - 1);
  const int64_t behind = most == num_chunks ? 0 : (most - 1) / 4;  // all of it: the order alone matters
  std::vector<int64_t> chunks;
  for (int64_t i = 0; i < most - behind; ++i) {
    chunks.push_back((((at + i * direction_) % num_chunks) + num_chunks) % num_chunks);
  }
  for (int64_t i = 1; i <= behind; ++i) {
    chunks.push_back((((at - i * direction_) % num_chunks) + num_chunks) % num_chunks);
  }
  return chunks;
}

void CompareFrames::ReadChunk(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Source>& source,
                              int64_t chunk) {
  const uint64_t number = number_;
  const int64_t first = chunk * source->chunk, end = std::min(first + source->chunk, source->Count());
  std::vector<ui::Image> images;
  std::vector<double> times;
  std::string error;
  int64_t readable = -1;
  const auto known = static_cast<int64_t>(source->times_s.size());
  lock.unlock();
  try {
    if (source->stream == nullptr || source->position > first) {
      source->stream = OpenSource(source->info.path);
      source->position = 0;
    }
    while (source->position < end) {
      if (!source->stream->Next()) {
        readable = source->position;
        error = "it ends after " + std::to_string(readable) + " of the " + std::to_string(source->info.num_frames) +
                " frames that it announces";
        break;
      }
      const double time_s = source->stream->time_s();
      if (time_s >= 0 && source->position >= known + static_cast<int64_t>(times.size())) times.push_back(time_s);
      if (source->position++ < first) continue;
      source->stream->Read(source->picture);
      Canvas canvas = Shrunk(ToCanvas(source->picture), source->reduced);
      ui::Image image;
      image.width_px = static_cast<int>(canvas.width_px);
      image.height_px = static_cast<int>(canvas.height_px);
      image.rgb = std::make_shared<const std::vector<uint8_t>>(std::move(canvas.rgb));
      images.push_back(std::move(image));
    }
  } catch (const base::Error& problem) {
    readable = source->position;
    error = problem.what();
  } catch (const std::bad_alloc&) {
    readable = source->position;
    error = source->info.path + ": no memory for its frames";
  }
  if (!error.empty()) source->stream.reset();
  lock.lock();
  if (number != number_) return;
  for (ui::Image& image : images) {
    image.id = next_id_++;
    source->bytes += image.rgb->size();
  }
  if (!images.empty()) source->chunks[chunk] = std::move(images);
  source->times_s.insert(source->times_s.end(), times.begin(), times.end());
  if (readable >= 0) {
    source->readable = readable;
    source->error = error;
  }
}

// Reads what is missing most. False where nothing is.
bool CompareFrames::ReadSome(std::unique_lock<std::mutex>& lock) {
  if (sources_.empty()) return false;
  std::shared_ptr<Source> found;
  size_t found_rank = 0;
  int64_t found_chunk = 0;
  for (size_t i = 0; i < sources_.size(); ++i) {
    const std::vector<int64_t> chunks = WantedChunks(*sources_[i], i < wanted_.size() ? wanted_[i] : 0);
    for (size_t rank = 0; rank < chunks.size() && (!found || rank < found_rank); ++rank) {
      if (sources_[i]->chunks.count(chunks[rank])) continue;
      found = sources_[i];
      found_rank = rank;
      found_chunk = chunks[rank];
      break;
    }
    // What is not wanted any more goes before something comes.
    std::erase_if(sources_[i]->chunks, [&](const auto& entry) {
      if (std::find(chunks.begin(), chunks.end(), entry.first) != chunks.end()) return false;
      for (const ui::Image& image : entry.second) sources_[i]->bytes -= image.rgb->size();
      return true;
    });
  }
  if (!found) return false;
  ReadChunk(lock, found, found_chunk);
  return true;
}

void CompareFrames::Run() {
  LowerThreadPriority();
  std::unique_lock lock(mutex_);
  for (;;) {
    if (ending_) return;
    if (looked_at_ != number_) {
      const uint64_t number = number_;
      const std::vector<std::string> paths = paths_;
      lock.unlock();
      LookAt(number, paths);
      wake_();
      lock.lock();
      looked_at_ = number;
      continue;
    }
    if (ReadSome(lock)) {
      lock.unlock();
      wake_();
      lock.lock();
      continue;
    }
    changed_.wait(lock);
  }
}

}  // namespace app
