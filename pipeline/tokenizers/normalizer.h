#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/tokenizers/json_file.h"

namespace pipeline {

// A part of the text on its way through the tokenizer.
struct TextPart {
  std::string text;      // valid UTF-8
  bool at_start = true;  // its first character stands for the first one of the whole text
};

// The `normalizer` of a tokenizer.json.
class Normalizer {
 public:
  Normalizer() = default;  // changes nothing

  // Of Precompiled, Replace, Prepend, Strip, StripAccents, Lowercase, Nmt, NFC, NFD, NFKC, NFKD and Sequence.
  // Throws Error{kUnsupported} naming any other, Error{kInvalidInput} for wrong values.
  static Normalizer FromJson(const JsonAt& json);
  // Only SentencePiece's rules.
  static Normalizer FromCharsmap(std::string_view charsmap, const std::string& source);

  // Throws Error{kInvalidInput} when the file's rules blow the text up beyond 32 MiB.
  void Apply(TextPart& part) const;

 private:
  using Step = std::function<void(TextPart&)>;
  void Append(const JsonAt& json, int depth);

  std::vector<Step> steps_;
};

// Decodes base64 with padding (RFC 4648). Throws Error{kInvalidInput} naming `source`.
std::string DecodeBase64(std::string_view text, const std::string& source);

}  // namespace pipeline
