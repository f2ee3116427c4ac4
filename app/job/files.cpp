#include "app/job/files.h"

#include <filesystem>
#include <map>

#include "app/settings/text.h"
#include "attention/base/atomic_file.h"
#include "pipeline/weights/safetensors.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using pipeline::OutputKind;

constexpr const char* kDefaultOut = "out/{name}_{variant}_{seed}_{hash8}";

// Absolute and without "." and ".."; a trailing slash stays.
std::string Normalised(const std::string& path) { return fs::absolute(path).lexically_normal().string(); }

// What two spellings of one file have in common.
std::string Identity(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return error ? path : real.string();
}

// Plans one job's files, collecting what is wrong.
class Planner {
 public:
  Planner(const Job& job, bool existing_is_error)
      : job_(job), options_(VideoOptionsOf(job)), replaces_(!existing_is_error || job.settings.On("overwrite")) {}

  JobFiles Plan(const std::vector<std::string>& given) {
    for (const std::string& path : given) errors_.Try([&] { Output(Normalised(path)); });
    for (const std::string& pattern : given.empty() ? Patterns() : std::vector<std::string>()) {
      errors_.Try([&] { Output(Normalised(FillPlaceholders(pattern, job_.names, job_.settings, job_.hash))); });
    }
    if (!files_.outputs.empty()) {
      const std::string stem = pipeline::OutputStem(files_.outputs[0]);
      if (job_.settings.On("sidecar")) Sidecar(stem + ".json");
      const bool renders = job_.from_clip.empty() && (job_.from_latents.empty() || job_.goes_on);
      if (renders) Latents(stem + ".latents.safetensors");
    }
    if (job_.settings.IsSet("log")) errors_.Try([&] { base::CheckOutputPath(job_.settings.Text("log")); });
    errors_.ThrowIfAny();
    return std::move(files_);
  }

 private:
  std::vector<std::string> Patterns() const {
    const std::vector<std::string> patterns = job_.settings.Paths("out");
    if (!patterns.empty()) return patterns;
    return {DefaultOut(num_frames())};
  }

  int64_t num_frames() const { return job_.settings.Int("frames"); }

  void Output(const std::string& path) {
    const OutputKind kind = pipeline::KindOfOutput(path);
    if (kind == OutputKind::kPngImage && num_frames() != 1) {
      base::Fail(ErrorCode::kInvalidInput, "out: ", Quoted(path), " is one image, but there are ", num_frames(),
                 " frames: write NAME_%04d.png or a folder NAME/");
    }
    pipeline::ValidateOutput(path, options_, num_frames(), job_.settings.Int("height"), job_.settings.Int("width"));
    files_.outputs.push_back(path);
    if (kind == OutputKind::kPngFrames) {
      for (int64_t i = 0; i < num_frames(); ++i) {
        if (!Claim(pipeline::FramePath(path, i), "output " + Quoted(path))) break;
      }
    } else {
      Claim(path, "output " + Quoted(path));
    }
    if (!replaces_) {
      const std::string existing = pipeline::ExistingOutput(path, num_frames());
      base::Check(existing.empty(), ErrorCode::kInvalidInput, Exists(existing));
    }
  }

  void Sidecar(const std::string& path) {
    errors_.Try([&] {
      base::CheckOutputPath(path);
      files_.sidecar = path;
      Claim(path, "the sidecar");
      base::Check(replaces_ || !fs::exists(path), ErrorCode::kInvalidInput, Exists(path),
                  "; --sidecar off writes none");
    });
  }

  // What a render of the same job left when it was cancelled is replaced: it would have the same bits.
  void Latents(const std::string& path) {
    const bool keeps = job_.settings.On("keep_latents");
    if (!keeps && job_.settings.Number("checkpoint_minutes") == 0) return;
    const bool source = job_.goes_on && Identity(path) == Identity(job_.from_latents);
    const bool other = !replaces_ && !source && fs::exists(path) && RecordedHash(path) != job_.hash;
    if (!keeps && other) return;  // somebody else's: then this job leaves no checkpoints
    errors_.Try([&] {
      base::CheckOutputPath(path);
      files_.checkpoint = path;
      if (keeps) files_.kept_latents = path;
      Claim(path, "the kept latents");
      base::Check(!other, ErrorCode::kInvalidInput, Exists(path), "; --keep-latents off writes none");
    });
  }

  static std::string Exists(const std::string& path) {
    return path + " exists already: choose another name, or replace it with --overwrite";
  }

  // Notes that `path` is written for `purpose`; an error, once, where it is taken.
  bool Claim(const std::string& path, const std::string& purpose) {
    const auto [it, free] = claims_.emplace(Identity(path), purpose);
    if (!free) errors_.Add(path + " would be written twice: as " + it->second + " and as " + purpose);
    const bool own = job_.goes_on && path == files_.checkpoint;  // goes on in the same file
    if (!job_.from_latents.empty() && it->first == Identity(job_.from_latents) && !own) {
      errors_.Add(path + " would replace the file that the latents are read from");
      return false;
    }
    if (!job_.from_clip.empty() && it->first == Identity(job_.from_clip)) {
      errors_.Add(path + " would replace the clip that is read: choose another name");
      return false;
    }
    return free;
  }

  const Job& job_;
  pipeline::VideoOptions options_;
  bool replaces_;  // files that exist
  ErrorList errors_;
  JobFiles files_;
  std::map<std::string, std::string> claims_;
};

}  // namespace

pipeline::VideoOptions VideoOptionsOf(const Job& job) {
  pipeline::VideoOptions options;
  options.codec = job.settings.TextOr("encode.codec", "");
  if (job.settings.IsSet("encode.crf")) options.crf = job.settings.Number("encode.crf");
  options.preset = job.settings.TextOr("encode.preset", "");
  options.pixel_format = job.settings.TextOr("encode.pixel_format", "");
  options.fps = job.settings.Number("fps");
  if (job.settings.On("metadata")) options.comment = CanonicalJSON(JobRecord(job));
  return options;
}

std::string DefaultOut(int64_t num_frames) { return std::string(kDefaultOut) + (num_frames == 1 ? ".png" : ".mp4"); }

JobFiles PlanFiles(const Job& job, bool existing_is_error, const std::vector<std::string>& outputs) {
  return Planner(job, existing_is_error).Plan(outputs);
}

std::string RecordedHash(const std::string& safetensors_path) {
  try {
    const auto file = pipeline::SafetensorsFile::Open(safetensors_path);
    const auto it = file->metadata().find("sparge");
    if (it == file->metadata().end()) return "";
    const auto record = nlohmann::json::parse(it->second, nullptr, false);
    return record.is_object() && record.contains("hash") && record["hash"].is_string()
               ? record["hash"].get<std::string>()
               : "";
  } catch (const base::Error&) {
    return "";
  }
}

}  // namespace app
