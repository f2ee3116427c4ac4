#pragma once

#include <string>
#include <vector>

// The never-rules of docs/design.md, as far as a file's text shows them. (What a target links shows the rest.)
namespace layering {

struct Violation {
  int line = 0;  // from 1
  std::string
      rule;  // short name: "rooms", "kernels-torch", "output", "one-door", "models", "model-names", "sync", "globals"
  std::string text;  // the offending line
};

// `path` is relative to the repository's root with '/', `text` the file's contents. Rules apply by room, the first
// folder.
std::vector<Violation> CheckSource(const std::string& path, const std::string& text);

// Lines of any text file that name a machine's own folders or files outside the repository.
std::vector<Violation> CheckPaths(const std::string& text);

// The same text with comments as spaces and, unless `keep_strings`, what string literals hold as spaces too. Keeps
// lines.
std::string Blank(const std::string& text, bool keep_strings);

}  // namespace layering
