#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "app/settings/text.h"
#include "app/settings/yaml.h"

namespace app {
namespace {

// Words of letters, digits and combining marks, with apostrophes and hyphens inside: "don't", "sea-green".
std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::string word, pending;
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (utf8proc_ssize_t i = 0, left = static_cast<utf8proc_ssize_t>(text.size()); left > 0;) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t bytes = utf8proc_iterate(at + i, left, &code);
    if (bytes <= 0) break;
    const std::string character = text.substr(static_cast<size_t>(i), static_cast<size_t>(bytes));
    const int category = utf8proc_category(code);
    const bool letter = (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_ME) ||
                        (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
    if (letter) {
      word += (word.empty() ? "" : pending) + character;
      pending.clear();
    } else if (!word.empty() && pending.empty() && (character == "'" || character == "-" || character == "’")) {
      pending = character;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
      pending.clear();
    }
    i += bytes;
    left -= bytes;
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

std::string Fold(const std::string& word) {
  utf8proc_uint8_t* folded = nullptr;
  const utf8proc_ssize_t bytes =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(word.data()), static_cast<utf8proc_ssize_t>(word.size()),
                   &folded, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD));
  if (bytes < 0) return word;
  std::string result(reinterpret_cast<char*>(folded), static_cast<size_t>(bytes));
  std::free(folded);
  return result;
}

std::vector<std::string> WordList(YAMLFile& file, const YAML::Node& node) {
  std::vector<std::string> words;
  for (const auto& item : node) {
    if (item.IsScalar() && !Trim(item.Scalar()).empty()) {
      words.push_back(item.Scalar());
    } else {
      file.Error(item.Mark(), "vocabulary: expected a word");
    }
  }
  return words;
}

void ReadVocabulary(YAMLFile& file, const YAML::Node& node, ModelNotes& notes) {
  if (node.IsSequence()) {
    notes.vocabulary.emplace_back("", WordList(file, node));
  } else if (node.IsMap()) {
    for (const auto& item : node) {
      if (item.first.IsScalar() && item.second.IsSequence()) {
        notes.vocabulary.emplace_back(item.first.Scalar(), WordList(file, item.second));
      } else {
        file.Error(item.second.Mark(), "vocabulary: expected `category: [word, …]`");
      }
    }
  } else if (!node.IsNull()) {
    file.Error(node.Mark(), "vocabulary: expected a list of words, or {category: [word, …]}");
  }
}

}  // namespace

ModelNotes ReadModelNotes(const std::string& folder, ErrorList& errors) {
  ModelNotes notes;
  const std::string path = folder + "/sparge.yaml";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return notes;
  std::unique_ptr<YAMLFile> file;
  if (!errors.Try([&] { file = std::make_unique<YAMLFile>(path, errors); })) return notes;
  const YAML::Node& root = file->root();
  if (!root || root.IsNull()) return notes;
  if (!root.IsMap()) {
    file->Error(root.Mark(), "expected a mapping of settings");
    return notes;
  }
  // A model does not say which model it is, nor where a caller's files go.
  ReadSettings(*file, root, {"vocabulary", "notes"}, {"model", "out", "overwrite", "log"}, notes.settings);
  if (const YAML::Node vocabulary = root["vocabulary"]) ReadVocabulary(*file, vocabulary, notes);
  if (const YAML::Node text = root["notes"]) {
    if (text.IsScalar()) {
      notes.notes = text.Scalar();
    } else if (!text.IsNull()) {
      file->Error(text.Mark(), "notes: expected text");
    }
  }
  return notes;
}

std::vector<std::string> KnownWords(const ModelNotes& notes) {
  std::set<std::string> seen;
  std::vector<std::string> known;
  for (const auto& [category, entries] : notes.vocabulary) {
    for (const std::string& entry : entries) {
      for (const std::string& word : Words(entry)) {
        if (seen.insert(word).second) known.push_back(word);
      }
    }
  }
  return known;
}

std::vector<std::string> UnknownWords(const ModelNotes& notes, const std::string& prompt) {
  std::set<std::string> known, reported;
  for (const std::string& word : KnownWords(notes)) known.insert(Fold(word));
  std::vector<std::string> unknown;
  if (known.empty()) return unknown;
  for (const std::string& word : Words(prompt)) {
    const std::string folded = Fold(word);
    if (known.count(folded) == 0 && reported.insert(folded).second) unknown.push_back(word);
  }
  return unknown;
}

}  // namespace app
