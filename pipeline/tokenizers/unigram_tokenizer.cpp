#include "pipeline/tokenizers/unigram_tokenizer.h"

#include <algorithm>
#include <utility>

#include "attention/base/error.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {

UnigramTokenizer::UnigramTokenizer(Parts parts) : parts_(std::move(parts)) {
  frame_ = {parts_.before, parts_.after, parts_.cut_left};
}

int32_t UnigramTokenizer::vocab_size() const {
  int32_t largest = std::max({parts_.model.size() - 1, parts_.added.largest_id(), parts_.pad_id});
  for (int32_t id : parts_.before) largest = std::max(largest, id);
  for (int32_t id : parts_.after) largest = std::max(largest, id);
  return largest + 1;
}

std::vector<int32_t> UnigramTokenizer::EncodeContent(std::string_view text) const {
  const size_t bad = FindInvalidUtf8(text);
  if (bad != std::string_view::npos) {
    base::Fail(base::ErrorCode::kInvalidInput, "the prompt is not valid UTF-8 at byte ", bad);
  }
  std::vector<int32_t> ids;
  for (AddedTokens::Part& each : parts_.added.Split(text, parts_.normalizer)) {
    if (each.id) {
      ids.push_back(*each.id);
      continue;
    }
    for (const TextPart& word : parts_.pre_tokenizer.Apply(std::move(each.part))) parts_.model.Encode(word.text, ids);
  }
  return ids;
}

}  // namespace pipeline
