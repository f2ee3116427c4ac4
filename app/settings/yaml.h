#pragma once

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>
#include <vector>

#include "app/settings/layers.h"

namespace app {

// A YAML file with the means to say where something stands: `file:line:column: message`, then the line and a caret.
// Lines and columns count from 1, columns in characters.
class YAMLFile {
 public:
  // Reads one document of at most 1 MiB. Throws base::Error{kInvalidInput} when the file cannot be read; what is wrong
  // with its YAML (syntax, no UTF-8, a second document, more than 100,000 nodes) goes to `errors`, and root() is null
  // then.
  YAMLFile(const std::string& path, ErrorList& errors);
  // The same from text, for tests and for text that came from elsewhere; `path` is for messages.
  YAMLFile(const std::string& path, std::string text, ErrorList& errors);

  const YAML::Node& root() const { return root_; }
  const std::string& path() const { return path_; }

  void Error(const YAML::Mark& mark, const std::string& message);
  std::string Where(const YAML::Mark& mark) const;  // "file:line:column"

 private:
  void Parse();
  void CountNodes(const YAML::Node& node, int depth, int64_t& count);

  std::string path_;
  std::string text_;
  std::vector<std::string> lines_;
  ErrorList& errors_;
  YAML::Node root_;
};

// Reads the settings in the mapping `node` into `layer`: nested and dotted keys mean the same. Errors, with their
// places, go to the file: unknown and duplicate keys, merge keys, types, ranges, what is not there yet. Keys named in
// `others` are the caller's and left alone (at the top level); those in `refused` are settings that do not belong into
// such a file.
void ReadSettings(YAMLFile& file, const YAML::Node& node, const std::vector<std::string>& others,
                  const std::vector<std::string>& refused, Layer& layer);

// What `sparge.yaml` in a model folder holds.
struct ModelNotes {
  Layer settings;
  std::vector<std::pair<std::string, std::vector<std::string>>> vocabulary;  // category → words, in the file's order
  std::string notes;                                                         // for people
};

// Reads FOLDER/sparge.yaml; nothing where there is no such file. What is wrong goes to `errors`.
ModelNotes ReadModelNotes(const std::string& folder, ErrorList& errors);

// Every single word of the vocabulary, as written there, each once.
std::vector<std::string> KnownWords(const ModelNotes& notes);

// The words of `prompt` that the vocabulary does not have, each once, as written. Word by word, in any case; words of
// several words in the vocabulary count one by one. Empty where there is no vocabulary.
std::vector<std::string> UnknownWords(const ModelNotes& notes, const std::string& prompt);

}  // namespace app
