#include "pipeline/tokenizers/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <limits>
#include <system_error>
#include <utility>

#include "attention/base/error.h"

namespace pipeline {
namespace {

// In the order in which the loader goes through them.
constexpr std::array<const char*, 7> kStandardNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                       "pad_token", "cls_token", "mask_token"};
constexpr int64_t kMostExtraIds = 100000;
constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max();

bool IsStandardName(const std::string& key) {
  return std::find(kStandardNames.begin(), kStandardNames.end(), key) != kStandardNames.end();
}

OrderedJson ReadObject(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return nullptr;
  OrderedJson json = ParseJson(ReadTokenizerFile(path), path.string());
  JsonAt{json, path.string()}.RequireObject();
  return json;
}

AddedToken ExtraId(int64_t i) {
  return {.content = base::StrCat("<extra_id_", i, ">"), .normalized = false, .special = true};
}

}  // namespace

TokenizerConfig::TokenizerConfig(const std::filesystem::path& folder, const OrderedJson* tokenizer_json) {
  const auto config_path = folder / "tokenizer_config.json";
  OrderedJson config_json = ReadObject(config_path);
  if (config_json.is_null()) config_json = OrderedJson::object();
  const JsonAt config{config_json, config_path.string()};
  static const OrderedJson kNoJson = OrderedJson::object();
  const JsonAt json{tokenizer_json != nullptr ? *tokenizer_json : kNoJson, (folder / "tokenizer.json").string()};

  ReadConfig(config);
  if (config.Has("added_tokens_decoder")) {
    const JsonAt decoder = config.Get("added_tokens_decoder");
    decoder.RequireObject();
    for (const auto& [id, token] : decoder.value.items()) {
      const bool is_id = !id.empty() && id.size() < 10 && id.find_first_not_of("0123456789") == std::string::npos;
      if (!is_id) decoder.FailType("an object whose keys are token ids");
      SetDecoder(std::stoll(id), ReadProperties(decoder.Get(id)));
    }
  } else {
    const auto map_path = folder / "special_tokens_map.json";
    if (const OrderedJson map = ReadObject(map_path); !map.is_null()) ReadSpecialTokensMap({map, map_path.string()});
    const auto added_path = folder / "added_tokens.json";
    if (const OrderedJson added = ReadObject(added_path); !added.is_null()) {
      ReadAddedTokensFile({added, added_path.string()});
    }
    ReadTokenizerJson(json);
  }
  // A named token has the properties that the added token of the same text has.
  for (NamedToken& named : named_) {
    if (!named.token) continue;
    const auto known = by_content_.find(named.token->token.content);
    if (known != by_content_.end()) named.token = Token{known->second, false};
  }
  ReadSides(config, json);
}

AddedToken TokenizerConfig::ReadProperties(const JsonAt& json) {
  AddedToken token;
  token.content = json.Get("content").String();
  token.single_word = json.BoolOr("single_word", false);
  token.lstrip = json.BoolOr("lstrip", false);
  token.rstrip = json.BoolOr("rstrip", false);
  token.special = json.BoolOr("special", false);
  token.normalized = json.BoolOr("normalized", !token.special);
  return token;
}

std::optional<TokenizerConfig::Token> TokenizerConfig::ReadToken(const JsonAt& json) {
  if (json.value.is_null()) return std::nullopt;
  if (json.value.is_object() && json.Has("__type")) return Token{ReadProperties(json), false};
  if (!json.value.is_string()) json.FailType("a token's text or an object with \"__type\": \"AddedToken\"");
  return Token{{.content = json.String(), .normalized = false, .special = true}, true};
}

std::vector<TokenizerConfig::Token> TokenizerConfig::ReadTokenList(const JsonAt& json) {
  std::vector<Token> tokens;
  for (size_t i = 0; i < json.ArraySize(); ++i) {
    const auto token = ReadToken(json.Get(i));
    if (!token) json.Get(i).FailType("a token");
    tokens.push_back(*token);
  }
  return tokens;
}

void TokenizerConfig::Set(std::vector<NamedToken>& tokens, const std::string& key, std::optional<Token> token) {
  for (NamedToken& each : tokens) {
    if (each.key == key) {
      each.token = std::move(token);
      return;
    }
  }
  tokens.push_back({key, std::move(token)});
}

const TokenizerConfig::NamedToken* TokenizerConfig::FindKey(const std::vector<NamedToken>& tokens,
                                                            const std::string& key) {
  for (const NamedToken& each : tokens) {
    if (each.key == key) return &each;
  }
  return nullptr;
}

void TokenizerConfig::SetDecoder(int64_t id, const AddedToken& token) {
  decoder_[id] = token;
  by_content_[token.content] = token;
}

void TokenizerConfig::ReadConfig(const JsonAt& config) {
  std::vector<NamedToken> explicit_specific;
  for (const auto& [key, value] : config.value.items()) {
    const JsonAt at = config.Get(key);
    if (IsStandardName(key)) {
      Set(named_, key, ReadToken(at));
    } else if (key.ends_with("_token") && value.is_string()) {
      Set(model_specific_, key, ReadToken(at));
    } else if (key == "model_specific_special_tokens" && !value.is_null()) {
      at.RequireObject();
      for (const auto& [name, _] : value.items()) Set(explicit_specific, name, ReadToken(at.Get(name)));
    } else if (key == "additional_special_tokens" && !value.is_null()) {
      additional_ = ReadTokenList(at);
    } else if (key == "extra_ids") {
      extra_ids_ = at.Int(0, kMostExtraIds);
    } else if (key == "split_special_tokens") {
      split_special_tokens_ = at.Bool();
    }
  }
  if (config.value.contains("extra_special_tokens")) {
    const JsonAt extra = config.Get("extra_special_tokens");
    if (extra.value.is_object() && !extra.value.empty()) {
      for (const auto& [name, _] : extra.value.items()) Set(model_specific_, name, ReadToken(extra.Get(name)));
    } else {
      extra_ = extra.value.is_array() ? ReadTokenList(extra) : std::vector<Token>();
      if (!extra.value.is_array() && !extra.value.is_null() && !extra.value.is_object()) extra.FailType("an array");
      if (extra_->empty() && additional_) extra_ = std::exchange(additional_, std::nullopt);
    }
  } else if (additional_) {
    extra_ = std::exchange(additional_, std::nullopt);
  }
  if (model_specific_.empty()) model_specific_ = std::move(explicit_specific);
}

void TokenizerConfig::ReadSpecialTokensMap(const JsonAt& map) {
  for (const auto& [key, value] : map.value.items()) {
    const JsonAt at = map.Get(key);
    if (key == "extra_special_tokens") {
      if (value.is_object()) {  // named tokens, in the place of a list that the configuration has
        for (const auto& [name, _] : value.items()) Set(model_specific_, name, ReadToken(at.Get(name)));
        extra_.reset();
        continue;
      }
      if (!extra_) extra_.emplace();
      for (size_t i = 0; i < at.ArraySize(); ++i) {
        const JsonAt item = at.Get(i);
        std::optional<Token> token;
        if (item.value.is_object()) {
          token = Token{ReadProperties(item), false};
          token->token.normalized = item.BoolOr("normalized", false);
          token->token.special = true;
        } else {
          token = ReadToken(item);
        }
        if (!token) item.FailType("a token");
        if (std::find(extra_->begin(), extra_->end(), *token) == extra_->end()) extra_->push_back(*token);
      }
    } else if (key == "additional_special_tokens") {
      additional_ = value.is_null() ? std::nullopt : std::optional(ReadTokenList(at));
    } else if (IsStandardName(key) || (key.ends_with("_token") && !value.is_null())) {
      std::optional<Token> token;
      if (value.is_object()) {
        token = Token{ReadProperties(at), false};
        token->token.normalized = at.BoolOr("normalized", false);
        token->token.special = true;
      } else {
        token = ReadToken(at);
      }
      Set(IsStandardName(key) ? named_ : other_named_, key, std::move(token));
    }
  }
}

bool TokenizerConfig::IsSpecial(const std::string& content) const {
  const auto has = [&](const std::optional<Token>& token) { return token && token->token.content == content; };
  return std::any_of(named_.begin(), named_.end(), [&](const NamedToken& each) { return has(each.token); }) ||
         (extra_ && std::any_of(extra_->begin(), extra_->end(), has));
}

void TokenizerConfig::ReadAddedTokensFile(const JsonAt& tokens) {
  for (const auto& [content, _] : tokens.value.items()) {
    const bool special = IsSpecial(content);
    SetDecoder(tokens.Get(content).Int(0, kLargestId),
               {.content = content, .normalized = !special, .special = special});
  }
}

void TokenizerConfig::ReadTokenizerJson(const JsonAt& json) {
  if (!json.Has("added_tokens")) return;
  const JsonAt list = json.Get("added_tokens");
  for (size_t i = 0; i < list.ArraySize(); ++i) {
    const JsonAt token = list.Get(i);
    SetDecoder(token.Get("id").Int(0, kLargestId), ReadProperties(token));
  }
}

void TokenizerConfig::ReadSides(const JsonAt& config, const JsonAt& tokenizer_json) {
  // The configuration says "left" or "right"; tokenizer.json "Left" or "Right", under "direction".
  auto is_left = [&](const char* key, const char* json_key) {
    if (config.value.contains(key)) {
      const JsonAt side = config.Get(key);
      if (side.String() != "left" && side.String() != "right") side.FailType("'left' or 'right'");
      return side.String() == "left";
    }
    if (!tokenizer_json.Has(json_key) || !tokenizer_json.Get(json_key).Has("direction")) return false;
    const JsonAt side = tokenizer_json.Get(json_key).Get("direction");
    if (side.String() != "Left" && side.String() != "Right") side.FailType("'Left' or 'Right'");
    return side.String() == "Left";
  };
  truncate_left_ = is_left("truncation_side", "truncation");
  if (is_left("padding_side", "padding")) {
    base::Fail(base::ErrorCode::kUnsupported, config.where, ": padding_side 'left' is not supported, only 'right' is");
  }
}

void TokenizerConfig::ApplyT5(const std::optional<std::vector<AddedToken>>& from_model) {
  for (const auto& [key, content] : {std::pair("eos_token", "</s>"), {"unk_token", "<unk>"}, {"pad_token", "<pad>"}}) {
    if (FindKey(named_, key) == nullptr) {
      Set(named_, key, Token{{.content = content, .normalized = false, .special = true}, true});
    }
  }
  std::optional<std::vector<Token>> additional = additional_;
  if (from_model) {
    additional.emplace();
    for (const AddedToken& token : *from_model) additional->push_back({token, false});
  }
  if (!additional) additional.emplace();
  const auto given = std::count_if(additional->begin(), additional->end(), [](const Token& each) {
    return each.token.content.find("<extra_id_") != std::string::npos;
  });
  if (given == 0) {
    for (int64_t i = 0; i < extra_ids_; ++i) additional->push_back({ExtraId(i), true});
  } else if (extra_ids_ > 0 && extra_ids_ != given) {
    base::Fail(base::ErrorCode::kInvalidInput, "the tokenizer's extra_ids is ", extra_ids_, ", but ", given,
               " tokens <extra_id_…> are listed; set extra_ids in tokenizer_config.json to ", given);
  }
  if (!extra_) extra_ = std::move(additional);
}

std::vector<AddedToken> TokenizerConfig::TokensOf(const JsonAt& tokenizer_json) {
  std::vector<AddedToken> tokens;
  if (!tokenizer_json.Has("added_tokens")) return tokens;
  const JsonAt list = tokenizer_json.Get("added_tokens");
  for (size_t i = 0; i < list.ArraySize(); ++i) tokens.push_back(ReadProperties(list.Get(i)));
  return tokens;
}

std::vector<AddedToken> TokenizerConfig::TokensToAdd(const AddedTokens& present) const {
  std::vector<Token> list;
  std::set<std::string> known;   // texts that need not be added again
  std::set<std::string> listed;  // texts of the list's later part
  for (const auto& [_, token] : decoder_) {
    list.push_back({token, false});
    known.insert(token.content);
  }
  auto add = [&](const Token& token) {
    if (known.count(token.token.content) > 0 || present.Contains(token.token.content)) return;
    const bool first = listed.insert(token.token.content).second;
    if (first || std::find(list.begin(), list.end(), token) == list.end()) list.push_back(token);
  };
  for (const char* name : kStandardNames) {
    const NamedToken* named = FindKey(named_, name);
    if (named != nullptr && named->token) add(*named->token);
  }
  for (const NamedToken& each : other_named_) {
    const NamedToken* over = FindKey(model_specific_, each.key);
    const auto& token = over != nullptr ? over->token : each.token;
    if (token) add(*token);
  }
  for (const NamedToken& each : model_specific_) {
    if (each.token && FindKey(other_named_, each.key) == nullptr) add(*each.token);
  }
  const auto& extra = extra_ ? extra_ : additional_;
  if (extra) {
    for (const Token& token : *extra) add(token);
  }
  std::vector<AddedToken> result;
  result.reserve(list.size());
  for (Token& each : list) {
    each.token.special = each.token.special || IsSpecial(each.token.content);
    result.push_back(std::move(each.token));
  }
  return result;
}

std::optional<std::string> TokenizerConfig::Named(const std::string& key) const {
  const NamedToken* named = FindKey(named_, key);
  if (named == nullptr || !named->token) return std::nullopt;
  return named->token->token.content;
}

}  // namespace pipeline
