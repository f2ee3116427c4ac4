#include "app/job/reencode.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>

#include "app/compare/source.h"
#include "app/job/files.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"
#include "pipeline/media/media.h"
#include "pipeline/media/video_writer.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using nlohmann::json;
using pipeline::OutputKind;

constexpr double kFpsOfImages = 16;
constexpr int64_t kMostBytes = int64_t{4} << 30;  // of frames that are held together: GIF and PNG

bool Counts(const Setting& setting) {
  return setting.group == "encode" || setting.group == "outputs" || setting.key == "fps";
}

void CheckLayers(const std::vector<Layer>& layers, ErrorList& errors) {
  for (const Layer& layer : layers) {
    for (const auto& [key, assignment] : layer) {
      if (Counts(*FindSetting(key))) continue;
      errors.Add(base::StrCat(assignment.where == "settings" ? "settings: " + key : assignment.where,
                              " has no effect on a clip that is already made: there are fps, encoding and outputs"));
    }
  }
}

// The job that made the clip, without where files go. Empty, with a notice, where it is none.
Layer JobOf(const SourceInfo& source, std::vector<std::string>& notices) {
  if (!source.provenance.job.is_object()) return {};
  try {
    std::vector<std::string> unknown;
    Layer job = LayerFromJSON(source.provenance.job, source.path, &unknown);
    std::erase_if(job, [](const auto& item) { return FindSetting(item.first)->group == "outputs"; });
    return job;
  } catch (const base::Error& error) {
    notices.push_back(base::StrCat("the clip's job is not kept: ", error.what()));
    return {};
  }
}

bool Gives(const std::vector<Layer>& layers, const char* key) {
  return std::any_of(layers.begin(), layers.end(), [&](const Layer& layer) {
    const auto it = layer.find(key);
    return it != layer.end() && !it->second.value.is_null();
  });
}

bool IsGif(const std::string& path) { return LowerASCII(fs::path(path).extension().string()) == ".gif"; }

// One output out of the frames, from the first on.
class OutputMaker {
 public:
  OutputMaker(const Reencoding& what, const pipeline::VideoOptions& options, JobObserver& observer)
      : what_(what), options_(options), observer_(observer), stream_(OpenSource(what.frames)) {}

  void Write(const std::string& path) {
    const bool streams = pipeline::KindOfOutput(path) == OutputKind::kVideo && !IsGif(path);
    observer_.Update(pipeline::Stage::kWrite, 0, what_.num_frames);
    streams ? Stream(path) : WriteTogether(path);
    observer_.Update(pipeline::Stage::kWrite, what_.num_frames, what_.num_frames);
  }

 private:
  bool Next() {
    observer_.ThrowIfCancelled();
    if (!stream_->Next()) return false;
    stream_->Read(picture_);
    return true;
  }

  void Stream(const std::string& path) {
    base::AtomicFile file(path);
    std::unique_ptr<pipeline::VideoWriter> writer;
    for (int64_t i = 0; Next(); ++i) {
      if (!writer) {
        writer =
            std::make_unique<pipeline::VideoWriter>(file, options_, picture_.height_px, picture_.width_px, observer_);
      }
      writer->Add(picture_.rgb.data());
      observer_.Update(pipeline::Stage::kWrite, std::min(i + 1, what_.num_frames - 1), what_.num_frames);
    }
    base::Check(writer != nullptr, ErrorCode::kInvalidInput, what_.frames, ": no frames");
    writer->Finish();
    file.Commit();
  }

  void WriteTogether(const std::string& path) {
    std::vector<float> frames;
    pipeline::FramesView view;
    while (Next()) {
      const auto bytes = static_cast<int64_t>((frames.size() + picture_.rgb.size()) * sizeof(float));
      base::Check(bytes <= kMostBytes, ErrorCode::kOutOfMemory, path, ": the frames of ", what_.frames,
                  " need more than ", kMostBytes >> 30,
                  " GiB together, which a GIF and PNG frames take; write a video");
      frames.insert(frames.end(), picture_.rgb.begin(), picture_.rgb.end());
      ++view.num_frames;
    }
    view.data = frames.data();
    view.height_px = picture_.height_px;
    view.width_px = picture_.width_px;
    pipeline::WriteMedia(path, view, options_, observer_);
  }

  const Reencoding& what_;
  const pipeline::VideoOptions& options_;
  JobObserver& observer_;
  std::unique_ptr<SourceStream> stream_;
  Picture picture_;
};

// The clip's own sidecar, of the new files: what rendered the frames stays, writing them is ours.
json SidecarOf(const Reencoding& what, double write_s) {
  json sidecar = what.sidecar.is_object() ? what.sidecar : json::object();
  const auto number = [](const json& object, const char* key) {
    return object.contains(key) && object[key].is_number() ? object[key].get<double>() : 0.0;
  };
  json timings =
      sidecar.contains("timings_s") && sidecar["timings_s"].is_object() ? sidecar["timings_s"] : json::object();
  timings["total"] = std::max(0.0, number(timings, "total") - number(timings, "write")) + write_s;
  timings["write"] = write_s;
  sidecar["timings_s"] = timings;
  sidecar["metrics"] = nullptr;
  for (const auto& [key, value] : what.record.items()) sidecar[key] = value;
  sidecar["from"]["path"] = what.job.from_clip;
  return sidecar;
}

}  // namespace

Reencoding PrepareReencoding(const std::string& clip, const JobSource& source) {
  Reencoding what;
  const SourceInfo info = ProbeSource(clip);
  what.frames = info.frames_path.empty() ? info.path : info.frames_path;
  what.num_frames = info.num_frames;
  what.sidecar = info.provenance.sidecar;

  Job& job = what.job;
  job.names = source.names;
  const bool folder = info.path.ends_with('/');
  job.from_clip = fs::absolute(info.path).lexically_normal().string();
  ErrorList errors;
  CheckLayers(source.layers, errors);
  errors.ThrowIfAny();
  const Layer made_by = JobOf(info, job.notices);
  std::vector<Layer> layers = {made_by};
  layers.insert(layers.end(), source.layers.begin(), source.layers.end());
  job.settings = EffectiveSettings::Resolve({}, layers);
  if (!Gives(source.layers, "fps")) {
    const double fps = info.fps > 0 ? info.fps : info.provenance.fps() > 0 ? info.provenance.fps() : kFpsOfImages;
    job.settings.Set("fps", fps, clip);
  }
  what.fps = job.settings.Number("fps");
  // A hash that no render has: these frames were encoded before.
  job.hash = JobHash(job.settings, "clip " + info.provenance.hash);
  const std::string name = folder ? fs::path(job.from_clip).parent_path().filename().string() + "/"
                                  : fs::path(job.from_clip).filename().string();
  const json& of = info.provenance.hash.empty() ? json() : json(info.provenance.hash);
  what.record = {{"schema", kSchema},
                 {"hash", job.hash},
                 {"job", made_by.empty() ? json() : job.settings.ToJSON()},
                 {"model", info.provenance.model},
                 {"from", {{"kind", "clip"}, {"name", name}, {"hash", of}}}};
  job.settings.Set("frames", info.num_frames, clip);
  job.settings.Set("width", info.width_px, clip);
  job.settings.Set("height", info.height_px, clip);
  errors.Try([&] { job.files = PlanFiles(job, source.existing_is_error, source.outputs); });
  for (const std::string& path : job.files.outputs) {
    if (pipeline::KindOfOutput(path) != OutputKind::kTensors) continue;
    errors.Add(path + ": a clip has no latents; .safetensors files come from a render, or from its kept latents");
  }
  errors.ThrowIfAny();
  return what;
}

json Reencode(const Reencoding& what, JobObserver& observer) {
  const auto start = std::chrono::steady_clock::now();
  const Job& job = what.job;
  observer.Started(job);
  for (const std::string& notice : job.notices) observer.Notice(notice);
  pipeline::VideoOptions options = VideoOptionsOf(job);
  options.comment = job.settings.On("metadata") && what.record["job"].is_object() ? CanonicalJSON(what.record) : "";
  for (const std::string& path : job.files.outputs) {
    OutputMaker(what, options, observer).Write(path);
    observer.Output(path);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  json sidecar = SidecarOf(what, seconds);
  if (!job.files.sidecar.empty()) {
    base::AtomicFile file(job.files.sidecar);
    file.Write(PrettyJSON(sidecar));
    file.Commit();
    observer.Output(job.files.sidecar);
  }
  observer.Done(job, seconds);
  return sidecar;
}

}  // namespace app
