#include "pipeline/tokenizers/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "attention/base/error.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

constexpr int kDeepest = 16;                              // nested sequences
constexpr std::string_view kMetaSymbol = "\xE2\x96\x81";  // ▁

}  // namespace

PreTokenizer PreTokenizer::ForT5() {
  PreTokenizer result;
  result.steps_ = {{.white_space_split = true}, {.replacement = std::string(kMetaSymbol)}};
  return result;
}

PreTokenizer PreTokenizer::FromJson(const JsonAt& json) {
  PreTokenizer result;
  if (!json.value.is_null()) result.Append(json, 0);
  return result;
}

void PreTokenizer::Append(const JsonAt& json, int depth) {
  if (depth > kDeepest) json.FailType("fewer nested sequences");
  const std::string& type = json.Get("type").String();
  if (type == "Sequence") {
    const JsonAt list = json.Get("pretokenizers");
    for (size_t i = 0; i < list.ArraySize(); ++i) Append(list.Get(i), depth + 1);
  } else if (type == "WhitespaceSplit") {
    steps_.push_back({.white_space_split = true});
  } else if (type == "Metaspace") {
    Step step;
    const JsonAt replacement = json.Get("replacement");
    step.replacement = replacement.String();
    if (step.replacement.empty() || static_cast<size_t>(Utf8Length(step.replacement[0])) != step.replacement.size()) {
      replacement.FailType("one character");
    }
    const std::string scheme = json.Has("prepend_scheme") ? json.Get("prepend_scheme").String() : "always";
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      json.Get("prepend_scheme").FailType("'always', 'first' or 'never'");
    }
    step.prepend = scheme == "always" ? Prepend::kAlways : scheme == "first" ? Prepend::kFirst : Prepend::kNever;
    if (!json.BoolOr("add_prefix_space", true)) {
      if (step.prepend != Prepend::kNever) json.Get("add_prefix_space").FailType("true, or prepend_scheme 'never'");
    }
    step.split = json.BoolOr("split", true);
    steps_.push_back(std::move(step));
  } else {
    base::Fail(base::ErrorCode::kUnsupported, json.where, ".type '", Excerpt(type),
               "' is not supported: there are WhitespaceSplit, Metaspace and Sequence");
  }
}

void PreTokenizer::SplitAtWhiteSpace(const TextPart& part, std::vector<TextPart>& out) {
  size_t begin = 0;
  auto finish = [&](size_t end) {
    if (end > begin) out.push_back({part.text.substr(begin, end - begin), part.at_start && begin == 0});
  };
  ForEachCodePoint(part.text, [&](char32_t c, size_t from, size_t to) {
    if (!IsWhiteSpace(c)) return;
    finish(from);
    begin = to;
  });
  finish(part.text.size());
}

void PreTokenizer::Metaspace(const Step& step, TextPart part, std::vector<TextPart>& out) {
  std::string text;
  text.reserve(part.text.size() + step.replacement.size());
  for (char c : part.text) c == ' ' ? void(text += step.replacement) : text.push_back(c);
  const bool prepend = step.prepend == Prepend::kAlways || (step.prepend == Prepend::kFirst && part.at_start);
  if (prepend && !text.starts_with(step.replacement)) text.insert(0, step.replacement);
  if (!step.split) {
    out.push_back({std::move(text), part.at_start});
    return;
  }
  // Each replacement character starts a word.
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(step.replacement, begin + 1), text.size());
    out.push_back({text.substr(begin, end - begin), part.at_start && begin == 0});
    begin = end;
  }
}

std::vector<TextPart> PreTokenizer::Apply(TextPart part) const {
  std::vector<TextPart> parts;
  parts.push_back(std::move(part));
  for (const Step& step : steps_) {
    std::vector<TextPart> next;
    for (TextPart& each : parts) {
      if (each.text.empty()) continue;
      step.white_space_split ? SplitAtWhiteSpace(each, next) : Metaspace(step, std::move(each), next);
    }
    parts = std::move(next);
  }
  if (steps_.empty() && parts[0].text.empty()) parts.clear();
  return parts;
}

}  // namespace pipeline
