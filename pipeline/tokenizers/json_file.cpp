#include "pipeline/tokenizers/json_file.h"

#include <algorithm>
#include <fstream>
#include <system_error>

#include "attention/base/error.h"
#include "pipeline/tokenizers/unicode.h"

namespace pipeline {
namespace {

constexpr uintmax_t kLargestFile = uintmax_t{1} << 30;

constexpr int kDeepestNesting = 64;  // the parser and copies of its values use the stack

// Arrays and objects within each other at the deepest place. Counts brackets outside of strings.
int NestingOf(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

std::string Describe(const OrderedJson& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return base::StrCat("an array of ", value.size());
  if (value.is_string()) return base::StrCat('"', Excerpt(value.get_ref<const std::string&>()), '"');
  return value.dump();
}

}  // namespace

std::string Excerpt(std::string_view text) {
  constexpr size_t kLongest = 40;
  std::string result;
  for (char c : text.substr(0, kLongest)) result.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c);
  while (FindInvalidUtf8(result) != std::string_view::npos) result.resize(FindInvalidUtf8(result));
  return text.size() > result.size() ? result + "…" : result;
}

std::string ReadTokenizerFile(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    base::Fail(base::ErrorCode::kInvalidInput, path.string(), " is not a file that can be read");
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error) base::Fail(base::ErrorCode::kIo, path.string(), " cannot be read: ", error.message());
  if (size > kLargestFile) {
    base::Fail(base::ErrorCode::kInvalidInput, path.string(), " has ", size, " bytes; a tokenizer file has at most ",
               kLargestFile);
  }
  std::ifstream in(path, std::ios::binary);
  std::string bytes(size, '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size))) {
    base::Fail(base::ErrorCode::kIo, path.string(), " cannot be read to its end");
  }
  return bytes;
}

OrderedJson ParseJson(std::string_view text, const std::string& source,
                      const OrderedJson::parser_callback_t& callback) {
  if (NestingOf(text) > kDeepestNesting) {
    base::Fail(base::ErrorCode::kInvalidInput, source, " has arrays and objects nested deeper than ", kDeepestNesting,
               " levels; it is no tokenizer file");
  }
  try {
    return OrderedJson::parse(text.begin(), text.end(), callback);
  } catch (const OrderedJson::parse_error& mistake) {
    base::Fail(base::ErrorCode::kInvalidInput, source, " is not valid JSON at byte ", mistake.byte, " of ", text.size(),
               "; get the file again");
  } catch (const OrderedJson::exception& mistake) {  // a number out of range
    base::Fail(base::ErrorCode::kInvalidInput, source, " is not valid JSON: ", mistake.what());
  }
}

JsonAt JsonAt::Get(const std::string& key) const {
  RequireObject();
  const auto found = value.find(key);
  if (found == value.end()) {
    base::Fail(base::ErrorCode::kInvalidInput, where, " has no key '", Excerpt(key), "'");
  }
  const bool is_file = where.find(": ") == std::string::npos;
  return {*found, where + (is_file ? ": " : ".") + Excerpt(key)};
}

JsonAt JsonAt::Get(size_t index) const {
  if (index >= ArraySize()) FailType("a longer array");
  return {value[index], base::StrCat(where, "[", index, "]")};
}

bool JsonAt::Has(const std::string& key) const {
  RequireObject();
  const auto found = value.find(key);
  return found != value.end() && !found->is_null();
}

const std::string& JsonAt::String() const {
  if (!value.is_string()) FailType("text");
  return value.get_ref<const std::string&>();
}

bool JsonAt::Bool() const {
  if (!value.is_boolean()) FailType("true or false");
  return value.get<bool>();
}

int64_t JsonAt::Int(int64_t lowest, int64_t highest) const {
  const bool fits =
      value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(highest) : value.is_number_integer();
  if (!fits || value.get<int64_t>() < lowest || value.get<int64_t>() > highest) {
    FailType(base::StrCat("an integer from ", lowest, " to ", highest).c_str());
  }
  return value.get<int64_t>();
}

size_t JsonAt::ArraySize() const {
  if (!value.is_array()) FailType("an array");
  return value.size();
}

void JsonAt::RequireObject() const {
  if (!value.is_object()) FailType("an object");
}

void JsonAt::FailType(const char* expected) const {
  base::Fail(base::ErrorCode::kInvalidInput, where, " is ", Describe(value), ", expected ", expected);
}

}  // namespace pipeline
