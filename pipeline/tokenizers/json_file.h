#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace pipeline {

// Keeps the order of the keys: where the tokenizers' loader walks through an object, order decides ids.
using OrderedJson = nlohmann::ordered_json;

// The beginning of a text from a file, on one line and valid UTF-8, for a message.
std::string Excerpt(std::string_view text);

// The whole of a regular file. Throws Error{kIo} when it cannot be read, Error{kInvalidInput} when it is no file or
// larger than 1 GiB.
std::string ReadTokenizerFile(const std::filesystem::path& path);

// Parses UTF-8 JSON. Throws Error{kInvalidInput} naming `source` and the position of the first mistake.
OrderedJson ParseJson(std::string_view text, const std::string& source,
                      const OrderedJson::parser_callback_t& callback = nullptr);

// A JSON value with the name of where it stands ("tokenizer.json: model.unk_id"), for errors.
struct JsonAt {
  const OrderedJson& value;
  std::string where;

  // A member of this object; `Get` throws when it is absent, `Has` is false also for null.
  JsonAt Get(const std::string& key) const;
  JsonAt Get(size_t index) const;
  bool Has(const std::string& key) const;

  // Each throws Error{kInvalidInput} with the place, what was expected and what stands there.
  const std::string& String() const;
  bool Bool() const;
  int64_t Int(int64_t lowest, int64_t highest) const;
  size_t ArraySize() const;
  void RequireObject() const;
  [[noreturn]] void FailType(const char* expected) const;

  bool BoolOr(const std::string& key, bool otherwise) const { return Has(key) ? Get(key).Bool() : otherwise; }
};

}  // namespace pipeline
