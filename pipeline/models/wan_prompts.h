#pragma once

#include <ATen/core/Tensor.h>

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/models/wan_components.h"
#include "pipeline/tokenizers/tokenizer.h"

namespace pipeline {

// A prompt as the transformer reads it.
struct WanPrompt {
  std::string text;
  int64_t max_length = 0;
  at::Tensor hidden;  // [1, tokens, d_model], the text encoder's dtype
  std::vector<std::string> notices;

  at::Tensor Embeddings() const;  // [1, max_length, d_model], zeros past the prompt's length
};

// Encodes prompts, and remembers them: up to a gigabyte, those used last.
class WanPrompts {
 public:
  explicit WanPrompts(WanComponents* components);

  WanPrompt Encode(const std::string& text, int64_t max_length, Progress& progress);
  // Of renders to come; replaces what was said before.
  void WillNeed(std::vector<PromptText> prompts) { ahead_ = std::move(prompts); }
  // Frees the text encoder where it cannot stay, after the prompts that are to come have passed through it.
  void LetGoOfTextEncoder(Progress& progress);

 private:
  const WanPrompt* Remembered(const std::string& text, int64_t max_length);
  void Remember(const WanPrompt& prompt);

  WanComponents* components_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::list<WanPrompt> prompts_;  // encoded so far, the one used last in front
  std::vector<PromptText> ahead_;
};

}  // namespace pipeline
