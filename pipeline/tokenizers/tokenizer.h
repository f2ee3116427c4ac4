#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pipeline {

// Text to token ids. Immutable after it is opened: any thread may use it.
class Tokenizer {
 public:
  struct Padded {
    std::vector<int32_t> ids;  // max_length of them
    int64_t length = 0;        // how many come before the padding (the sum of the attention mask)
  };

  virtual ~Tokenizer() = default;

  // The ids of the text with the model's special tokens (the end mark), as many as there are.
  // Throws Error{kInvalidInput} for text that is not UTF-8.
  std::vector<int32_t> Encode(std::string_view text) const;

  // As diffusers asks for it (padding="max_length", truncation=True, add_special_tokens=True): the text's own ids are
  // cut so that with the special tokens there are at most max_length, then padded to it on the right.
  // Throws Error{kInvalidInput} for text that is not UTF-8 and for a max_length below the number of special tokens.
  Padded EncodePadded(std::string_view text, int64_t max_length) const;

  // One more than the largest id that can appear: the rows that an embedding needs.
  virtual int32_t vocab_size() const = 0;
  virtual int32_t pad_id() const = 0;

 protected:
  struct Frame {
    std::vector<int32_t> before, after;  // special tokens around the text
    bool cut_left = false;               // truncation drops the first ids instead of the last
  };
  virtual std::vector<int32_t> EncodeContent(std::string_view text) const = 0;
  virtual const Frame& frame() const = 0;
};

// Opens the tokenizer folder of a pipeline: gives the ids that transformers 5.23 gives for the same folder.
// `class_name` is the class that model_index.json names:
//   T5TokenizerFast, T5Tokenizer   `tokenizer.json` when there is one, else `tokenizer.model` or `spiece.model`. As
//                                  there, only the pieces, the charsmap and the added tokens are taken from
//                                  tokenizer.json; the rest is T5's: words at white space, unknown token id 2, no byte
//                                  fallback, "</s>" at the end.
//   TokenizersBackend, PreTrainedTokenizerFast   `tokenizer.json` as it stands.
// tokenizer_config.json, special_tokens_map.json and added_tokens.json are read where there are.
// Throws Error{kInvalidInput} or Error{kIo} for missing or damaged files (with file and key), Error{kUnsupported} for
// a class, a model type or a part of tokenizer.json that is not known.
std::unique_ptr<Tokenizer> OpenTokenizer(const std::filesystem::path& folder,
                                         std::string_view class_name = "T5TokenizerFast");

}  // namespace pipeline
