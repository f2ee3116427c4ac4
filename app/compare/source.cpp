#include "app/compare/source.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "app/settings/text.h"
#include "attention/base/error.h"
#include "pipeline/media/media.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using pipeline::SafetensorsFile;

constexpr char kFrames[] = "frames";

bool IsTensors(const std::string& path) { return LowerASCII(fs::path(path).extension().string()) == ".safetensors"; }

const pipeline::TensorEntry& FramesOf(const SafetensorsFile& file) {
  const auto found = file.tensors().find(kFrames);
  base::Check(found != file.tensors().end(), ErrorCode::kInvalidInput, "cannot compare '", file.path(),
              "': it has no tensor `frames` (a file of latents has to be decoded first: sparge generate "
              "--from-latents)");
  const auto& shape = found->second.shape;
  base::Check(shape.size() == 4 && shape[3] == 3 && shape[0] > 0 && shape[1] > 0 && shape[2] > 0,
              ErrorCode::kInvalidInput, "cannot compare '", file.path(), "': its tensor `frames` must be [F, H, W, 3]");
  return found->second;
}

class TensorStream : public SourceStream {
 public:
  explicit TensorStream(const std::string& path) : file_(SafetensorsFile::Open(path)), entry_(FramesOf(*file_)) {
    if (entry_.dtype != pipeline::DType::kF32) converted_ = file_->ReadFloat(kFrames);
  }

  bool Next() override { return ++index_ < entry_.shape[0]; }
  double time_s() const override { return -1; }

  void Read(Picture& picture) override {
    picture.Resize(entry_.shape[1], entry_.shape[2]);
    const size_t values = picture.rgb.size(), start = static_cast<size_t>(index_) * values;
    if (converted_.empty()) {
      std::memcpy(picture.rgb.data(), entry_.data + start * sizeof(float), values * sizeof(float));
    } else {
      std::copy_n(converted_.data.begin() + static_cast<std::ptrdiff_t>(start), values, picture.rgb.begin());
    }
    for (float& value : picture.rgb) {
      base::Check(std::isfinite(value), ErrorCode::kInvalidInput, "cannot compare '", file_->path(), "': frame ",
                  index_, " holds ", value, ", not a number in 0…1");
      value = std::clamp(value, 0.0f, 1.0f);
    }
  }

 private:
  std::shared_ptr<const SafetensorsFile> file_;
  const pipeline::TensorEntry& entry_;
  pipeline::HostTensor converted_;  // where the file holds another type than float32
  int64_t index_ = -1;
};

class MediaStream : public SourceStream {
 public:
  explicit MediaStream(const std::string& path) : reader_(path) {}
  bool Next() override { return reader_.Next(); }
  double time_s() const override { return reader_.info().is_video ? reader_.time_s() : -1; }
  void Read(Picture& picture) override {
    picture.Resize(reader_.info().height_px, reader_.info().width_px);
    reader_.Convert(picture.rgb.data());
  }

 private:
  pipeline::FrameReader reader_;
};

void ProbeTensors(SourceInfo& source) {
  const auto file = SafetensorsFile::Open(source.path);
  const pipeline::TensorEntry& frames = FramesOf(*file);
  source.kind = std::string(pipeline::DTypeName(frames.dtype)) + " frames";
  source.num_frames = frames.shape[0];
  source.height_px = frames.shape[1];
  source.width_px = frames.shape[2];
  source.before_encoding = true;
  source.frames_path = source.path;
  const auto job = file->metadata().find("sparge");
  source.provenance = ReadProvenance(source.path, job == file->metadata().end() ? "" : job->second);
  source.fps = source.num_frames > 1 ? source.provenance.fps() : 0;
}

// The .safetensors output of the render that `source` is an output of.
std::string FramesBeside(const SourceInfo& source) {
  const std::string path = StemOf(source.path) + ".safetensors";
  std::error_code error;
  if (source.provenance.hash.empty() || !fs::is_regular_file(path, error)) return "";
  try {
    SourceInfo frames;
    frames.path = path;
    ProbeTensors(frames);
    const bool same = frames.provenance.hash == source.provenance.hash && frames.num_frames == source.num_frames &&
                      frames.height_px == source.height_px && frames.width_px == source.width_px;
    return same ? path : "";
  } catch (const base::Error&) {  // it is another file's business whether it is right
    return "";
  }
}

std::vector<std::string> PartsOf(const std::string& path) {
  std::vector<std::string> parts;
  for (const std::string& part : Split(fs::absolute(path).lexically_normal().string(), '/')) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::string Tail(const std::vector<std::string>& parts, size_t count) {
  const size_t first = parts.size() - std::min(count, parts.size());
  return Join({parts.begin() + static_cast<std::ptrdiff_t>(first), parts.end()}, "/");
}

}  // namespace

SourceInfo ProbeSource(const std::string& path) {
  SourceInfo source;
  source.path = path;
  std::error_code error;
  if (!path.empty() && path.back() != '/' && fs::is_directory(path, error)) source.path += '/';
  if (IsTensors(source.path)) {
    ProbeTensors(source);
    return source;
  }
  const pipeline::MediaInfo media = pipeline::ProbeMedia(source.path);
  source.kind = media.is_video ? media.codec + " in " + media.container : media.codec;
  source.width_px = media.width_px;
  source.height_px = media.height_px;
  source.num_frames = media.num_frames;
  source.provenance = ReadProvenance(source.path, media.comment);
  source.fps = media.is_video ? media.fps : source.num_frames > 1 ? source.provenance.fps() : 0;
  source.frames_path = FramesBeside(source);
  return source;
}

std::string LetterOf(size_t index) {
  return index < 26 ? std::string(1, static_cast<char>('A' + index)) : base::StrCat("S", index);
}

void NameSources(std::vector<SourceInfo>& sources) {
  std::vector<std::vector<std::string>> parts;
  for (const SourceInfo& source : sources) parts.push_back(PartsOf(source.path));
  for (size_t i = 0; i < sources.size(); ++i) {
    const auto others_like = [&](const std::string& tail, size_t count) {
      for (size_t j = 0; j < sources.size(); ++j) {
        if (j != i && Tail(parts[j], count) == tail) return true;
      }
      return false;
    };
    size_t count = 1;
    while (count < parts[i].size() && others_like(Tail(parts[i], count), count)) ++count;
    const std::string tail = Tail(parts[i], count);
    sources[i].name = others_like(tail, count) ? Tail(parts[i], 1) + " (" + LetterOf(i) + ")" : tail;
  }
}

std::unique_ptr<SourceStream> OpenSource(const std::string& path) {
  if (IsTensors(path)) return std::make_unique<TensorStream>(path);
  return std::make_unique<MediaStream>(path);
}

}  // namespace app
