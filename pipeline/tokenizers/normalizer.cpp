#include "pipeline/tokenizers/normalizer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "attention/base/error.h"
#include "pipeline/tokenizers/charsmap.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

constexpr int kDeepest = 16;  // nested sequences

// What `Replace` looks for: a literal text, or a run of at least `least` of one kind of character.
struct Pattern {
  std::string literal;
  bool run = false;
  bool white_space = false;  // the run is of white space, else of `literal`'s only character
  size_t least = 1;

  // The length of the match that starts at `at`, 0 for none. Runs are taken whole.
  size_t Match(std::string_view text, size_t at) const {
    if (!run) return text.substr(at).starts_with(literal) ? literal.size() : 0;
    size_t end = at;
    size_t count = 0;
    ForEachCodePointOf(text, at, [&](char32_t c, size_t next) {
      const bool same = white_space ? IsWhiteSpace(c) : text.substr(end, next - end) == literal;
      if (!same) return false;
      end = next;
      ++count;
      return true;
    });
    return count >= least ? end - at : 0;
  }

 private:
  template <class Visit>
  static void ForEachCodePointOf(std::string_view text, size_t at, Visit visit) {
    while (at < text.size()) {
      const size_t length = static_cast<size_t>(Utf8Length(text[at]));
      char32_t c = 0;
      ForEachCodePoint(text.substr(at, length), [&](char32_t only, size_t, size_t) { c = only; });
      at += length;
      if (!visit(c, at)) return;
    }
  }
};

bool IsMeta(char c) { return std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos; }

// Of regular expressions: a literal text; or one character or \s, followed by + or {n,}.
std::optional<Pattern> ParseRegex(std::string_view regex) {
  Pattern pattern;
  size_t characters = 0;
  size_t at = 0;
  while (at < regex.size() && (!IsMeta(regex[at]) || regex[at] == '\\')) {
    if (regex[at] == '\\') {
      if (at + 1 == regex.size()) return std::nullopt;
      const char escaped = regex[at + 1];
      if (escaped == 's' && characters == 0) {
        pattern.white_space = true;
      } else if (IsMeta(escaped) || escaped == ' ') {
        pattern.literal += escaped;
      } else {
        return std::nullopt;
      }
      at += 2;
    } else {
      const size_t length = static_cast<size_t>(Utf8Length(regex[at]));
      pattern.literal += regex.substr(at, length);
      at += length;
    }
    ++characters;
  }
  const std::string_view quantifier = regex.substr(at);
  const bool single = characters == 1;
  if (pattern.white_space && !single) return std::nullopt;
  if (quantifier.empty()) {
    if (pattern.white_space || pattern.literal.empty()) return std::nullopt;
    return pattern;
  }
  if (!single) return std::nullopt;
  pattern.run = true;
  if (quantifier == "+") return pattern;
  if (quantifier.size() == 4 && quantifier[0] == '{' && quantifier[1] >= '1' && quantifier[1] <= '9' &&
      quantifier.substr(2) == ",}") {
    pattern.least = static_cast<size_t>(quantifier[1] - '0');
    return pattern;
  }
  return std::nullopt;
}

Pattern ParsePattern(const JsonAt& json) {
  if (json.Has("Regex")) {
    const JsonAt regex = json.Get("Regex");
    const auto pattern = ParseRegex(regex.String());
    if (!pattern) {
      base::Fail(base::ErrorCode::kUnsupported, regex.where, " '", Excerpt(regex.String()),
                 "' is not supported: regular expressions are plain text, or one character or \\s with + or {n,}");
    }
    return *pattern;
  }
  const JsonAt literal = json.Get("String");
  if (literal.String().empty()) literal.FailType("text that is not empty");
  Pattern pattern;
  pattern.literal = literal.String();
  return pattern;
}

void Replace(const Pattern& pattern, const std::string& content, TextPart& part) {
  std::string out;
  for (size_t at = 0; at < part.text.size();) {
    const size_t length = pattern.Match(part.text, at);
    if (length > 0) {
      if (at == 0 && content.empty()) part.at_start = false;
      out += content;
      RequireModestSize(out.size());
      at += length;
    } else {
      const size_t character = static_cast<size_t>(Utf8Length(part.text[at]));
      out.append(part.text, at, character);
      at += character;
    }
  }
  part.text = std::move(out);
}

void Strip(bool left, bool right, TextPart& part) {
  size_t begin = part.text.size();
  size_t end = 0;
  ForEachCodePoint(part.text, [&](char32_t c, size_t from, size_t to) {
    if (IsWhiteSpace(c)) return;
    begin = std::min(begin, from);
    end = to;
  });
  if (!right) end = part.text.size();
  if (!left) begin = 0;
  if (begin > 0) part.at_start = false;
  part.text = begin < end ? part.text.substr(begin, end - begin) : std::string();
}

// Keeps what `map` returns for each character; nothing for nullopt.
template <class Map>
void MapCharacters(TextPart& part, Map map) {
  std::string out;
  ForEachCodePoint(part.text, [&](char32_t c, size_t begin, size_t) {
    const std::optional<char32_t> mapped = map(c);
    if (mapped) {
      AppendUtf8(*mapped, out);
    } else if (begin == 0) {
      part.at_start = false;
    }
  });
  part.text = std::move(out);
}

// The controls and spaces of SentencePiece's "nmt" rules.
std::optional<char32_t> MapNmt(char32_t c) {
  if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F) {
    return std::nullopt;
  }
  const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
                     c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  return space ? U' ' : c;
}

void LowerCase(TextPart& part) {
  std::string out;
  ForEachCodePoint(part.text, [&](char32_t c, size_t, size_t) { AppendLowerCase(c, out); });
  part.text = std::move(out);
}

}  // namespace

std::string DecodeBase64(std::string_view text, const std::string& source) {
  auto value = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  size_t length = text.size();
  while (length > 0 && text.size() - length < 2 && text[length - 1] == '=') --length;
  bool valid = text.size() % 4 == 0;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  uint32_t bits = 0;
  for (size_t i = 0; i < length && valid; ++i) {
    const int digit = value(text[i]);
    valid = digit >= 0;
    bits = (bits << 6 | static_cast<uint32_t>(digit & 63)) & 0xFFFFFF;
    if (i % 4 != 0) bytes.push_back(static_cast<char>(bits >> (6 - 2 * (i % 4))));
  }
  if (!valid) base::Fail(base::ErrorCode::kInvalidInput, source, " is not valid base64; get the file again");
  return bytes;
}

Normalizer Normalizer::FromCharsmap(std::string_view charsmap, const std::string& source) {
  Normalizer normalizer;
  const auto rules = std::make_shared<const Charsmap>(charsmap, source);
  normalizer.steps_.push_back([rules](TextPart& part) { part.text = rules->Apply(part.text); });
  return normalizer;
}

Normalizer Normalizer::FromJson(const JsonAt& json) {
  Normalizer normalizer;
  if (!json.value.is_null()) normalizer.Append(json, 0);
  return normalizer;
}

void Normalizer::Append(const JsonAt& json, int depth) {
  if (depth > kDeepest) json.FailType("fewer nested sequences");
  const std::string& type = json.Get("type").String();
  auto add_form = [&](NormalForm form) {
    steps_.push_back([form](TextPart& part) { part.text = Normalize(part.text, form); });
  };
  if (type == "Sequence") {
    const JsonAt list = json.Get("normalizers");
    for (size_t i = 0; i < list.ArraySize(); ++i) Append(list.Get(i), depth + 1);
  } else if (type == "Precompiled") {
    const JsonAt charsmap = json.Get("precompiled_charsmap");
    const std::string bytes = DecodeBase64(charsmap.String(), charsmap.where);
    steps_.push_back(std::move(FromCharsmap(bytes, charsmap.where).steps_.front()));
  } else if (type == "Replace") {
    const Pattern pattern = ParsePattern(json.Get("pattern"));
    const std::string content = json.Get("content").String();
    steps_.push_back([pattern, content](TextPart& part) { Replace(pattern, content, part); });
  } else if (type == "Prepend") {
    const std::string prefix = json.Get("prepend").String();
    steps_.push_back([prefix](TextPart& part) {
      if (!part.text.empty()) part.text.insert(0, prefix);
    });
  } else if (type == "Strip") {
    const bool left = json.Get("strip_left").Bool();
    const bool right = json.Get("strip_right").Bool();
    steps_.push_back([left, right](TextPart& part) { Strip(left, right, part); });
  } else if (type == "StripAccents") {
    steps_.push_back([](TextPart& part) {
      MapCharacters(part, [](char32_t c) { return IsMark(c) ? std::nullopt : std::optional(c); });
    });
  } else if (type == "Nmt") {
    steps_.push_back([](TextPart& part) { MapCharacters(part, MapNmt); });
  } else if (type == "Lowercase") {
    steps_.push_back(LowerCase);
  } else if (type == "NFC") {
    add_form(NormalForm::kNFC);
  } else if (type == "NFD") {
    add_form(NormalForm::kNFD);
  } else if (type == "NFKC") {
    add_form(NormalForm::kNFKC);
  } else if (type == "NFKD") {
    add_form(NormalForm::kNFKD);
  } else {
    base::Fail(base::ErrorCode::kUnsupported, json.where, ".type '", Excerpt(type),
               "' is not supported: there are Precompiled, Replace, Prepend, Strip, StripAccents, Lowercase, Nmt, NFC, "
               "NFD, NFKC, NFKD and Sequence");
  }
}

void Normalizer::Apply(TextPart& part) const {
  for (const Step& step : steps_) {
    step(part);
    RequireModestSize(part.text.size());
  }
}

}  // namespace pipeline
