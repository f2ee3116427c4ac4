#include "app/jobs/outputs.h"

#include <sys/stat.h>

#include <filesystem>

#include "app/job/files.h"
#include "app/job/placeholders.h"
#include "app/settings/text.h"
#include "attention/base/atomic_file.h"

namespace app {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;
using pipeline::OutputKind;

pipeline::VideoOptions OptionsOf(const PlanEntry& entry) {
  const auto text = [&](const char* key) {
    const Value& value = entry.At(key).value;
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  pipeline::VideoOptions options;
  options.codec = text("encode.codec");
  options.preset = text("encode.preset");
  options.pixel_format = text("encode.pixel_format");
  if (const Value& crf = entry.At("encode.crf").value; crf.is_number()) options.crf = crf.get<double>();
  options.fps = entry.At("fps").value.get<double>();
  return options;
}

// What ValidateOutput looks at besides the path's folder.
std::string EncodingOf(const PlanEntry& entry, const std::string& path, OutputKind kind) {
  std::string text = std::to_string(static_cast<int>(kind)) + LowerASCII(fs::path(path).extension().string());
  for (const char* key :
       {"encode.codec", "encode.crf", "encode.preset", "encode.pixel_format", "fps", "frames", "height", "width"}) {
    text += '\n' + ToText(entry.At(key).value);
  }
  return text;
}

std::vector<std::string> PatternsOf(const PlanEntry& entry, int64_t num_frames) {
  const Value& out = entry.At("out").value;
  if (!out.is_array() || out.empty()) return {DefaultOut(num_frames)};
  return out.get<std::vector<std::string>>();
}

}  // namespace

void OutputPlanner::Plan(PlanEntry& entry, const std::string& model_name, const std::vector<std::string>& given,
                         const std::function<void(const std::string& message)>& report) {
  const auto attempt = [&](const std::function<void()>& body) {
    try {
      body();
    } catch (const base::Error& error) {
      if (error.code() != ErrorCode::kInvalidInput && error.code() != ErrorCode::kUnsupported) throw;
      report(error.what());
    }
  };
  entry.files = {};
  const int64_t num_frames = entry.At("frames").value.get<int64_t>();
  const JobNames names{entry.name, entry.variant, model_name, entry.index};
  const SettingLookup lookup = [&](std::string_view key) -> const Value& { return entry.At(key).value; };
  for (const std::string& pattern : given.empty() ? PatternsOf(entry, num_frames) : given) {
    attempt([&] {
      const std::string filled = given.empty() ? FillPlaceholders(pattern, names, lookup, entry.hash) : pattern;
      const std::string path = (fs::path(folder_) / filled).lexically_normal().string();
      Check(entry, path);
      entry.files.outputs.push_back(path);
    });
  }
  if (entry.files.outputs.empty()) return;
  const std::string stem = pipeline::OutputStem(entry.files.outputs[0]);
  const auto beside = [&](const char* key, const char* ending, std::string& file) {
    if (entry.At(key).value != true) return;
    attempt([&] {
      CheckPath(stem + ending);
      file = stem + ending;
    });
  };
  beside("sidecar", ".json", entry.files.sidecar);
  beside("keep_latents", ".latents.safetensors", entry.files.kept_latents);
}

void OutputPlanner::Check(const PlanEntry& entry, const std::string& path) {
  if (!checks_) return;
  const OutputKind kind = pipeline::KindOfOutput(path);
  const int64_t num_frames = entry.At("frames").value.get<int64_t>();
  if (kind == OutputKind::kPngImage && num_frames != 1) {
    base::Fail(ErrorCode::kInvalidInput, "out: ", Quoted(path), " is one image, but there are ", num_frames,
               " frames: write NAME_%04d.png or a folder NAME/");
  }
  CheckPath(kind == OutputKind::kPngFrames ? pipeline::FramePath(path, num_frames - 1) : path);
  std::string encoding = EncodingOf(entry, path, kind);
  if (valid_.count(encoding) > 0) return;
  pipeline::ValidateOutput(path, OptionsOf(entry), num_frames, entry.At("height").value.get<int64_t>(),
                           entry.At("width").value.get<int64_t>());
  valid_.insert(std::move(encoding));
}

void OutputPlanner::CheckPath(const std::string& path) {
  constexpr size_t kSurelyShort = 120;
  const size_t slash = path.rfind('/');
  if (!checks_) return;
  const auto known = folders_.find(path.substr(0, slash));
  const bool fresh = known == folders_.end();
  struct stat info;
  const bool looked_at =
      fresh || path.size() - slash > kSurelyShort || (known->second.exists && lstat(path.c_str(), &info) == 0);
  if (looked_at) base::CheckOutputPath(path);
  if (!fresh) return;
  std::error_code error;
  const fs::path folder = path.substr(0, slash + (slash == 0));
  const fs::path canonical = fs::weakly_canonical(folder, error);
  const bool failed = static_cast<bool>(error);
  folders_[path.substr(0, slash)] = {failed ? folder.string() : canonical.string(), fs::exists(folder, error)};
}

std::string OutputPlanner::Identity(const std::string& path) {
  const size_t slash = path.rfind('/');
  const auto folder = folders_.find(path.substr(0, slash));
  if (folder == folders_.end()) return path;
  struct stat info;
  if (folder->second.exists && lstat(path.c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
    std::error_code error;
    const fs::path real = fs::weakly_canonical(path, error);
    if (!error) return real.string();
  }
  return folder->second.canonical + path.substr(slash);
}

std::vector<std::string> OutputPlanner::Claims(const PlanEntry& entry) {
  std::vector<std::string> claims;
  const int64_t num_frames = entry.At("frames").value.get<int64_t>();
  for (const std::string& path : entry.files.outputs) {
    if (pipeline::KindOfOutput(path) != OutputKind::kPngFrames) {
      claims.push_back(Identity(path));
      continue;
    }
    for (int64_t i = 0; i < num_frames; ++i) claims.push_back(Identity(pipeline::FramePath(path, i)));
  }
  for (const std::string& path : {entry.files.sidecar, entry.files.kept_latents}) {
    if (!path.empty()) claims.push_back(Identity(path));
  }
  return claims;
}

}  // namespace app
