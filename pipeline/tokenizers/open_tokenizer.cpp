#include <cmath>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "attention/base/error.h"
#include "pipeline/tokenizers/json_file.h"
#include "pipeline/tokenizers/sentencepiece_model.h"
#include "pipeline/tokenizers/tokenizer.h"
#include "pipeline/tokenizers/tokenizer_config.h"
#include "pipeline/tokenizers/unicode.h"
#include "pipeline/tokenizers/unigram_tokenizer.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

constexpr int32_t kT5UnknownId = 2;  // T5's class does not ask the file
constexpr int32_t kLargestId = std::numeric_limits<int32_t>::max();

// A tokenizer.json without the pieces of its model, and those.
struct TokenizerJson {
  std::string source;
  OrderedJson json;
  std::vector<Unigram::Piece> pieces;

  JsonAt root() const { return {json, source}; }
};

Unigram::Piece ReadPiece(OrderedJson& entry, const std::string& source, size_t index) {
  const bool is_pair = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
  const double score = is_pair ? entry[1].get<double>() : 0;
  if (!is_pair || !std::isfinite(score)) {
    JsonAt{entry, base::StrCat(source, ": model.vocab[", index, "]")}.FailType("[text, finite score]");
  }
  return {std::move(entry[0].get_ref<std::string&>()), score};
}

TokenizerJson ReadTokenizerJson(const fs::path& path) {
  TokenizerJson result;
  result.source = path.string();
  const std::string text = ReadTokenizerFile(path);
  std::string outer, inner;  // the keys that are being read at depths 1 and 2
  // The pieces leave the tree as they are read: there may be 256,000 of them.
  const auto take_pieces = [&](int depth, OrderedJson::parse_event_t event, OrderedJson& value) {
    if (event == OrderedJson::parse_event_t::key) {
      if (depth == 1) outer = value.get_ref<const std::string&>();
      if (depth <= 2) inner = depth == 2 ? value.get_ref<const std::string&>() : std::string();
    }
    const bool is_piece =
        depth == 3 && event == OrderedJson::parse_event_t::array_end && outer == "model" && inner == "vocab";
    if (!is_piece) return true;
    result.pieces.push_back(ReadPiece(value, result.source, result.pieces.size()));
    return false;
  };
  result.json = ParseJson(text, result.source, take_pieces);
  result.root().RequireObject();
  if (result.root().Has("version") && result.root().Get("version").String() != "1.0") {
    result.root().Get("version").FailType("\"1.0\"");
  }
  const JsonAt model = result.root().Get("model");
  if (model.Has("type") && model.Get("type").String() != "Unigram") {
    base::Fail(base::ErrorCode::kUnsupported, model.where, ".type '", Excerpt(model.Get("type").String()),
               "' is not supported: only Unigram is");
  }
  const JsonAt vocab = model.Get("vocab");
  if (vocab.ArraySize() > 0) vocab.FailType("an array of [text, score] only");
  return result;
}

// Where a T5 folder without tokenizer.json has its model.
fs::path SentencePiecePath(const fs::path& folder) {
  std::error_code error;
  for (const char* name : {"tokenizer.model", "spiece.model"}) {
    if (fs::exists(folder / name, error)) return folder / name;
  }
  base::Fail(base::ErrorCode::kInvalidInput, folder.string(),
             " has neither tokenizer.json nor spiece.model; copy one there from the model's tokenizer");
}

// The id of a token that the folder's configuration names.
int32_t RequireId(const UnigramTokenizer::Parts& parts, const std::optional<std::string>& token, const char* key,
                  const fs::path& folder) {
  if (!token) {
    base::Fail(base::ErrorCode::kInvalidInput, (folder / "tokenizer_config.json").string(), ": ", key,
               " is not set; name the token there");
  }
  if (const auto id = parts.added.Find(*token)) return *id;
  if (const auto id = parts.model.Find(*token)) return *id;
  base::Fail(base::ErrorCode::kInvalidInput, (folder / "tokenizer_config.json").string(), ": ", key, " '",
             Excerpt(*token), "' is not in the vocabulary");
}

// The first of Sequence's normalisers (or the only one) that is Precompiled, as T5's class looks for it.
Normalizer T5Normalizer(const JsonAt& root) {
  if (!root.Has("normalizer")) return {};
  const JsonAt normalizer = root.Get("normalizer");
  auto is_precompiled = [](const JsonAt& each) {
    return each.Has("type") && each.Get("type").String() == "Precompiled" && each.Has("precompiled_charsmap");
  };
  if (is_precompiled(normalizer)) return Normalizer::FromJson(normalizer);
  if (!normalizer.Has("normalizers")) return {};
  const JsonAt list = normalizer.Get("normalizers");
  for (size_t i = 0; i < list.ArraySize(); ++i) {
    if (is_precompiled(list.Get(i))) return Normalizer::FromJson(list.Get(i));
  }
  return {};
}

std::unique_ptr<Tokenizer> OpenT5(const fs::path& folder) {
  const fs::path json_path = folder / "tokenizer.json";
  std::error_code error;
  std::vector<Unigram::Piece> pieces;
  std::string source;
  Normalizer normalizer;
  std::optional<TokenizerConfig> config;
  if (fs::exists(json_path, error)) {
    TokenizerJson file = ReadTokenizerJson(json_path);
    source = file.source;
    normalizer = T5Normalizer(file.root());
    config.emplace(folder, &file.json);
    config->ApplyT5(std::nullopt);
    pieces = std::move(file.pieces);
  } else {
    const fs::path model_path = SentencePiecePath(folder);
    SentencePieceModel model = ReadSentencePieceModel(model_path);
    source = model_path.string();
    if (!model.charsmap.empty()) {
      normalizer = Normalizer::FromCharsmap(model.charsmap, source + ": normalizer_spec.precompiled_charsmap");
    }
    config.emplace(folder, nullptr);
    std::vector<AddedToken> from_model;
    for (SentencePieceModel::Piece& piece : model.pieces) {
      const bool control = piece.kind == SentencePieceModel::Kind::kControl;
      if (control || piece.kind == SentencePieceModel::Kind::kUserDefined) {
        from_model.push_back({.content = piece.text, .normalized = false, .special = control});
      }
      pieces.push_back({std::move(piece.text), piece.score});
    }
    for (int64_t i = config->extra_ids() - 1; i >= 0; --i) pieces.push_back({base::StrCat("<extra_id_", i, ">"), 0.0});
    config->ApplyT5(from_model);
  }
  UnigramTokenizer::Parts parts{.model = Unigram(std::move(pieces), kT5UnknownId, false, source),
                                .normalizer = std::move(normalizer),
                                .pre_tokenizer = PreTokenizer::ForT5(),
                                .added = {}};
  parts.added.Add(config->TokensToAdd(parts.added), parts.model);
  parts.added.Prepare(parts.normalizer, config->split_special_tokens());
  parts.pad_id = RequireId(parts, config->pad_token(), "pad_token", folder);
  parts.after = {RequireId(parts, config->eos_token(), "eos_token", folder)};
  parts.cut_left = config->truncate_left();
  return std::make_unique<UnigramTokenizer>(std::move(parts));
}

// Reads `post_processor`: a template for a single text with one "$A".
void ReadPostProcessor(const JsonAt& json, std::vector<int32_t>& before, std::vector<int32_t>& after) {
  const std::string& type = json.Get("type").String();
  if (type != "TemplateProcessing") {
    base::Fail(base::ErrorCode::kUnsupported, json.where, ".type '", Excerpt(type),
               "' is not supported: only TemplateProcessing is");
  }
  const JsonAt single = json.Get("single");
  bool seen = false;
  for (size_t i = 0; i < single.ArraySize(); ++i) {
    const JsonAt piece = single.Get(i);
    if (piece.Has("Sequence")) {
      const bool is_text = !seen && piece.Get("Sequence").Get("id").String() == "A";
      if (!is_text) piece.FailType("the sequence A, once");
      seen = true;
      continue;
    }
    const std::string& name = piece.Get("SpecialToken").Get("id").String();
    const JsonAt ids = json.Get("special_tokens").Get(name).Get("ids");
    for (size_t k = 0; k < ids.ArraySize(); ++k) {
      (seen ? after : before).push_back(static_cast<int32_t>(ids.Get(k).Int(0, kLargestId - 1)));
    }
  }
  if (!seen) single.FailType("a template with the sequence A");
}

std::unique_ptr<Tokenizer> OpenTokenizerJson(const fs::path& folder) {
  const fs::path path = folder / "tokenizer.json";
  std::error_code error;
  if (!fs::exists(path, error)) {
    base::Fail(base::ErrorCode::kInvalidInput, folder.string(),
               " has no tokenizer.json; copy it there from the model's tokenizer");
  }
  TokenizerJson file = ReadTokenizerJson(path);
  const JsonAt root = file.root();
  const JsonAt model = root.Get("model");
  std::optional<int32_t> unk_id;
  if (model.Has("unk_id")) unk_id = static_cast<int32_t>(model.Get("unk_id").Int(0, kLargestId - 1));
  const bool byte_fallback = model.BoolOr("byte_fallback", false);
  auto optional_part = [&](const char* key) { return root.Has(key) ? std::optional(root.Get(key)) : std::nullopt; };
  const auto normalizer = optional_part("normalizer");
  const auto pre_tokenizer = optional_part("pre_tokenizer");
  const auto post_processor = optional_part("post_processor");
  UnigramTokenizer::Parts parts{
      .model = Unigram(std::move(file.pieces), unk_id, byte_fallback, file.source + ": model.vocab"),
      .normalizer = normalizer ? Normalizer::FromJson(*normalizer) : Normalizer(),
      .pre_tokenizer = pre_tokenizer ? PreTokenizer::FromJson(*pre_tokenizer) : PreTokenizer(),
      .added = {}};
  const TokenizerConfig config(folder, &file.json);
  parts.added.Add(TokenizerConfig::TokensOf(root), parts.model);
  parts.added.Add(config.TokensToAdd(parts.added), parts.model);
  parts.added.Prepare(parts.normalizer, config.split_special_tokens());
  parts.pad_id = RequireId(parts, config.pad_token(), "pad_token", folder);
  if (post_processor) ReadPostProcessor(*post_processor, parts.before, parts.after);
  parts.cut_left = config.truncate_left();
  return std::make_unique<UnigramTokenizer>(std::move(parts));
}

}  // namespace

std::unique_ptr<Tokenizer> OpenTokenizer(const fs::path& folder, std::string_view class_name) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    base::Fail(base::ErrorCode::kInvalidInput, folder.string(), " is not a folder with a tokenizer");
  }
  if (class_name == "T5TokenizerFast" || class_name == "T5Tokenizer") return OpenT5(folder);
  if (class_name == "TokenizersBackend" || class_name == "PreTrainedTokenizerFast") return OpenTokenizerJson(folder);
  base::Fail(base::ErrorCode::kUnsupported, "the tokenizer class '", Excerpt(class_name),
             "' is not supported: there are T5TokenizerFast, T5Tokenizer, TokenizersBackend and "
             "PreTrainedTokenizerFast");
}

}  // namespace pipeline
