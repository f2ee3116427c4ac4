#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/tokenizers/normalizer.h"
#include "pipeline/tokenizers/unigram.h"

namespace pipeline {

// A text that is one token wherever it stands, outside of the model.
struct AddedToken {
  std::string content;
  bool single_word = false;  // only between characters that are no word characters
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = true;    // looked for in the normalised text, in its own normalised form
  bool special = false;

  bool operator==(const AddedToken&) const = default;
};

// The added tokens of a tokenizer and their ids: those of the model's pieces of the same text, else new ones after
// the last id.
class AddedTokens {
 public:
  struct Part {
    TextPart part;
    std::optional<int32_t> id;  // of the token that the part is
  };

  // Adds the tokens in order. A text that is there already takes the new token's properties.
  void Add(const std::vector<AddedToken>& tokens, const Unigram& model);

  // Readies the search. `ignore_special`: special tokens in a text are plain text (split_special_tokens).
  void Prepare(const Normalizer& normalizer, bool ignore_special);

  // Cuts the text at tokens and normalises what lies between.
  std::vector<Part> Split(std::string_view text, const Normalizer& normalizer) const;

  std::optional<int32_t> Find(const std::string& content) const;
  bool Contains(const std::string& content) const { return ids_.count(content) > 0; }
  int32_t largest_id() const { return tokens_.empty() ? -1 : tokens_.rbegin()->first; }

 private:
  void SplitPart(const TextPart& part, const PrefixTree& tree, std::vector<Part>& out) const;

  std::map<std::string, int32_t, std::less<>> ids_;
  std::map<int32_t, AddedToken> tokens_;
  std::set<std::string> special_;
  bool ignore_special_ = false;
  PrefixTree plain_;       // searched in the text as it is
  PrefixTree normalized_;  // searched in the normalised text
};

}  // namespace pipeline
