#include "pipeline/tokenizers/added_tokens.h"

#include <algorithm>
#include <utility>

#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

// The character that ends at `end` (> 0).
char32_t CharacterBefore(std::string_view text, size_t end, size_t& begin) {
  begin = end - 1;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  char32_t result = 0;
  ForEachCodePoint(text.substr(begin, end - begin), [&](char32_t c, size_t, size_t) { result = c; });
  return result;
}

char32_t CharacterAt(std::string_view text, size_t begin) {
  char32_t result = 0;
  ForEachCodePoint(text.substr(begin, static_cast<size_t>(Utf8Length(text[begin]))),
                   [&](char32_t c, size_t, size_t) { result = c; });
  return result;
}

bool IsSingleWord(std::string_view text, size_t begin, size_t end) {
  size_t ignored = 0;
  const bool word_before = begin > 0 && IsWordCharacter(CharacterBefore(text, begin, ignored));
  const bool word_after = end < text.size() && IsWordCharacter(CharacterAt(text, end));
  return !word_before && !word_after;
}

size_t StartOfSpaceBefore(std::string_view text, size_t end) {
  while (end > 0) {
    size_t begin = 0;
    if (!IsWhiteSpace(CharacterBefore(text, end, begin))) break;
    end = begin;
  }
  return end;
}

size_t EndOfSpaceAfter(std::string_view text, size_t begin) {
  while (begin < text.size() && IsWhiteSpace(CharacterAt(text, begin))) {
    begin += static_cast<size_t>(Utf8Length(text[begin]));
  }
  return begin;
}

}  // namespace

void AddedTokens::Add(const std::vector<AddedToken>& tokens, const Unigram& model) {
  int32_t next_id = std::max(model.size(), largest_id() + 1);
  for (const AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    int32_t id = next_id;
    if (const auto known = ids_.find(token.content); known != ids_.end()) {
      id = known->second;
    } else if (const auto piece = model.Find(token.content)) {
      id = *piece;
    } else {
      ++next_id;
    }
    ids_[token.content] = id;
    tokens_[id] = token;
    if (token.special) special_.insert(token.content);
  }
}

void AddedTokens::Prepare(const Normalizer& normalizer, bool ignore_special) {
  ignore_special_ = ignore_special;
  std::vector<PrefixTree::Entry> plain;
  std::vector<PrefixTree::Entry> normalized;
  std::vector<std::string> forms;
  forms.reserve(tokens_.size());  // the entries point into it
  for (const auto& [id, token] : tokens_) {
    if (token.normalized) {
      TextPart form{token.content};
      normalizer.Apply(form);
      forms.push_back(std::move(form.text));
      normalized.push_back({forms.back(), id});
    } else {
      plain.push_back({token.content, id});
    }
  }
  plain_ = PrefixTree(std::move(plain));
  normalized_ = PrefixTree(std::move(normalized));
}

std::optional<int32_t> AddedTokens::Find(const std::string& content) const {
  const auto found = ids_.find(content);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

void AddedTokens::SplitPart(const TextPart& part, const PrefixTree& tree, std::vector<Part>& out) const {
  const std::string_view text = part.text;
  auto emit = [&](size_t begin, size_t end, std::optional<int32_t> id) {
    if (begin < end) out.push_back({{std::string(text.substr(begin, end - begin)), part.at_start && begin == 0}, id});
  };
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    size_t length = 0;
    int32_t id = PrefixTree::kNone;
    tree.ForEachPrefix(text.substr(at), [&](size_t match, int32_t value) {
      length = match;
      id = value;
    });
    if (length == 0) {
      at += static_cast<size_t>(Utf8Length(text[at]));
      continue;
    }
    size_t begin = at;
    size_t end = at + length;
    at = end;  // a match that is turned down is passed over as a whole
    const AddedToken& token = tokens_.at(id);
    if (ignore_special_ && special_.count(token.content) > 0) continue;
    if (token.single_word && !IsSingleWord(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(StartOfSpaceBefore(text, begin), done);
    if (token.rstrip) end = EndOfSpaceAfter(text, end);
    if (done < begin) emit(done, begin, std::nullopt);
    emit(begin, end, id);
    done = end;
  }
  emit(done, text.size(), std::nullopt);
}

std::vector<AddedTokens::Part> AddedTokens::Split(std::string_view text, const Normalizer& normalizer) const {
  std::vector<Part> parts;
  SplitPart({std::string(text), true}, plain_, parts);
  std::vector<Part> result;
  for (Part& each : parts) {
    if (each.id) {
      result.push_back(std::move(each));
    } else {
      normalizer.Apply(each.part);
      SplitPart(each.part, normalized_, result);
    }
  }
  return result;
}

}  // namespace pipeline
