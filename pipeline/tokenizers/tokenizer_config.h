#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/tokenizers/added_tokens.h"
#include "pipeline/tokenizers/json_file.h"

namespace pipeline {

// What the small files of a tokenizer folder (tokenizer_config.json, special_tokens_map.json, added_tokens.json) and
// the `added_tokens` of its tokenizer.json say, put together in the order of transformers 5.23's from_pretrained.
class TokenizerConfig {
 public:
  // `tokenizer_json`: the parsed tokenizer.json of the folder, or null when there is none.
  // Throws Error{kInvalidInput} naming file and key.
  TokenizerConfig(const std::filesystem::path& folder, const OrderedJson* tokenizer_json);

  // What T5's class does with it. `from_model`: the control and user-defined pieces of a SentencePiece model, when
  // that is where the vocabulary comes from. Adds "<extra_id_0>"… and the default names of </s>, <unk> and <pad>.
  void ApplyT5(const std::optional<std::vector<AddedToken>>& from_model);

  // The tokens to add, in order, to a tokenizer that has these already.
  std::vector<AddedToken> TokensToAdd(const AddedTokens& present) const;

  // The `added_tokens` of a tokenizer.json, in the file's order.
  static std::vector<AddedToken> TokensOf(const JsonAt& tokenizer_json);

  int64_t extra_ids() const { return extra_ids_; }
  std::optional<std::string> eos_token() const { return Named("eos_token"); }
  std::optional<std::string> pad_token() const { return Named("pad_token"); }
  bool truncate_left() const { return truncate_left_; }
  bool split_special_tokens() const { return split_special_tokens_; }

 private:
  // A token that stood in a file as a plain text is compared as a text, not with its properties.
  struct Token {
    AddedToken token;
    bool plain = false;
    bool operator==(const Token&) const = default;
  };
  struct NamedToken {
    std::string key;             // "pad_token", …
    std::optional<Token> token;  // none: null in the file
  };

  void ReadConfig(const JsonAt& config);
  void ReadSpecialTokensMap(const JsonAt& map);
  void ReadAddedTokensFile(const JsonAt& tokens);
  void ReadTokenizerJson(const JsonAt& json);
  void ReadSides(const JsonAt& config, const JsonAt& tokenizer_json);
  void SetDecoder(int64_t id, const AddedToken& token);
  std::optional<std::string> Named(const std::string& key) const;
  bool IsSpecial(const std::string& content) const;

  static AddedToken ReadProperties(const JsonAt& json);
  static std::optional<Token> ReadToken(const JsonAt& json);
  static std::vector<Token> ReadTokenList(const JsonAt& json);
  static void Set(std::vector<NamedToken>& tokens, const std::string& key, std::optional<Token> token);
  static const NamedToken* FindKey(const std::vector<NamedToken>& tokens, const std::string& key);

  std::vector<NamedToken> named_;                 // of the seven standard names
  std::vector<NamedToken> other_named_;           // "…_token" keys of special_tokens_map.json that are not standard
  std::vector<NamedToken> model_specific_;        // and those of tokenizer_config.json
  std::optional<std::vector<Token>> extra_;       // extra_special_tokens; none: the key is absent
  std::optional<std::vector<Token>> additional_;  // additional_special_tokens, where it counts on its own
  std::map<int64_t, AddedToken> decoder_;         // added tokens by the id that a file gives
  std::map<std::string, AddedToken> by_content_;  // the same; the last read counts
  int64_t extra_ids_ = 100;
  bool truncate_left_ = false;
  bool split_special_tokens_ = false;
};

}  // namespace pipeline
