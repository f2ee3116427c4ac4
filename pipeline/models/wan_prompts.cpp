#include "pipeline/models/wan_prompts.h"

#include <ATen/Functions.h>

#include <utility>

#include "attention/base/error.h"
#include "pipeline/tensor_state.h"
#include "pipeline/tokenizers/prompt_clean.h"

namespace pipeline {

at::Tensor WanPrompt::Embeddings() const { return at::constant_pad_nd(hidden, {0, 0, 0, max_length - hidden.size(1)}); }

WanPrompts::WanPrompts(WanComponents* components)
    : components_(components),
      tokenizer_(OpenTokenizer(components->folder.tokenizer_dir, components->folder.tokenizer_class)) {}

void WanPrompts::LetGoOfTextEncoder(Progress& progress) {
  if (!components_->has_text_encoder() || components_->RoomForEverything()) return;
  for (const PromptText& prompt : std::exchange(ahead_, {})) {
    Encode(prompt.text, prompt.max_sequence_length, progress);
  }
  components_->FreeTextEncoder();
}

const WanPrompt* WanPrompts::Remembered(const std::string& text, int64_t max_length) {
  for (auto it = prompts_.begin(); it != prompts_.end(); ++it) {
    if (it->text != text || it->max_length != max_length) continue;
    prompts_.splice(prompts_.begin(), prompts_, it);
    return &prompts_.front();
  }
  return nullptr;
}

void WanPrompts::Remember(const WanPrompt& prompt) {
  constexpr size_t kMostBytes = size_t{1} << 30;
  prompts_.push_front(prompt);
  size_t bytes = 0;
  for (auto it = prompts_.begin(); it != prompts_.end();) {
    bytes += it->hidden.nbytes();
    it = bytes > kMostBytes && it != prompts_.begin() ? prompts_.erase(it) : std::next(it);
  }
}

WanPrompt WanPrompts::Encode(const std::string& text, int64_t max_length, Progress& progress) {
  if (const WanPrompt* found = Remembered(text, max_length)) return *found;
  UMT5Encoder& encoder = components_->TextEncoder(progress);

  const Timed timed(components_->seconds.encode_prompt);
  WanPrompt prompt{text, max_length, {}, {}};
  const CleanedPrompt cleaned = CleanPrompt(text);
  const std::vector<int32_t> all = tokenizer_->Encode(cleaned.text);
  const Tokenizer::Padded encoded = tokenizer_->EncodePadded(cleaned.text, max_length);
  if (static_cast<int64_t>(all.size()) > max_length)
    prompt.notices.push_back(base::StrCat("the prompt has ", all.size(), " tokens; the model reads the first ",
                                          max_length, " (max_sequence_length)"));
  prompt.hidden = encoder.Forward(encoded.ids, encoded.length, components_->Context(), progress);
  components_->stats.Settle();
  if (!AllFinite(prompt.hidden))
    components_->FailNonFinite("the text encoder's output", components_->folder.text_encoder_files);
  Remember(prompt);
  return prompt;
}

}  // namespace pipeline
