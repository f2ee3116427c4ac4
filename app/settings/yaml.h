#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <set>
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
  // with its YAML (syntax, a quote that is never closed, no UTF-8, a second document, more than 100,000 nodes) goes to
  // `errors`, and root() is null then.
  YAMLFile(const std::string& path, ErrorList& errors);
  // The same from text, for tests and for text that came from elsewhere; `path` is for messages.
  YAMLFile(const std::string& path, std::string text, ErrorList& errors);

  const YAML::Node& root() const { return root_; }
  const std::string& path() const { return path_; }

  void Error(const YAML::Mark& mark, const std::string& message);
  // The same for a place that Where() made, whatever follows it after a space. False where it is none of this file's.
  bool ErrorAt(const std::string& where, const std::string& message);
  std::string Where(const YAML::Mark& mark) const;  // "file:line:column"

  // No further error is said of this very place.
  void Silence(const YAML::Mark& mark) { silent_.insert(mark.pos); }

  // Whether this null is written out: `null` or `~`, not just nothing.
  bool IsWrittenNull(const YAML::Node& node) const;
  // Where a value stands; for one that is not written, its key.
  YAML::Mark Place(const YAML::Node& key, const YAML::Node& value) const {
    return value.IsNull() && !IsWrittenNull(value) ? key.Mark() : value.Mark();
  }

 private:
  void Parse();
  void CountNodes(const YAML::Node& node, int depth, int64_t& count);
  bool CheckScalars(const YAML::Node& node, std::set<int>& seen);
  size_t OpenQuote() const;
  void Add(size_t line, size_t byte, const std::string& message);
  size_t Column(size_t line, size_t byte) const;

  std::string path_;
  std::string text_;
  std::vector<std::string> lines_;
  ErrorList& errors_;
  YAML::Node root_;
  std::set<int> silent_;  // positions
  // The last place that was counted: places are asked for in order, and a line may be long.
  mutable size_t counted_line_ = 0, counted_byte_ = 0, counted_characters_ = 0;
};

// How settings are read from a file.
struct SettingsStyle {
  std::vector<std::string> others;   // keys at the top level that are the caller's and left alone
  std::vector<std::string> refused;  // settings that do not belong into such a file
  std::string label;                 // of these settings: Assignment::where is "file:line:column (label)"
  bool paths_from_here = false;      // paths are relative to the file, except `model`
};

// Walks a mapping of settings: nested and dotted keys mean the same. Calls `found` for every setting, with its key and
// its value's node. Errors, with their places, go to the file: unknown and duplicate keys, merge keys.
void WalkSettings(YAMLFile& file, const YAML::Node& node, const SettingsStyle& style,
                  const std::function<void(const Setting&, const YAML::Node& key, const YAML::Node& value)>& found);

// One setting's value, null for null; nothing after an error, which goes to the file: types, ranges, what is not there
// yet.
std::optional<Value> ReadSetting(YAMLFile& file, const Setting& setting, const YAML::Node& node,
                                 const SettingsStyle& style);

// Reads a mapping of settings into a layer, without those whose value is wrong.
void ReadSettings(YAMLFile& file, const YAML::Node& node, const SettingsStyle& style, Layer& layer);

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
