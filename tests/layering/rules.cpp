#include "tests/layering/rules.h"

#include <cctype>
#include <regex>
#include <set>
#include <sstream>

namespace layering {
namespace {

bool StartsWith(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

bool StartsWithAny(const std::string& text, const std::vector<std::string>& starts) {
  for (const std::string& start : starts) {
    if (StartsWith(text, start)) return true;
  }
  return false;
}

std::string Room(const std::string& path) { return path.substr(0, path.find('/')); }

std::string Stem(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  return name.substr(0, name.find('.'));
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// The file that a line includes, or "".
std::string Included(const std::string& line) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*[<"]([^>"]+)[>"])");
  std::smatch match;
  return std::regex_search(line, match, kInclude) ? match[1].str() : "";
}

const std::vector<std::string> kTorch = {"torch/", "ATen/", "c10/"};
const std::vector<std::string> kCuda = {"cuda", "cublas", "cudnn", "nvrtc", "thrust/", "cub/"};
const std::vector<std::string> kDrawing = {"imgui", "GLFW/", "GL/"};

// What a file of `room` may not include.
std::vector<std::string> ForbiddenIncludes(const std::string& room) {
  std::vector<std::string> forbidden;
  if (room == "attention") forbidden = {"pipeline/", "ui/", "app/"};
  if (room == "pipeline") forbidden = {"ui/", "app/"};
  if (room == "ui") {
    forbidden = {"pipeline/", "attention/", "app/"};
    forbidden.insert(forbidden.end(), kTorch.begin(), kTorch.end());
    forbidden.insert(forbidden.end(), kCuda.begin(), kCuda.end());
  }
  if (room == "attention" || room == "pipeline") forbidden.insert(forbidden.end(), kDrawing.begin(), kDrawing.end());
  return forbidden;
}

// A model's stem is the first word of its file's name: wan_transformer.cpp and wan_folder.cpp are both `wan`.
std::string ModelOf(const std::string& path) { return Stem(path).substr(0, Stem(path).find('_')); }

void CheckIncludes(const std::string& path, const std::vector<std::string>& lines, std::vector<Violation>& found) {
  const std::string room = Room(path);
  const std::vector<std::string> forbidden = ForbiddenIncludes(room);
  // Below attention/, only the door itself, whose files lie in attention/ directly, knows torch.
  const bool below_door = room == "attention" && path.find('/', room.size() + 1) != std::string::npos;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string file = Included(lines[i]);
    if (file.empty()) continue;
    const int line = static_cast<int>(i) + 1;
    if (StartsWithAny(file, forbidden)) found.push_back({line, "rooms", lines[i]});
    if (below_door && StartsWithAny(file, kTorch)) found.push_back({line, "kernels-torch", lines[i]});
    if (StartsWith(path, "pipeline/models/") && StartsWith(file, "pipeline/models/") &&
        ModelOf(file) != ModelOf(path) && ModelOf(file) != "registry") {
      found.push_back({line, "models", lines[i]});
    }
  }
}

struct TextRule {
  std::string name;
  std::vector<std::string> rooms;  // path prefixes that it binds
  std::regex pattern;              // in a line without comments and string contents
};

const std::vector<TextRule>& TextRules() {
  static const std::vector<TextRule> kRules = {
      // Libraries throw, return and report through Progress; they never print or exit.
      {"output",
       {"attention/", "pipeline/", "ui/"},
       std::regex(
           R"(std::(cout|cerr|clog)\b|\b(printf|puts|perror|exit|_exit|quick_exit|abort)\s*\(|\bfprintf\s*\(\s*std)")},
      // Attention is computed behind attention::Attend and nowhere else.
      {"one-door", {"pipeline/", "app/"}, std::regex(R"(scaled_dot_product|\bsoftmax\s*\(|flash_attention)")},
      // No device synchronisation inside Attend.
      {"sync",
       {"attention/"},
       std::regex(
           R"(\.item(<[^>]*>)?\s*\(|\.cpu\s*\(\)|[sS]ynchronize\s*\(|\bnonzero\s*\(|masked_select\s*\(|kCPU\b)")},
      // State is passed. `static` or `thread_local` variables that can change; functions have a parenthesis before the
      // end.
      {"globals",
       {"attention/", "pipeline/", "app/", "ui/"},
       std::regex(
           R"(^\s*(inline\s+)?(static|thread_local)\s+(?!.*\b(const|constexpr)\b)[\w:<>,*&\s]+[\s&*]\w+(\[[^\]]*\])?\s*(=|;|\{))")},
      {"globals", {"attention/", "pipeline/", "app/", "ui/"}, std::regex(R"(\bg_\w+)")},
  };
  return kRules;
}

// Names of models, wherever they may stand: their own files and the registry.
const std::regex& ModelNames() {
  static const std::regex kNames(R"(\bWan(?![a-z])|\bwan(?![a-z])|KLWan\b|[a-z]Wan(?![a-z])|_wan(?![a-z]))");
  return kNames;
}

// State that belongs to the process and not to a job: what a signal handler or a C library's callback must reach.
bool IsProcessState(const std::string& path) {
  static const std::set<std::string> kFiles = {
      "app/console/signals.cpp",          // the job that a signal cancels
      "attention/base/atomic_file.cpp",   // the unfinished files that a fatal signal must remove
      "pipeline/media/av.cpp",            // FFmpeg's log callback, installed once a process
      "pipeline/weights/safetensors.cpp"  // the mappings that a SIGBUS is looked up in
  };
  return kFiles.count(path) > 0;
}

// What is asked for between steps: times and counts that a device has by then.
bool IsAfterTheStep(const std::string& path) { return path == "attention/call_clock.cpp"; }

// A program of its own, which prints what it likes.
bool IsExample(const std::string& path) { return StartsWith(path, "attention/example/"); }

bool MayNameModels(const std::string& path) {
  const std::string stem = Stem(path);
  return StartsWith(stem, "wan") || stem == "registry" || Room(path) == "tests";
}

}  // namespace

std::string Blank(const std::string& text, bool keep_strings) {
  std::string out = text;
  const auto blank = [&out](size_t from, size_t to) {
    for (size_t i = from; i < to && i < out.size(); ++i) {
      if (out[i] != '\n') out[i] = ' ';
    }
  };
  size_t i = 0;
  while (i < text.size()) {
    if (text.compare(i, 2, "//") == 0) {
      const size_t end = std::min(text.find('\n', i), text.size());
      blank(i, end);
      i = end;
    } else if (text.compare(i, 2, "/*") == 0) {
      const size_t close = text.find("*/", i + 2);
      const size_t end = close == std::string::npos ? text.size() : close + 2;
      blank(i, end);
      i = end;
    } else if (text.compare(i, 2, "R\"") == 0 && (i == 0 || !std::isalnum(static_cast<unsigned char>(text[i - 1])))) {
      const size_t open = text.find('(', i);
      if (open == std::string::npos) break;
      const std::string closing = ")" + text.substr(i + 2, open - i - 2) + "\"";
      const size_t close = text.find(closing, open);
      const size_t end = close == std::string::npos ? text.size() : close;
      if (!keep_strings) blank(open + 1, end);
      i = end + closing.size();
    } else if (text[i] == '"' || text[i] == '\'') {
      // A quote between digits separates thousands.
      if (text[i] == '\'' && i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1]))) {
        ++i;
        continue;
      }
      size_t end = i + 1;
      while (end < text.size() && text[end] != text[i] && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
      if (!keep_strings) blank(i + 1, end);
      i = end + 1;
    } else {
      ++i;
    }
  }
  return out;
}

std::vector<Violation> CheckPaths(const std::string& text) {
  // In two halves, so that this file passes.
  static const std::regex kPaths(
      "(^|[^\\w.~$}])/(wo"
      "rk|ro"
      "ot|ho"
      "me|fa"
      "rm)/|\\.\\./sh"
      "ared/|/tmp/(bash_"
      "jobs|w/)");
  std::vector<Violation> found;
  const std::vector<std::string> lines = Lines(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (std::regex_search(lines[i], kPaths)) found.push_back({static_cast<int>(i) + 1, "paths", lines[i]});
  }
  return found;
}

std::vector<Violation> CheckSource(const std::string& path, const std::string& text) {
  std::vector<Violation> found;
  const std::vector<std::string> lines = Lines(text);
  const std::vector<std::string> with_strings = Lines(Blank(text, true));
  const std::vector<std::string> code = Lines(Blank(text, false));
  CheckIncludes(path, with_strings, found);
  for (size_t i = 0; i < code.size(); ++i) {
    const int line = static_cast<int>(i) + 1;
    for (const TextRule& rule : TextRules()) {
      if (rule.name == "globals" && IsProcessState(path)) continue;
      if (rule.name == "output" && IsExample(path)) continue;
      if (rule.name == "sync" && IsAfterTheStep(path)) continue;
      if (StartsWithAny(path, rule.rooms) && std::regex_search(code[i], rule.pattern)) {
        found.push_back({line, rule.name, lines[i]});
      }
    }
    if (!MayNameModels(path) && Included(with_strings[i]).empty() && std::regex_search(with_strings[i], ModelNames())) {
      found.push_back({line, "model-names", lines[i]});
    }
  }
  return found;
}

}  // namespace layering
