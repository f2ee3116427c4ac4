#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/tokenizers/added_tokens.h"
#include "pipeline/tokenizers/normalizer.h"
#include "pipeline/tokenizers/pre_tokenizer.h"
#include "pipeline/tokenizers/tokenizer.h"
#include "pipeline/tokenizers/unigram.h"

namespace pipeline {

// The stages of the tokenizers library around a Unigram model: added tokens, normaliser, pre-tokenizer, model.
class UnigramTokenizer : public Tokenizer {
 public:
  struct Parts {
    Unigram model;
    Normalizer normalizer;
    PreTokenizer pre_tokenizer;
    AddedTokens added;  // prepared
    int32_t pad_id = 0;
    std::vector<int32_t> before, after;  // special tokens around a text
    bool cut_left = false;
  };
  explicit UnigramTokenizer(Parts parts);

  int32_t vocab_size() const override;
  int32_t pad_id() const override { return parts_.pad_id; }

 protected:
  std::vector<int32_t> EncodeContent(std::string_view text) const override;
  const Frame& frame() const override { return frame_; }

 private:
  Parts parts_;
  Frame frame_;
};

}  // namespace pipeline
