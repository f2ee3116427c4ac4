#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/tokenizers/normalizer.h"

namespace pipeline {

// The `pre_tokenizer` of a tokenizer.json: cuts normalised text into the words that the model sees.
class PreTokenizer {
 public:
  PreTokenizer() = default;  // cuts nothing

  // Of WhitespaceSplit, Metaspace and Sequence. Throws Error{kUnsupported} naming any other,
  // Error{kInvalidInput} for wrong values.
  static PreTokenizer FromJson(const JsonAt& json);

  // What T5's tokenizer always has: words at white space, each with "▁" before it.
  static PreTokenizer ForT5();

  // No word is empty.
  std::vector<TextPart> Apply(TextPart part) const;

 private:
  enum class Prepend { kAlways, kFirst, kNever };
  struct Step {
    bool white_space_split = false;  // otherwise Metaspace:
    std::string replacement;         // one character
    Prepend prepend = Prepend::kAlways;
    bool split = true;
  };
  void Append(const JsonAt& json, int depth);
  static void SplitAtWhiteSpace(const TextPart& part, std::vector<TextPart>& out);
  static void Metaspace(const Step& step, TextPart part, std::vector<TextPart>& out);

  std::vector<Step> steps_;
};

}  // namespace pipeline
