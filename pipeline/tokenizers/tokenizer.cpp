#include "pipeline/tokenizers/tokenizer.h"

#include <algorithm>

#include "attention/base/error.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {

std::vector<int32_t> Tokenizer::Encode(std::string_view text) const {
  const std::vector<int32_t> content = EncodeContent(text);
  std::vector<int32_t> ids = frame().before;
  ids.insert(ids.end(), content.begin(), content.end());
  ids.insert(ids.end(), frame().after.begin(), frame().after.end());
  return ids;
}

Tokenizer::Padded Tokenizer::EncodePadded(std::string_view text, int64_t max_length) const {
  const Frame& special = frame();
  const auto special_count = static_cast<int64_t>(special.before.size() + special.after.size());
  if (max_length < std::max<int64_t>(special_count, 1)) {
    base::Fail(base::ErrorCode::kInvalidInput, "a text of at most ", max_length,
               " tokens is too short: its special tokens are ", special_count, "; raise max_sequence_length");
  }
  std::vector<int32_t> content = EncodeContent(text);
  const auto room = static_cast<size_t>(max_length - special_count);
  if (content.size() > room) {
    const auto surplus = static_cast<std::ptrdiff_t>(content.size() - room);
    special.cut_left ? content.erase(content.begin(), content.begin() + surplus)
                     : content.erase(content.end() - surplus, content.end());
  }
  Padded result;
  result.ids = special.before;
  result.ids.insert(result.ids.end(), content.begin(), content.end());
  result.ids.insert(result.ids.end(), special.after.begin(), special.after.end());
  result.length = static_cast<int64_t>(result.ids.size());
  result.ids.resize(static_cast<size_t>(max_length), pad_id());
  return result;
}

}  // namespace pipeline
