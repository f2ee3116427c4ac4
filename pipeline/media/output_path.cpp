#include <sys/stat.h>

#include <cctype>
#include <cstdio>
#include <optional>

#include "attention/base/error.h"
#include "pipeline/media/encode_plan.h"
#include "pipeline/media/media.h"

namespace pipeline {
namespace {

using base::ErrorCode;

// A file name around its one conversion.
struct Pattern {
  std::string before, after;
  bool zeros = false;  // pad with zeros, else with spaces
  int width = 0;
};

[[noreturn]] void FailPattern(const std::string& path, const std::string& why) {
  base::Fail(ErrorCode::kInvalidInput, "the path '", path, "' is no name of PNG frames: ", why,
             "; a pattern has one %d, %4d or %04d in its file name, and %% for a percent sign");
}

size_t NameStart(const std::string& path) { return path.rfind('/') + 1; }

Pattern ParsePattern(const std::string& path) {
  constexpr int kMaxWidth = 20;
  const std::string name = path.substr(NameStart(path));
  Pattern pattern;
  bool found = false;
  for (size_t i = 0; i < name.size(); ++i) {
    std::string& part = found ? pattern.after : pattern.before;
    if (name[i] != '%') {
      part += name[i];
      continue;
    }
    if (++i < name.size() && name[i] == '%') {
      part += '%';
      continue;
    }
    if (found) FailPattern(path, "its name holds two conversions");
    found = true;
    if (i < name.size() && name[i] == '0') {
      pattern.zeros = true;
      ++i;
    }
    for (; i < name.size() && std::isdigit(static_cast<unsigned char>(name[i])); ++i) {
      pattern.width = pattern.width * 10 + (name[i] - '0');
      if (pattern.width > kMaxWidth) FailPattern(path, base::StrCat("its number is wider than ", kMaxWidth, " digits"));
    }
    if (i >= name.size() || name[i] != 'd') FailPattern(path, "it holds a '%' that is no number of frames");
  }
  if (!found) FailPattern(path, "its name holds no number");
  return pattern;
}

bool Exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

}  // namespace

OutputKind KindOfOutput(const std::string& path) {
  base::Check(!path.empty(), ErrorCode::kInvalidInput, "an output has no name; give a path such as clip.mp4");
  if (path.back() == '/') return OutputKind::kPngFrames;
  const std::string extension = ExtensionOf(path);
  if (FindContainer(extension) != nullptr) return OutputKind::kVideo;
  if (extension == ".safetensors") return OutputKind::kTensors;
  base::Check(
      extension == ".png", ErrorCode::kInvalidInput, "cannot write '", path, "': the extension is ",
      extension.empty() ? "missing" : "'" + extension + "'",
      "; it must be .mp4, .mkv, .mov, .webm, .gif, .png or .safetensors, or the path end in '/' for PNG frames");
  if (path.find('%', NameStart(path)) == std::string::npos) return OutputKind::kPngImage;
  ParsePattern(path);
  return OutputKind::kPngFrames;
}

std::string FramePath(const std::string& path, int64_t index) {
  const std::string whole = !path.empty() && path.back() == '/' ? path + "%04d.png" : path;
  const Pattern pattern = ParsePattern(whole);
  std::string number = std::to_string(index);
  if (static_cast<int>(number.size()) < pattern.width) {
    number.insert(0, pattern.width - number.size(), pattern.zeros ? '0' : ' ');
  }
  return whole.substr(0, NameStart(whole)) + pattern.before + number + pattern.after;
}

std::string ExistingOutput(const std::string& path, int64_t num_frames) {
  if (KindOfOutput(path) != OutputKind::kPngFrames) return Exists(path) ? path : "";
  for (int64_t i = 0; i < num_frames; ++i) {
    const std::string frame = FramePath(path, i);
    if (Exists(frame)) return frame;
  }
  return "";
}

std::string OutputStem(const std::string& path) {
  const OutputKind kind = KindOfOutput(path);
  std::string folder = path.substr(0, NameStart(path));
  const auto folder_name = [&] {
    const size_t end = folder.find_last_not_of('/');
    return end == std::string::npos ? folder + "frames" : folder.substr(0, end + 1);
  };
  if (path.back() == '/') return folder_name();
  const std::string name = path.substr(NameStart(path));
  if (kind != OutputKind::kPngFrames) return folder + name.substr(0, name.rfind('.'));
  Pattern pattern = ParsePattern(path);
  while (!pattern.before.empty() && std::string("_-. ").find(pattern.before.back()) != std::string::npos) {
    pattern.before.pop_back();
  }
  const std::string stem = pattern.before + pattern.after.substr(0, pattern.after.rfind('.'));
  return stem.empty() ? folder_name() : folder + stem;
}

}  // namespace pipeline
